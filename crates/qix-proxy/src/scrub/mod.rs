//! Cleans recordings that are there already: takes out secrets, and makes what people said nobody's.
//!
//! [`scrub`] writes a copy of a recording to which today's rules for secrets were applied, [`check`] only says where secrets are.
//! With an [`Anonymizer`], the values in the data are replaced too.

mod anonymize;
mod body;
mod copy;
mod line;
mod values;

use std::{
    io,
    path::{Path, PathBuf},
};

pub use anonymize::{AnonymizeError, Anonymizer};
use copy::Copy;

use crate::record::{ReadError, RecordingReader, Redaction};

/// A place in a recording where a secret is, or was. Never the secret itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The line of the file, from 1.
    pub line: u64,
    /// The entry's number; 0 for the header.
    pub seq: u64,
    /// What it is, such as `request.cookie`, `url` or `params.qPassword`.
    pub what: String,
}

/// What scrubbing a recording came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scrubbed {
    /// The secrets that were found.
    pub places: Vec<Place>,
    /// Entries that were looked at.
    pub entries: u64,
    /// Bytes of a last line that was cut, and left out.
    pub torn: Option<u64>,
}

/// Why a recording cannot be scrubbed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScrubError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The copy is there already.
    #[error("{} exists already and is never overwritten; give another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The copy cannot be written.
    #[error("cannot write {}; check that its folder exists, may be written to and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Returns where in a recording secrets are.
///
/// # Errors
///
/// [`ScrubError`] if the recording cannot be read.
pub fn check(recording: &Path, redaction: &Redaction) -> Result<Scrubbed, ScrubError> {
    each_line(recording, redaction, None, |_| Ok(()))
}

/// Writes to `out`, which must not exist, a copy of a recording without its secrets, compressed if the name ends with `.zst`. Lines without secrets stay as they are, byte for
/// byte. If it fails, there is no copy.
///
/// # Errors
///
/// [`ScrubError`] if the recording cannot be read, or the copy not be written.
pub fn scrub(
    recording: &Path,
    out: &Path,
    redaction: &Redaction,
    anonymizer: Option<&mut Anonymizer>,
) -> Result<Scrubbed, ScrubError> {
    // Before anything is made.
    RecordingReader::open(recording)?;
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => ScrubError::Exists { path: out.to_owned() },
        _ => ScrubError::Write { path: out.to_owned(), source },
    };
    let mut copy = Copy::create(out).map_err(failed)?;
    let result = each_line(recording, redaction, anonymizer, |line| copy.line(line).map_err(failed));
    let result = result.and_then(|scrubbed| copy.flush().map(|()| scrubbed).map_err(failed));
    if result.is_err() {
        // Half a copy would be taken for a whole one; if it cannot be removed, the error says enough.
        let _ = std::fs::remove_file(out);
    }
    result
}

/// Cleans line by line, in memory for one line.
fn each_line(
    recording: &Path,
    redaction: &Redaction,
    mut anonymizer: Option<&mut Anonymizer>,
    mut write: impl FnMut(&[u8]) -> Result<(), ScrubError>,
) -> Result<Scrubbed, ScrubError> {
    let mut scrubbed = Scrubbed::default();
    lines(recording, |number, line| {
        let Some(line) = line else {
            scrubbed.torn = Some(number);
            return Ok(());
        };
        let damaged = |fault| ReadError::Damaged { path: recording.to_owned(), line: number, fault };
        let cleaned = line::clean(line, redaction).map_err(damaged)?;
        scrubbed.entries += u64::from(number > 1);
        let place = |what: &String| Place { line: number, seq: cleaned.seq, what: what.clone() };
        scrubbed.places.extend(cleaned.found.iter().map(place));
        let text = cleaned.text.as_deref().unwrap_or(line);
        match &mut anonymizer {
            None => write(text),
            Some(anonymizer) => {
                let replaced = line::anonymize(text, anonymizer).map_err(damaged)?;
                write(replaced.as_deref().unwrap_or(text))
            }
        }
    })?;
    Ok(scrubbed)
}

/// Hands out the lines of a recording, from 1; for a last one that was cut, nothing but its size instead of its number.
fn lines(
    recording: &Path,
    mut each: impl FnMut(u64, Option<&[u8]>) -> Result<(), ScrubError>,
) -> Result<(), ScrubError> {
    let mut reader = RecordingReader::unread(recording)?;
    let mut line = Some(reader.read_header()?);
    for number in 1.. {
        let Some(text) = line else { break };
        each(number, Some(&text))?;
        line = reader.next_line()?;
    }
    match reader.torn() {
        Some(torn) => each(torn.bytes, None),
        None => Ok(()),
    }
}
