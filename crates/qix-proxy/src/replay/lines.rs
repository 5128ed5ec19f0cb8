//! The lines of a recording in the order in which the recorder took things in, and where they can be read again.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    line,
    texts::{Place, Texts},
};
use crate::record::{Entry, ReadError, RecordingParts, RecordingReader, TornTail, entry_of};

/// Reads the lines of all files of a recording.
pub(super) struct Lines<'r> {
    /// Files that nothing was read of yet, by the number of their first entry, last one first.
    later: Vec<(u64, PathBuf)>,
    open: Vec<Part<'r>>,
    last: u64,
    several: bool,
    torn: Option<TornTail>,
    upstream: String,
    /// Memory of lines that were looked at.
    spare: Vec<Vec<u8>>,
}

/// A line of an entry.
pub(super) struct Taken {
    pub(super) place: Place,
    pub(super) line: Bytes,
    seq: u64,
    /// The number of the line in its file, from 1.
    number: u64,
}

struct Part<'r> {
    path: PathBuf,
    reader: RecordingReader<Box<dyn BufRead + 'r>>,
    source: usize,
    /// Where the next line begins, if the file can be read as it is.
    offset: Option<u64>,
    next: Taken,
}

impl<'r> Lines<'r> {
    /// Reads one source, whose lines are kept.
    pub(super) fn of_reader<R: BufRead + 'r>(
        reader: RecordingReader<R>,
        texts: &mut Texts,
    ) -> Result<Self, ReadError> {
        let mut lines = Self::new(Vec::new(), None, reader.header().upstream.clone());
        let path = reader.path().to_owned();
        lines.begin(path, reader.boxed(), None, texts)?;
        Ok(lines)
    }

    /// Reads the files of one recording, given in any order.
    pub(super) fn of_files<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ReadError> {
        let parts = RecordingParts::open(paths)?;
        let upstream = parts.header().upstream.clone();
        let (later, torn) = parts.into_files();
        Ok(Self::new(later, torn, upstream))
    }

    fn new(later: Vec<(u64, PathBuf)>, torn: Option<TornTail>, upstream: String) -> Self {
        let several = later.len() > 1;
        Self { later, open: Vec::new(), last: 0, several, torn, upstream, spare: Vec::new() }
    }

    /// Returns what the recording says of its engine's URL.
    pub(super) fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Returns the first last line that was cut, once the end was reached.
    pub(super) fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    /// Returns the next line.
    pub(super) fn next(&mut self, texts: &mut Texts) -> Result<Option<Taken>, ReadError> {
        let mut at = self.soonest();
        while let Some((seq, _)) = self.later.last()
            && at.is_none_or(|at| *seq <= self.open[at].next.seq)
            && let Some((_, path)) = self.later.pop()
        {
            let (reader, header) = RecordingReader::open_counted(&path)?;
            let offset = (!reader.is_compressed()).then_some(header);
            self.begin(path, reader.boxed(), offset, texts)?;
            at = self.soonest();
        }
        let Some(at) = at else { return Ok(None) };
        let part = &mut self.open[at];
        if self.several && part.next.seq <= self.last {
            return Err(ReadError::Twice { path: part.path.clone() });
        }
        self.last = part.next.seq;
        let spare = self.spare.pop();
        let taken = match part.advance(spare, texts)? {
            Some(next) => std::mem::replace(&mut part.next, next),
            None => {
                let part = self.open.swap_remove(at);
                self.torn = self.torn.or(part.reader.torn());
                part.next
            }
        };
        Ok(Some(taken))
    }

    /// Takes the memory of a line back.
    pub(super) fn recycle(&mut self, line: Bytes) {
        if let Ok(mut line) = line.try_into_mut() {
            line.clear();
            self.spare.push(line.into());
        }
    }

    fn begin(
        &mut self,
        path: PathBuf,
        mut reader: RecordingReader<Box<dyn BufRead + 'r>>,
        offset: Option<u64>,
        texts: &mut Texts,
    ) -> Result<(), ReadError> {
        let source = if offset.is_some() { texts.add_file(&path) } else { texts.add_spool(&path) };
        let source = source.map_err(failed(&path))?;
        let mut offset = offset;
        match advance(&mut reader, &path, source, &mut offset, None, texts)? {
            Some(next) => self.open.push(Part { path, reader, source, offset, next }),
            None => self.torn = self.torn.or(reader.torn()),
        }
        Ok(())
    }

    fn soonest(&self) -> Option<usize> {
        (0..self.open.len()).min_by_key(|at| self.open[*at].next.seq)
    }
}

impl Taken {
    /// Reads all of the line.
    pub(super) fn entry(&self, texts: &Texts) -> Result<Entry, ReadError> {
        entry_of(&self.line).map_err(|fault| ReadError::Damaged {
            path: texts.path(self.place).to_owned(),
            line: self.number,
            fault,
        })
    }
}

impl Part<'_> {
    fn advance(&mut self, spare: Option<Vec<u8>>, texts: &mut Texts) -> Result<Option<Taken>, ReadError> {
        advance(&mut self.reader, &self.path, self.source, &mut self.offset, spare, texts)
    }
}

fn advance<'r>(
    reader: &mut RecordingReader<Box<dyn BufRead + 'r>>,
    path: &Path,
    source: usize,
    offset: &mut Option<u64>,
    spare: Option<Vec<u8>>,
    texts: &mut Texts,
) -> Result<Option<Taken>, ReadError> {
    let Some(line) = reader.next_line_into(spare.unwrap_or_default())? else { return Ok(None) };
    let place = match offset {
        Some(offset) => {
            let place = Place::new(source, *offset);
            *offset += line.len() as u64 + 1;
            place
        }
        None => texts.spool(source, &line).map_err(failed(path))?,
    };
    let number = reader.line_number();
    let seq = match line::seq(&line) {
        Some(seq) => seq,
        None => Taken { place, line: line.clone(), seq: 0, number }.entry(texts)?.seq,
    };
    Ok(Some(Taken { place, line, seq, number }))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ReadError {
    |source| ReadError::Io { path: path.to_owned(), source }
}
