//! Reads recordings, line by line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::Engine as _;
use bytes::Bytes;
use qix_protocol::frame::{Raw, members};

use super::format::{Closing, Entry, EntryKind, FrameText, Header, Opening, Side, VERSION};

/// Why a recording cannot be read, or not further.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened or read.
    #[error("cannot read {path}; check its name and that it may be read", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file has no header line, because nothing was recorded or the recorder was stopped at once.
    #[error("{path} is empty: record into it first", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is no recording: its first line is not the header of a .qixrec file; give a file that `qix-proxy record` has written", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by a program that is too new.
    #[error(
        "{path} has format {major}.{minor} and this program reads {}.x: take a newer qix-proxy",
        VERSION.0, path = path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// The file was written by a program that is too old.
    #[error("{path} has format {major}.{minor}, which is no longer read: take an older qix-proxy", path = path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
    },
    /// A line in the middle is damaged.
    #[error("line {line} of {path} is damaged: {fault}; remove the line to read the rest", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// A last line that was cut, by a crash or because the recorder is still writing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TornTail {
    /// The line, from 1.
    pub line: u64,
    /// Its bytes, which are left out.
    pub bytes: u64,
}

/// A line longer than this is damage: it would hold more than any frame that a recorder keeps.
const LONGEST_LINE: u64 = 2 << 30;

/// Reads a recording entry by entry, in memory for one line.
///
/// After the iterator has ended, [`torn`](Self::torn) and [`is_sealed`](Self::is_sealed) say how the file ended.
#[derive(Debug)]
pub struct RecordingReader<R = BufReader<File>> {
    path: PathBuf,
    source: R,
    header: Header,
    line: u64,
    torn: Option<TornTail>,
    sealed: bool,
    failed: bool,
}

impl RecordingReader {
    /// Opens a recording and reads its header.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if the file cannot be read, is empty, is no recording, or has another major version.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        Self::new(BufReader::with_capacity(256 * 1024, file), path)
    }
}

impl<R: BufRead> RecordingReader<R> {
    /// Reads a recording from any source; `name` stands for it in errors.
    ///
    /// # Errors
    ///
    /// As [`open`](RecordingReader::open).
    pub fn new(source: R, name: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let header =
            Header { version: VERSION, started: String::new(), tool: String::new(), upstream: String::new() };
        let path = name.into();
        let mut reader = Self { path, source, header, line: 0, torn: None, sealed: false, failed: false };
        let line = reader.next_line()?;
        let Some(line) = line else {
            let path = reader.path;
            return Err(match reader.torn {
                // A header that was cut still tells a recording from another file.
                Some(_) => ReadError::Foreign { path },
                None => ReadError::Empty { path },
            });
        };
        reader.header = header_of(&line).ok_or_else(|| ReadError::Foreign { path: reader.path.clone() })?;
        let ((major, minor), path) = (reader.header.version, &reader.path);
        match major.cmp(&VERSION.0) {
            std::cmp::Ordering::Greater => Err(ReadError::TooNew { path: path.clone(), major, minor }),
            std::cmp::Ordering::Less => Err(ReadError::TooOld { path: path.clone(), major, minor }),
            std::cmp::Ordering::Equal => Ok(reader),
        }
    }

    /// Returns the header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the cut last line, once the end was reached.
    pub fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    /// Returns whether the recording was closed in order, once the end was reached.
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    fn next_line(&mut self) -> Result<Option<Bytes>, ReadError> {
        let mut line = Vec::new();
        let limited = &mut (&mut self.source).take(LONGEST_LINE);
        let read = limited
            .read_until(b'\n', &mut line)
            .map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        if line.pop_if(|last| *last == b'\n').is_some() {
            return Ok(Some(line.into()));
        }
        if read as u64 == LONGEST_LINE {
            return Err(self.damaged("it is too long"));
        }
        self.torn = Some(TornTail { line: self.line, bytes: read as u64 });
        Ok(None)
    }

    fn damaged(&self, fault: &'static str) -> ReadError {
        ReadError::Damaged { path: self.path.clone(), line: self.line, fault }
    }
}

impl<R: BufRead> Iterator for RecordingReader<R> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.torn.is_some() {
            return None;
        }
        let entry = match self.next_line() {
            Ok(line) => entry_of(&line?).map_err(|fault| self.damaged(fault)),
            Err(error) => Err(error),
        };
        self.failed = entry.is_err();
        self.sealed |= matches!(&entry, Ok(Entry { kind: EntryKind::End, .. }));
        Some(entry)
    }
}

