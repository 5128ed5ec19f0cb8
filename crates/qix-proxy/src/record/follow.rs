//! Follows a recording through bytes that come from anywhere: what readers share.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::{
    Entry, EntryKind, Header, ReadError, VERSION,
    parse::{entry_of, header_of, next_of},
};

/// A line longer than this is damage: it would hold more than any frame that a recorder keeps.
const LONGEST_LINE: usize = 2 << 30;
/// How much is uncompressed at once, in bytes.
const PIECE: usize = 128 << 10;
/// The first byte of a compressed file. A header line begins with a brace.
const ZIPPED: u8 = zstd::zstd_safe::MAGICNUMBER.to_le_bytes()[0];

/// A last line that was cut, by a crash or because the recorder is still writing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TornTail {
    /// The line, from 1.
    pub line: u64,
    /// Its bytes, as far as they can be read, which are left out.
    pub bytes: u64,
}

/// What is known of a recording that is being read.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    header: Header,
    unzip: Option<Unzip>,
    /// Whether anything was read.
    begun: bool,
    /// The line that is not complete.
    partial: Vec<u8>,
    /// The number of the last complete line.
    line: u64,
    torn: Option<TornTail>,
    sealed: bool,
    next_part: Option<String>,
    done: bool,
}

impl Follower {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            header: Header::default(),
            unzip: None,
            begun: false,
            partial: Vec::new(),
            line: 0,
            torn: None,
            sealed: false,
            next_part: None,
            done: false,
        }
    }

    /// Takes bytes from the beginning of `input`: returns how many, and a line if one is complete.
    ///
    /// Without input, lines come that are in bytes taken before.
    pub(super) fn feed(&mut self, input: &[u8]) -> Result<(usize, Option<Bytes>), ReadError> {
        if let (false, Some(first)) = (self.begun, input.first()) {
            self.begun = true;
            if *first == ZIPPED {
                self.unzip = Some(Unzip::new().map_err(|error| self.failed(error))?);
            }
        }
        let Some(mut unzip) = self.unzip.take() else { return self.take_line(input) };
        let result = loop {
            let (used, line) = match self.take_line(unzip.ready()) {
                Ok(taken) => taken,
                Err(error) => break Err(error),
            };
            unzip.consume(used);
            if line.is_some() {
                break Ok(line);
            }
            match unzip.step(input) {
                Ok(true) => {}
                Ok(false) => break Ok(None),
                Err(_) => break Err(self.damaged("its compression is broken")),
            }
        };
        let used = unzip.take_used();
        self.unzip = Some(unzip);
        result.map(|line| (used, line))
    }

    fn take_line(&mut self, input: &[u8]) -> Result<(usize, Option<Bytes>), ReadError> {
        let end = memchr::memchr(b'\n', input);
        let part = &input[..end.unwrap_or(input.len())];
        if self.partial.len() + part.len() > LONGEST_LINE {
            return Err(self.damaged("it is too long"));
        }
        self.partial.extend_from_slice(part);
        if end.is_none() {
            return Ok((input.len(), None));
        }
        self.line += 1;
        Ok((part.len() + 1, Some(std::mem::take(&mut self.partial).into())))
    }

    /// Takes memory for the next line.
    pub(super) fn reuse(&mut self, memory: Vec<u8>) {
        if self.partial.is_empty() {
            self.partial = memory;
            self.partial.clear();
        }
    }

    /// Notes that no more bytes will come.
    pub(super) fn end(&mut self) {
        self.done = true;
        if !self.partial.is_empty() || self.unzip.as_ref().is_some_and(|unzip| unzip.within) {
            self.torn = Some(TornTail { line: self.line + 1, bytes: self.partial.len() as u64 });
        }
    }

    /// Reads the first line, if there is one, and returns it.
    pub(super) fn header_line(&mut self, line: Option<Bytes>) -> Result<Bytes, ReadError> {
        let path = || self.path.clone();
        let Some(line) = line else {
            return Err(match self.torn {
                // A header that was cut still tells a recording from another file.
                Some(_) => ReadError::Foreign { path: path() },
                None => ReadError::Empty { path: path() },
            });
        };
        let header = header_of(&line).ok_or_else(|| ReadError::Foreign { path: path() })?;
        let (major, minor) = header.version;
        match major.cmp(&VERSION.0) {
            std::cmp::Ordering::Greater => Err(ReadError::TooNew { path: path(), major, minor }),
            std::cmp::Ordering::Less => Err(ReadError::TooOld { path: path(), major, minor }),
            std::cmp::Ordering::Equal => {
                self.header = header;
                Ok(line)
            }
        }
    }

    /// Returns whether the part of the first line that was read may become a header: its first member is always the same.
    pub(super) fn may_have_header(&self) -> bool {
        let mut found = self.partial.iter().filter(|byte| !byte.is_ascii_whitespace());
        br#"{"qixrec""#.iter().all(|wanted| found.next().is_none_or(|found| found == wanted))
    }

    /// Makes the error that this is something else.
    pub(super) fn foreign(&self) -> ReadError {
        ReadError::Foreign { path: self.path.clone() }
    }

    /// Reads any other line.
    pub(super) fn entry_line(
        &mut self,
        line: Result<Option<Bytes>, ReadError>,
    ) -> Option<Result<Entry, ReadError>> {
        let entry = match line {
            Ok(None) => return None,
            Ok(Some(line)) => {
                let entry = entry_of(&line);
                if matches!(&entry, Ok(Entry { kind: EntryKind::End, .. })) {
                    self.sealed = true;
                    self.next_part = next_of(&line);
                }
                entry.map_err(|fault| ReadError::Damaged { path: self.path.clone(), line: self.line, fault })
            }
            Err(error) => Err(error),
        };
        self.done |= entry.is_err();
        Some(entry)
    }

    pub(super) fn failed(&self, source: io::Error) -> ReadError {
        ReadError::Io { path: self.path.clone(), source }
    }

    /// Makes an error about the line that is not complete.
    fn damaged(&self, fault: &'static str) -> ReadError {
        if self.line == 0 {
            return ReadError::Foreign { path: self.path.clone() };
        }
        ReadError::Damaged { path: self.path.clone(), line: self.line + 1, fault }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.unzip.is_some()
    }

    pub(super) fn line_number(&self) -> u64 {
        self.line
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    pub(super) fn torn(&self) -> Option<TornTail> {
        self.torn
    }

    pub(super) fn is_sealed(&self) -> bool {
        self.sealed
    }

    pub(super) fn next_part(&self) -> Option<&str> {
        self.next_part.as_deref()
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

/// Uncompresses frames.
struct Unzip {
    decoder: Decoder<'static>,
    piece: Vec<u8>,
    /// The part of `piece` that was not looked at.
    ready: std::ops::Range<usize>,
    /// How much of the input of one [`Follower::feed`] was used.
    used: usize,
    /// Whether a frame has begun and not ended.
    within: bool,
}

impl Unzip {
    fn new() -> io::Result<Self> {
        Ok(Self { decoder: Decoder::new()?, piece: vec![0; PIECE], ready: 0..0, used: 0, within: false })
    }

    fn ready(&self) -> &[u8] {
        &self.piece[self.ready.clone()]
    }

    fn consume(&mut self, bytes: usize) {
        self.ready.start += bytes;
    }

    /// Uncompresses a piece, all of the last one being consumed. Returns whether there is one.
    fn step(&mut self, input: &[u8]) -> io::Result<bool> {
        let rest = &input[self.used..];
        let was_full = self.ready.end == PIECE;
        self.ready = 0..0;
        if rest.is_empty() && !was_full {
            return Ok(false);
        }
        let mut from = InBuffer::around(rest);
        let mut to = OutBuffer::around(&mut self.piece[..]);
        let hint = self.decoder.run(&mut from, &mut to)?;
        let (used, made) = (from.pos(), to.pos());
        if used + made > 0 {
            self.within = hint != 0;
        }
        self.used += used;
        self.ready = 0..made;
        Ok(used + made > 0)
    }

    fn take_used(&mut self) -> usize {
        std::mem::take(&mut self.used)
    }
}

impl fmt::Debug for Unzip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unzip").field("within", &self.within).finish_non_exhaustive()
    }
}
