//! The one pass over the text of data pages.

use std::{borrow::Cow, ops::Range};

use super::{
    Area, CellMarks, CellState, Page, PageError,
    page::{Cell, Span},
};
use crate::{
    escapes::{unescape, unescaped},
    number,
    scan::{self, Fault},
    siblings::Piece,
};

/// Columns whose cells' member names are predicted apart; more share, which costs speed and nothing else.
const COLUMNS: usize = 8;

/// Members of a cell whose names are predicted.
const MEMBERS: usize = 8;

/// More pages than anybody asks for at once; each may ask for up to 10,000 cells.
const MAX_PAGES: usize = 1 << 16;

/// Reads the pages at the end of `path`, or those that `text` itself is.
pub(super) fn pages(text: &[u8], path: &[&str]) -> Result<Vec<Page>, PageError> {
    if u32::try_from(text.len()).is_err() {
        return Err(PageError::TooLarge);
    }
    let mut reader = Reader { text, at: 0, known: [[Known::default(); MEMBERS]; COLUMNS] };
    reader.space();
    let pages = if reader.peek() == Some(b'[') { reader.pages()? } else { reader.find(path)? };
    reader.space();
    if reader.at == text.len() { Ok(pages) } else { Err(Fault::at(reader.at).into()) }
}

impl From<Fault> for PageError {
    fn from(fault: Fault) -> Self {
        Self::Malformed(fault.into())
    }
}

/// The members of a cell that are read.
#[derive(Clone, Copy, Default)]
enum Member {
    Text,
    Number,
    Element,
    State,
    Mark(u8),
    #[default]
    Other,
}

impl Member {
    fn named(name: &str) -> Self {
        match name {
            "qText" => Self::Text,
            "qNum" => Self::Number,
            "qElemNumber" => Self::Element,
            "qState" => Self::State,
            "qIsEmpty" => Self::Mark(CellMarks::EMPTY),
            "qIsTotalCell" => Self::Mark(CellMarks::TOTAL),
            "qIsOtherCell" => Self::Mark(CellMarks::OTHER),
            "qIsNull" => Self::Mark(CellMarks::NULL),
            _ => Self::Other,
        }
    }
}

/// The name that a member of the cell above had in its place.
#[derive(Clone, Copy, Default)]
struct Known {
    piece: Piece,
    member: Member,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    known: [[Known; MEMBERS]; COLUMNS],
}

impl<'a> Reader<'a> {
    /// `null`, or an object with what the rest of the path leads to; other members are stepped over.
    fn find(&mut self, path: &[&str]) -> Result<Vec<Page>, PageError> {
        let Some((wanted, rest)) = path.split_first() else { return self.pages() };
        let mut pages = Vec::new();
        let mut more = !self.null()? && self.open(b'{')?;
        while more {
            if self.name()? == *wanted {
                pages = self.find(rest)?
            } else {
                self.skip()?
            }
            more = self.more(b'}')?;
        }
        Ok(pages)
    }

    /// `null`, or an array of pages.
    fn pages(&mut self) -> Result<Vec<Page>, PageError> {
        let mut pages = Vec::new();
        let mut cells = Vec::new();
        let mut more = !self.null()? && self.open(b'[')?;
        while more {
            // A page may be as short as `{}`, which is much less than it takes.
            if pages.len() == MAX_PAGES {
                return Err(PageError::TooLarge);
            }
            pages.push(self.page(&mut cells)?);
            more = self.more(b']')?;
        }
        Ok(pages)
    }

    /// One page; `cells` is where its cells are collected.
    fn page(&mut self, cells: &mut Vec<Cell>) -> Result<Page, PageError> {
        let mut page = Page::default();
        let mut area = Area::default();
        let mut is_reduced = false;
        let mut more = self.open(b'{')?;
        while more {
            match &*self.name()? {
                "qMatrix" => page = self.matrix(cells)?,
                "qArea" => area = self.area()?,
                "qIsReduced" => is_reduced = self.boolean()?,
                _ => self.skip()?,
            }
            more = self.more(b'}')?;
        }
        page.area = area;
        page.is_reduced = is_reduced;
        Ok(page)
    }

