//! Reads a recording that has several files.

use std::path::{Path, PathBuf};

use super::{Entry, Header, ReadError, RecordingReader, follow::TornTail};

/// Reads the files of one recording as one, in the order in which the recorder took things in, however the files are given.
///
/// Files are opened as they are needed, so that a few are open at a time unless connections have files of their own.
#[derive(Debug)]
pub struct RecordingParts {
    header: Header,
    /// Files that nothing was read of yet, by the number of their first entry, last one first.
    later: Vec<(u64, PathBuf)>,
    open: Vec<Part>,
    last: u64,
    /// The bytes of the files that were read to their end.
    read: u64,
    torn: Vec<(PathBuf, TornTail)>,
    failed: bool,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    reader: RecordingReader,
    next: Entry,
}

impl RecordingParts {
    /// Opens files.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read or is no recording, if the files belong to different ones, or if all are empty.
    ///
    /// # Panics
    ///
    /// If there are no files.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ReadError> {
        let mut header: Option<(Header, PathBuf)> = None;
        let mut later = Vec::new();
        let mut torn = Vec::new();
        let mut empty = None;
        for path in paths {
            let path = path.as_ref().to_owned();
            let mut reader = match RecordingReader::open(&path) {
                // A recorder that was killed when it had just created the next file leaves it empty.
                Err(error @ ReadError::Empty { .. }) => {
                    empty.get_or_insert(error);
                    continue;
                }
                opened => opened?,
            };
            match &header {
                Some((first, other)) if first.started != reader.header().started => {
                    return Err(ReadError::Stranger { path, other: other.clone() });
                }
                Some((first, _)) if first.part <= reader.header().part => {}
                _ => header = Some((reader.header().clone(), path.clone())),
            }
            match reader.next().transpose()? {
                Some(entry) => later.push((entry.seq, path)),
                None => torn.extend(reader.torn().map(|tail| (path, tail))),
            }
        }
        later.sort_by(|one, other| other.cmp(one));
        let header = match (header, empty) {
            (Some((header, _)), _) => header,
            (None, Some(error)) => return Err(error),
            (None, None) => panic!("no files were given"),
        };
        Ok(Self { header, later, open: Vec::new(), last: 0, read: 0, torn, failed: false })
    }

    /// Returns the header of the first file.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the last lines that were cut, with their files, once the end was reached.
    pub fn torn(&self) -> &[(PathBuf, TornTail)] {
        &self.torn
    }

    /// Returns how many bytes of the files were read, compressed as they are.
    pub fn position(&self) -> u64 {
        self.read + self.open.iter().map(|part| part.reader.position()).sum::<u64>()
    }

    /// Returns the files by the number of their first entry, last one first, and the cut last line of those that have none.
    pub(crate) fn into_files(self) -> (Vec<(u64, PathBuf)>, Option<TornTail>) {
        (self.later, self.torn.first().map(|(_, torn)| *torn))
    }

    fn advance(&mut self) -> Result<Option<Entry>, ReadError> {
        let soonest = |open: &[Part]| (0..open.len()).min_by_key(|at| open[*at].next.seq);
        let mut at = soonest(&self.open);
        while let Some((seq, _)) = self.later.last()
            && at.is_none_or(|at| *seq <= self.open[at].next.seq)
            && let Some((_, path)) = self.later.pop()
        {
            let mut reader = RecordingReader::open(&path)?;
            if let Some(next) = reader.next().transpose()? {
                self.open.push(Part { path, reader, next });
            }
            at = soonest(&self.open);
        }
        let Some(at) = at else { return Ok(None) };
        let part = &mut self.open[at];
        if part.next.seq <= self.last {
            return Err(ReadError::Twice { path: part.path.clone() });
        }
        self.last = part.next.seq;
        match part.reader.next().transpose()? {
            Some(next) => Ok(Some(std::mem::replace(&mut part.next, next))),
            None => {
                let part = self.open.swap_remove(at);
                self.read += part.reader.position();
                self.torn.extend(part.reader.torn().map(|tail| (part.path, tail)));
                Ok(Some(part.next))
            }
        }
    }
}

impl Iterator for RecordingParts {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let entry = self.advance();
        self.failed = entry.is_err();
        entry.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_file_of_a_recorder_that_was_killed_is_no_fault_beside_others() {
        let dir = tempfile::tempdir().unwrap();
        let (first, next) = (dir.path().join("a.qixrec"), dir.path().join("a-2.qixrec"));
        std::fs::write(&first, include_bytes!("../../assets/demo.qixrec")).unwrap();
        std::fs::write(&next, "").unwrap();
        assert!(RecordingParts::open([&next, &first]).unwrap().count() > 10);
        assert!(matches!(RecordingParts::open([&next]), Err(ReadError::Empty { .. })));
    }
}
