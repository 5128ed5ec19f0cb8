//! Reads recordings, line by line.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use bytes::Bytes;

use super::{
    Entry, Header, ReadError,
    follow::{Follower, TornTail},
};

/// Reads a recording entry by entry, compressed or not, in memory for one line.
///
/// After the iterator has ended, [`torn`](Self::torn) and [`is_sealed`](Self::is_sealed) say how the file ended.
#[derive(Debug)]
pub struct RecordingReader<R = BufReader<File>> {
    source: R,
    /// How many bytes of the source were taken.
    taken: u64,
    follower: Follower,
}

impl RecordingReader {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file cannot be read, is empty, is no recording, or has another major version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let mut reader = Self::unread(path.as_ref())?;
        reader.read_header()?;
        Ok(reader)
    }

    /// Opens a recording, reads its header, and returns how many bytes that takes, if the file is not compressed.
    pub(crate) fn open_counted(path: &Path) -> Result<(Self, u64), ReadError> {
        let mut reader = Self::unread(path)?;
        let header = reader.read_header()?;
        Ok((reader, header.len() as u64 + 1))
    }

    /// Opens a recording, whose header is to be read.
    pub(crate) fn unread(path: &Path) -> Result<Self, ReadError> {
        let file = File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let source = BufReader::with_capacity(256 * 1024, file);
        Ok(Self { source, taken: 0, follower: Follower::new(path.to_owned()) })
    }
}

impl<R: BufRead> RecordingReader<R> {
    /// Reads a recording from any source; `name` stands for it in errors.
    ///
    /// # Errors
    ///
    /// As [`open`](RecordingReader::open).
    pub fn new(source: R, name: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let mut reader = Self { source, taken: 0, follower: Follower::new(name.into()) };
        reader.read_header()?;
        Ok(reader)
    }

    /// Reads the header, before anything else, and returns its line.
    pub(crate) fn read_header(&mut self) -> Result<Bytes, ReadError> {
        let line = self.next_line()?;
        self.follower.header_line(line)
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        self.follower.header()
    }

    /// Returns the cut last line, once the end was reached.
    pub fn torn(&self) -> Option<TornTail> {
        self.follower.torn()
    }

    /// Returns whether the recording was closed in order, once the end was reached.
    pub fn is_sealed(&self) -> bool {
        self.follower.is_sealed()
    }

    /// Returns the name of the file that continues this one, once the end was reached.
    pub fn next_part(&self) -> Option<&str> {
        self.follower.next_part()
    }

    /// Returns how many bytes of the source were read, compressed as they are.
    pub fn position(&self) -> u64 {
        self.taken
    }

    /// Hides what it reads from.
    pub(crate) fn boxed<'r>(self) -> RecordingReader<Box<dyn BufRead + 'r>>
    where
        R: 'r,
    {
        RecordingReader { source: Box::new(self.source), taken: self.taken, follower: self.follower }
    }

    /// Returns what stands for the source in errors.
    pub(crate) fn path(&self) -> &Path {
        self.follower.path()
    }

    /// Returns whether the recording is compressed, once the header was read.
    pub(crate) fn is_compressed(&self) -> bool {
        self.follower.is_compressed()
    }

    /// Returns the number of the line that was read last, from 1.
    pub(crate) fn line_number(&self) -> u64 {
        self.follower.line_number()
    }

    /// Returns the next line in the memory of one that is done with.
    pub(crate) fn next_line_into(&mut self, memory: Vec<u8>) -> Result<Option<Bytes>, ReadError> {
        self.follower.reuse(memory);
        self.next_line()
    }

    /// Returns the next line, whatever is in it.
    pub(crate) fn next_line(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let input = match self.source.fill_buf() {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.follower.failed(error)),
                Ok(input) => input,
            };
            let is_end = input.is_empty();
            let (used, line) = self.follower.feed(input)?;
            self.source.consume(used);
            self.taken += used as u64;
            if line.is_some() {
                return Ok(line);
            }
            if is_end {
                self.follower.end();
                return Ok(None);
            }
        }
    }
}

