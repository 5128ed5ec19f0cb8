//! A page of data, by column.

use super::{CellMarks, CellState};

/// Where a page lies in its cube, in rows and columns: `Rect` on the wire.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Area {
    /// The first column.
    pub left: i32,
    /// The first row.
    pub top: i32,
    /// How many columns the engine says it has.
    pub width: i32,
    /// How many rows the engine says it has.
    pub height: i32,
}

/// One data page. Cells of one column lie next to each other in each of its arrays.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// Where it lies in the cube, as the engine says; counts of what has come are [`rows`](Self::rows) and
    /// [`width`](Self::width).
    pub area: Area,
    /// Whether the engine reduced the data, as for a chart with more points than pixels.
    pub is_reduced: bool,
    rows: usize,
    width: usize,
    numbers: Vec<f64>,
    elements: Vec<i32>,
    states: Vec<CellState>,
    marks: Vec<CellMarks>,
    spans: Vec<Span>,
    text: String,
}

/// Where the text of a cell lies.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// One cell, as it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cell {
    pub(super) number: f64,
    pub(super) span: Span,
    pub(super) element: i32,
    pub(super) state: CellState,
    pub(super) marks: CellMarks,
}

impl Page {
    /// Makes a page of cells that lie row by row, `width` to a row.
    pub(super) fn new(cells: &[Cell], rows: usize, width: usize, text: String) -> Self {
        let mut page = Self { rows, width, text, ..Self::default() };
        page.numbers.reserve_exact(cells.len());
        page.elements.reserve_exact(cells.len());
        page.states.reserve_exact(cells.len());
        page.marks.reserve_exact(cells.len());
        page.spans.reserve_exact(cells.len());
        for column in 0..width {
            let cells = || cells[column..].iter().step_by(width);
            page.numbers.extend(cells().map(|cell| cell.number));
            page.elements.extend(cells().map(|cell| cell.element));
            page.states.extend(cells().map(|cell| cell.state));
            page.marks.extend(cells().map(|cell| cell.marks));
            page.spans.extend(cells().map(|cell| cell.span));
        }
        page
    }

    /// Returns how many rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many columns there are.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Returns a column, counted from 0 at the left of this page.
    pub fn column(&self, index: usize) -> Option<Column<'_>> {
        (index < self.width).then_some(Column { page: self, start: index * self.rows })
    }

    /// Returns the columns from left to right.
    pub fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        (0..self.width).filter_map(|index| self.column(index))
    }
}

/// One column of a page; each array has an entry per row.
#[derive(Clone, Copy, Debug)]
pub struct Column<'a> {
    page: &'a Page,
    start: usize,
}

impl<'a> Column<'a> {
    /// Returns `qNum`: NaN where a cell has no number.
    pub fn numbers(&self) -> &'a [f64] {
        self.part(&self.page.numbers)
    }

    /// Returns `qElemNumber`: the index of the value in its field, −1 for totals, −2 for null, −3 for others, −4 for empty
    /// cells; 0 where a cell does not say.
    pub fn elements(&self) -> &'a [i32] {
        self.part(&self.page.elements)
    }

    /// Returns `qState`.
    pub fn states(&self) -> &'a [CellState] {
        self.part(&self.page.states)
    }

    /// Returns what the cells are marked as.
    pub fn marks(&self) -> &'a [CellMarks] {
        self.part(&self.page.marks)
    }

    /// Returns `qText` of one row, empty where a cell has none; `None` past the last row.
    pub fn text(&self, row: usize) -> Option<&'a str> {
        self.part(&self.page.spans).get(row).map(|span| self.slice(*span))
    }

    /// Returns `qText` of each row.
    pub fn texts(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let column = *self;
        self.part(&self.page.spans).iter().map(move |span| column.slice(*span))
    }

    fn slice(&self, span: Span) -> &'a str {
        self.page.text.get(span.start as usize..span.end as usize).unwrap_or_default()
    }

    fn part<T>(&self, all: &'a [T]) -> &'a [T] {
        &all[self.start..self.start + self.page.rows]
    }
}