    fn area(&mut self) -> Result<Area, Fault> {
        let mut area = Area::default();
        let mut more = !self.null()? && self.open(b'{')?;
        while more {
            match &*self.name()? {
                "qLeft" => area.left = self.integer()?,
                "qTop" => area.top = self.integer()?,
                "qWidth" => area.width = self.integer()?,
                "qHeight" => area.height = self.integer()?,
                _ => self.skip()?,
            }
            more = self.more(b'}')?;
        }
        Ok(area)
    }

    fn matrix(&mut self, cells: &mut Vec<Cell>) -> Result<Page, PageError> {
        cells.clear();
        let mut text = Vec::new();
        let (mut rows, mut width) = (0, 0);
        let mut more_rows = !self.null()? && self.open(b'[')?;
        while more_rows {
            let row_start = cells.len();
            let mut more = self.open(b'[')?;
            while more {
                let column = cells.len() - row_start;
                cells.push(self.cell(column, &mut text)?);
                more = self.more(b']')?;
            }
            let found = cells.len() - row_start;
            if rows == 0 {
                width = found;
            } else if found != width {
                return Err(PageError::Ragged { row: rows, width, found });
            }
            rows += 1;
            more_rows = self.more(b']')?;
        }
        let text = String::from_utf8(text).map_err(|_| Fault::at(self.at))?;
        Ok(Page::new(cells, rows, width, text))
    }

    /// One cell, whose text goes to the end of `text`.
    #[inline]
    fn cell(&mut self, column: usize, text: &mut Vec<u8>) -> Result<Cell, Fault> {
        let start = text.len();
        let mut cell = Cell {
            number: f64::NAN,
            span: Span::default(),
            element: 0,
            state: CellState::Unknown,
            marks: CellMarks::default(),
        };
        if self.peek() != Some(b'{') {
            return Err(Fault::at(self.at));
        }
        let mut nth = 0;
        // Stands on the brace or comma before each name, so that both are part of what is predicted.
        while let Some(member) = self.cell_member(column, nth)? {
            nth += 1;
            match member {
                Member::Text => {
                    // Of a repeated member the last counts.
                    text.truncate(start);
                    self.text(text)?;
                }
                Member::Number => cell.number = self.double()?,
                Member::Element => cell.element = self.integer()?,
                Member::State => cell.state = self.state()?,
                Member::Mark(mark) => {
                    let on = self.boolean()?;
                    cell.marks.set(mark, on);
                }
                Member::Other => self.skip()?,
            }
            match self.peek() {
                Some(b',') => {}
                Some(b'}') => {
                    self.at += 1;
                    break;
                }
                _ => self.space(),
            }
        }
        // Both fit: the text is shorter than what it was read from.
        cell.span = Span { start: start as u32, end: text.len() as u32 };
        Ok(cell)
    }

    /// Steps from the brace or comma before a cell's member to behind its colon; `None` behind the end of the cell.
    #[inline]
    fn cell_member(&mut self, column: usize, nth: usize) -> Result<Option<Member>, Fault> {
        if let Some(known) = self.known[column % COLUMNS].get(nth)
            && let Some(end) = known.piece.end(self.text, self.at)
        {
            self.at = scan::space(self.text, end);
            return Ok(Some(known.member));
        }
        self.unknown_cell_member(column, nth)
    }

    #[cold]
    fn unknown_cell_member(&mut self, column: usize, nth: usize) -> Result<Option<Member>, Fault> {
        let start = self.at;
        let more = if nth == 0 { self.open(b'{')? } else { self.more(b'}')? };
        if !more {
            return Ok(None);
        }
        let member = Member::named(&self.name()?);
        if let Some(known) = self.known[column % COLUMNS].get_mut(nth) {
            *known = Known { piece: Piece::new(&self.text[start..self.at]), member };
        }
        Ok(Some(member))
    }