impl<R: BufRead> Iterator for RecordingReader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.follower.is_done() {
            return None;
        }
        let line = self.next_line();
        self.follower.entry_line(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EntryKind, FrameText};

    const HEAD: &str = r#"{"qixrec":[1,0],"started":"2026-01-02T03:04:05Z","tool":"t","upstream":"ws://h/"}"#;

    fn read(text: &str) -> Result<(Vec<Entry>, RecordingReader<&[u8]>), ReadError> {
        let mut reader = RecordingReader::new(text.as_bytes(), "x.qixrec")?;
        let entries = reader.by_ref().collect::<Result<_, _>>()?;
        Ok((entries, reader))
    }

    fn texts(lines: &str) -> Vec<FrameText> {
        let (entries, _) = read(&format!("{HEAD}\n{lines}\n")).unwrap();
        let text = |entry: Entry| match entry.kind {
            EntryKind::Frame { text, .. } => text,
            other => panic!("{other:?}"),
        };
        entries.into_iter().map(text).collect()
    }

    #[test]
    fn frames_come_back_byte_for_byte() {
        let lines = [
            r#"{"seq":1,"t":5,"conn":1,"kind":"frame","from":"client","json": {"id" : 1e0 } }"#,
            r#"{"seq":2,"t":6,"conn":1,"kind":"frame","from":"engine","text":"<html>\n\u0000é"}"#,
            r#"{"seq":3,"t":7,"conn":1,"kind":"frame","from":"engine","base64":"/wA=","opcode":2}"#,
            r#"{"seq":4,"t":7,"conn":1,"kind":"frame","from":"engine","base64":"/wA=","opcode":1}"#,
            r#"{"seq":5,"t":7,"conn":1,"kind":"frame","from":"engine","bytes":12}"#,
        ];
        assert_eq!(
            texts(&lines.join("\n")),
            [
                FrameText::Text(r#" {"id" : 1e0 } "#.into()),
                FrameText::Text("<html>\n\0é".into()),
                FrameText::Binary(Bytes::from_static(&[255, 0])),
                FrameText::Text(Bytes::from_static(&[255, 0])),
                FrameText::Omitted(12),
            ]
        );
    }

    #[test]
    fn edited_line_with_members_behind_the_message_is_read() {
        let line = r#"{"seq":1,"t":5,"conn":1,"kind":"frame","from":"client","json":{"id":1},"note":"x"}"#;
        assert_eq!(texts(line), [FrameText::Text(r#"{"id":1}"#.into())]);
    }

    #[test]
    fn torn_last_line_is_left_out_and_reported() {
        let text =
            format!("{HEAD}\n{{\"seq\":1,\"t\":0,\"kind\":\"note\",\"text\":\"x\"}}\n{{\"seq\":2,\"t\"");
        let (entries, reader) = read(&text).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(reader.torn(), Some(TornTail { line: 3, bytes: 12 }));
        assert!(!reader.is_sealed());
    }

    #[test]
    fn damaged_line_in_the_middle_is_an_error_that_names_it() {
        let error =
            read(&format!("{HEAD}\nnot json\n{{\"seq\":1,\"t\":0,\"kind\":\"end\"}}\n")).err().unwrap();
        assert_eq!(
            error.to_string(),
            "line 2 of x.qixrec is damaged: it is not JSON; remove the line to read the rest"
        );
    }

    #[test]
    fn later_minor_versions_are_read_and_what_is_new_is_kept_apart() {
        let text = HEAD.replace("[1,0]", "[1,9]")
            + "\n{\"seq\":1,\"t\":0,\"conn\":1,\"kind\":\"weather\",\"sun\":true}\n{\"seq\":2,\"t\":0,\"kind\":\"end\"}\n";
        let (entries, reader) = read(&text).unwrap();
        assert!(matches!(&entries[0].kind, EntryKind::Unknown(kind) if kind == "weather"));
        assert!(reader.is_sealed());
    }

    #[test]
    fn other_files_are_refused_by_kind() {
        assert!(matches!(read(""), Err(ReadError::Empty { .. })));
        assert!(matches!(read("{\"log\":{\"version\":\"1.2\"}}\n"), Err(ReadError::Foreign { .. })));
        assert!(matches!(read("\u{0}\u{1}"), Err(ReadError::Foreign { .. })));
        assert!(matches!(
            read(&(HEAD.replace("[1,0]", "[2,3]") + "\n")),
            Err(ReadError::TooNew { major: 2, minor: 3, .. })
        ));
        assert!(matches!(read(&(HEAD.replace("[1,0]", "[0,9]") + "\n")), Err(ReadError::TooOld { .. })));
    }

    #[test]
    fn frames_of_compressed_files_may_end_anywhere_and_a_torn_one_costs_what_is_in_it() {
        let lines = format!("{HEAD}\n{}", "{\"seq\":1,\"t\":0,\"kind\":\"note\",\"text\":\"x\"}\n".repeat(9));
        let frames: Vec<Vec<u8>> =
            lines.as_bytes().chunks(61).map(|part| zstd::bulk::compress(part, 1).unwrap()).collect();
        let whole = frames.concat();
        for cut in frames[0].len() + frames[1].len()..whole.len() {
            let mut ends = 0;
            let complete = frames
                .iter()
                .take_while(|frame| {
                    ends += frame.len();
                    ends <= cut
                })
                .count();
            let readable = &lines[..lines.len().min(complete * 61)];
            let mut reader = RecordingReader::new(&whole[..cut], "x.qixrec.zst").unwrap();
            let entries = reader.by_ref().map(Result::unwrap).count();
            assert!(entries + 1 >= readable.matches('\n').count(), "{cut}");
            let at_frame = frames[..complete].iter().map(Vec::len).sum::<usize>() == cut;
            assert_eq!(reader.torn().is_none(), at_frame && readable.ends_with('\n'), "{cut}");
        }
        let mut reader = RecordingReader::new(&whole[..], "x.qixrec.zst").unwrap();
        assert_eq!((reader.by_ref().count(), reader.torn()), (9, None));
    }

    #[test]
    fn damaged_compressed_file_is_an_error_that_says_so() {
        let mut bytes = zstd::bulk::compress(format!("{HEAD}\n").as_bytes(), 1).unwrap();
        bytes.extend_from_slice(b"(/junk that is no frame");
        let mut reader = RecordingReader::new(&bytes[..], "x.qixrec.zst").unwrap();
        let error = reader.next().unwrap().unwrap_err();
        assert!(
            error.to_string().contains("line 2 of x.qixrec.zst is damaged: its compression is broken"),
            "{error}"
        );
        assert!(reader.next().is_none());
    }
}
