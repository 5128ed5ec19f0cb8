//! Reads a recording that has several files.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

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
    /// Why it does not go on behind the entry that was handed out last.
    fault: Option<ReadError>,
    failed: bool,
}

#[derive(Debug)]
struct Part {
    path: PathBuf,
    reader: RecordingReader,
    next: Entry,
}

impl Part {
    /// Reads the entry behind `next`.
    fn read(&mut self) -> Result<Option<Entry>, ReadError> {
        let entry = self.reader.next().transpose()?;
        match &entry {
            Some(entry) if entry.seq <= self.next.seq => Err(ReadError::Damaged {
                path: self.path.clone(),
                line: self.reader.line_number(),
                fault: "its number is not greater than that of the line before",
            }),
            _ => Ok(entry),
        }
    }
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
        // Files whose first entry is damaged, and where the others begin by the names of those that they continue.
        let (mut damaged, mut behind) = (Vec::new(), HashMap::new());
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
            match reader.next() {
                Some(Ok(entry)) => {
                    behind.extend(reader.header().continues.clone().map(|name| (name, entry.seq)));
                    later.push((entry.seq, path));
                }
                // It is told where the file would be read, so that what comes before is not lost.
                Some(Err(_)) => damaged.push(path),
                None => torn.extend(reader.torn().map(|tail| (path, tail))),
            }
        }
        for path in damaged {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let place = behind.get(&*name).map_or(u64::MAX, |seq| seq.saturating_sub(1));
            later.push((place, path));
        }
        later.sort_by(|one, other| other.cmp(one));
        let header = match (header, empty) {
            (Some((header, _)), _) => header,
            (None, Some(error)) => return Err(error),
            (None, None) => panic!("no files were given"),
        };
        Ok(Self { header, later, open: Vec::new(), last: 0, read: 0, torn, fault: None, failed: false })
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
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
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
        let entry = match part.read() {
            Ok(Some(next)) => std::mem::replace(&mut part.next, next),
            end => {
                self.fault = end.err();
                let part = self.open.swap_remove(at);
                self.read += part.reader.position();
                self.torn.extend(part.reader.torn().map(|tail| (part.path, tail)));
                part.next
            }
        };
        Ok(Some(entry))
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

    fn head(part: &str) -> String {
        format!("{{\"qixrec\":[1,2],\"started\":\"2026-01-02T03:04:05Z\"{part}}}\n")
    }

    fn note(seq: u64) -> String {
        format!("{{\"seq\":{seq},\"t\":{seq},\"kind\":\"note\",\"text\":\"n\"}}\n")
    }

    /// Returns the entries of files, and why they do not go on.
    fn read(files: &[(&str, String)]) -> (Vec<u64>, Option<ReadError>) {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = files.iter().map(|(name, _)| dir.path().join(name)).collect();
        for ((_, text), path) in files.iter().zip(&paths) {
            std::fs::write(path, text).unwrap();
        }
        let (mut found, mut fault) = (Vec::new(), None);
        for entry in RecordingParts::open(&paths).unwrap() {
            match entry {
                Ok(entry) => found.push(entry.seq),
                Err(error) => assert!(fault.replace(error).is_none(), "it ends with an error"),
            }
        }
        (found, fault)
    }

    #[test]
    fn all_entries_before_damage_are_told() {
        let (found, fault) = read(&[("a", head("") + &note(1) + &note(2) + "junk\n" + &note(3))]);
        assert_eq!(found, [1, 2]);
        assert!(matches!(fault, Some(ReadError::Damaged { line: 4, .. })), "{fault:?}");
        let (found, fault) = read(&[("a", head("") + "junk\n" + &note(1))]);
        assert!(found.is_empty() && matches!(fault, Some(ReadError::Damaged { line: 2, .. })), "{fault:?}");
    }

    #[test]
    fn file_whose_first_entry_is_damaged_ends_the_reading_where_it_would_be_read() {
        let second = head(r#","part":2,"continues":"a""#) + "junk\n" + &note(3);
        let third = head(r#","part":3,"continues":"b""#) + &note(4);
        let (found, fault) =
            read(&[("c", third), ("b", second.clone()), ("a", head("") + &note(1) + &note(2))]);
        assert_eq!(found, [1, 2]);
        assert!(matches!(fault, Some(ReadError::Damaged { path, .. }) if path.ends_with("b")));
        let (found, fault) = read(&[("b", second), ("a", head("") + &note(1))]);
        assert!(found == [1] && fault.is_some(), "{found:?}");
    }

    #[test]
    fn number_that_comes_again_is_damage_in_one_file_and_a_file_too_many_in_two() {
        let (found, fault) = read(&[("a", head("") + &note(1) + &note(2) + &note(2))]);
        assert_eq!(found, [1, 2]);
        assert!(matches!(fault, Some(ReadError::Damaged { line: 4, .. })), "{fault:?}");
        let (_, fault) = read(&[("a", head("") + &note(1)), ("b", head("") + &note(1))]);
        assert!(matches!(fault, Some(ReadError::Twice { .. })), "{fault:?}");
    }
}