fn header_of(line: &[u8]) -> Option<Header> {
    let mut header =
        Header { version: (0, 0), started: String::new(), tool: String::new(), upstream: String::new() };
    let mut versioned = false;
    for (name, value) in members(Raw::new(line).ok()?) {
        match &*name {
            "qixrec" => {
                header.version = value.decode().ok()?;
                versioned = true;
            }
            "started" => header.started = value.decode().ok()?,
            "tool" => header.tool = value.decode().ok()?,
            "upstream" => header.upstream = value.decode().ok()?,
            _ => {}
        }
    }
    versioned.then_some(header)
}

fn entry_of(line: &Bytes) -> Result<Entry, &'static str> {
    let line_value = Raw::new(line).map_err(|_| "it is not JSON")?;
    let mut members: Vec<_> = members(line_value).collect();
    let mut take = |name: &str| {
        let at = members.iter().position(|(found, _)| found == name)?;
        Some(members.swap_remove(at).1)
    };
    let seq = take("seq").and_then(|seq| seq.as_integer()).ok_or("it has no number `seq`")?;
    let at =
        take("t").and_then(|t| t.as_integer()).map(Duration::from_micros).ok_or("it has no number `t`")?;
    let conn = take("conn").map(|conn| conn.as_integer().ok_or("`conn` is no number")).transpose()?;
    let kind: String = take("kind").and_then(|kind| kind.decode().ok()).ok_or("it has no text `kind`")?;
    let kind = match &*kind {
        "open" => EntryKind::Open(opening(take)),
        "refused" => EntryKind::Refused(opening(take)),
        "close" => EntryKind::Close(closing(take)),
        "note" => EntryKind::Note(take("text").and_then(|text| text.decode().ok()).unwrap_or_default()),
        "end" => EntryKind::End,
        "frame" => frame(line, take)?,
        _ => EntryKind::Unknown(kind),
    };
    if conn.is_none() && matches!(kind, EntryKind::Open(_) | EntryKind::Frame { .. } | EntryKind::Close(_)) {
        return Err("it has no number `conn`");
    }
    Ok(Entry { seq, at, conn, kind })
}

fn frame<'a>(line: &Bytes, mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Result<EntryKind, &'static str> {
    let from = side(take("from")).ok_or("`from` is neither client nor engine")?;
    let text = if let Some(json) = take("json") {
        FrameText::Text(line.slice_ref(embedded(line, json)))
    } else if let Some(text) = take("text") {
        FrameText::Text(text.decode::<String>().map_err(|_| "`text` is no text")?.into())
    } else if let Some(base64) = take("base64") {
        let encoded: String = base64.decode().map_err(|_| "`base64` is no text")?;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(encoded)
            .map_err(|_| "`base64` is not base64")?;
        match take("opcode").and_then(|opcode| opcode.as_integer()) {
            Some(1u8) => FrameText::Text(bytes.into()),
            _ => FrameText::Binary(bytes.into()),
        }
    } else if let Some(bytes) = take("bytes") {
        FrameText::Omitted(bytes.as_integer().ok_or("`bytes` is no number")?)
    } else {
        return Err("it has no message");
    };
    Ok(EntryKind::Frame { from, text })
}

/// Returns the embedded message with the white space around it, from the colon to the brace that ends the line. If other members
/// stand behind it, somebody has edited the line, and the white space is theirs.
fn embedded<'a>(line: &'a [u8], json: Raw<'_>) -> &'a [u8] {
    const NAME: &[u8] = b"\"json\":";
    let start = json.as_bytes().as_ptr().addr() - line.as_ptr().addr();
    let end = start + json.as_bytes().len();
    let colon = start - line[..start].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let brace = end + line[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    if line[..colon].ends_with(NAME) && line[brace..].trim_ascii_end() == b"}" {
        &line[colon..brace]
    } else {
        &line[start..end]
    }
}

fn opening<'a>(mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Opening {
    let mut decode =
        |name: &str| take(name).map(|value| value.decode().unwrap_or_default()).unwrap_or_default();
    Opening {
        request: decode("request"),
        response: decode("response"),
        url: take("url").and_then(|url| url.decode().ok()).unwrap_or_default(),
        status: take("status").and_then(|status| status.as_integer()).unwrap_or_default(),
    }
}

fn closing<'a>(mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Closing {
    Closing {
        by: side(take("by")),
        code: take("code").and_then(|code| code.as_integer()),
        reason: take("reason").and_then(|reason| reason.decode().ok()).unwrap_or_default(),
        clean: take("clean").is_some_and(|clean| clean.as_bytes() == b"true"),
    }
}

fn side(word: Option<Raw<'_>>) -> Option<Side> {
    match word?.as_bytes() {
        b"\"client\"" => Some(Side::Client),
        b"\"engine\"" => Some(Side::Engine),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