    /// The text of a cell: a string, or `null`, which is as good as an empty one.
    #[inline]
    fn text(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        if self.peek() == Some(b'"') {
            let start = self.at + 1;
            let end = scan::plain(self.text, start, &mut 0);
            if self.text.get(end) == Some(&b'"') {
                out.extend_from_slice(&self.text[start..end]);
                self.at = end + 1;
            } else {
                let inside = self.string()?;
                unescape(&self.text[inside], out);
            }
            Ok(())
        } else if self.null()? {
            Ok(())
        } else {
            Err(Fault::at(self.at))
        }
    }

    #[inline]
    fn double(&mut self) -> Result<f64, Fault> {
        match self.text[self.at..] {
            [b'"', b'N', b'a', b'N', b'"', ..] => {
                self.at += 5;
                Ok(f64::NAN)
            }
            [b'"', ..] => {
                let start = self.at;
                match &self.text[self.string()?] {
                    b"Infinity" | b"+Infinity" => Ok(f64::INFINITY),
                    b"-Infinity" => Ok(f64::NEG_INFINITY),
                    _ => Err(Fault::at(start)),
                }
            }
            [b'n', ..] => self.null().map(|_| f64::NAN),
            _ => {
                let (number, end) = number::double(self.text, self.at)?;
                self.at = end;
                Ok(number)
            }
        }
    }

    #[inline]
    fn integer(&mut self) -> Result<i32, Fault> {
        if self.null()? {
            return Ok(0);
        }
        let (number, end) = number::integer(self.text, self.at)?;
        self.at = end;
        Ok(number)
    }

    #[inline]
    fn state(&mut self) -> Result<CellState, Fault> {
        match self.text[self.at..] {
            [b'"', letter @ b'A'..=b'Z', b'"', ..] => {
                self.at += 3;
                Ok(CellState::lettered(letter))
            }
            [b'"', ..] => self.string().map(|inside| CellState::named(&self.text[inside])),
            [b'n', ..] => self.null().map(|_| CellState::Unknown),
            _ => self.integer().map(CellState::numbered),
        }
    }

    fn boolean(&mut self) -> Result<bool, Fault> {
        let start = self.at;
        self.skip()?;
        match &self.text[start..self.at] {
            b"true" => Ok(true),
            b"false" | b"null" => Ok(false),
            _ => Err(Fault::at(start)),
        }
    }

    /// Steps over `null`; returns whether there was one.
    #[inline]
    fn null(&mut self) -> Result<bool, Fault> {
        let null = self.peek() == Some(b'n');
        if null {
            self.skip()?;
        }
        Ok(null)
    }

    /// Steps over a bracket and to the first item; returns whether there is one, and steps over the end if there is not.
    #[inline]
    fn open(&mut self, bracket: u8) -> Result<bool, Fault> {
        if self.peek() != Some(bracket) {
            return Err(Fault::at(self.at));
        }
        self.at += 1;
        self.space();
        // The bracket that closes one follows two later in ASCII.
        let empty = self.peek() == Some(bracket + 2);
        self.at += usize::from(empty);
        Ok(!empty)
    }

    /// Steps over what follows an item and to the next one; returns whether there is one.
    #[inline]
    fn more(&mut self, close: u8) -> Result<bool, Fault> {
        self.space();
        let comma = self.peek() == Some(b',');
        if !comma && self.peek() != Some(close) {
            return Err(Fault::at(self.at));
        }
        self.at += 1;
        self.space();
        Ok(comma)
    }

    /// Steps over a name, its colon and the space behind.
    fn name(&mut self) -> Result<Cow<'a, str>, Fault> {
        let inside = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return Err(Fault::at(self.at));
        }
        self.at += 1;
        self.space();
        Ok(unescaped(&self.text[inside]))
    }

    /// Steps over a string; returns its inside.
    fn string(&mut self) -> Result<Range<usize>, Fault> {
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(Fault::at(start));
        }
        self.at = scan::skim(self.text, start)?;
        Ok(start + 1..self.at - 1)
    }

    fn skip(&mut self) -> Result<(), Fault> {
        self.at = scan::skim(self.text, self.at)?;
        Ok(())
    }

    #[inline]
    fn space(&mut self) {
        self.at = scan::space(self.text, self.at);
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }
}
