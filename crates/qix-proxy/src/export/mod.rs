//! Writes recordings as other tools read them.

mod calls;
mod enigma_go;
mod error;
mod har;
mod left_out;
mod new_file;
mod parquet;
mod rows;

use std::path::{Path, PathBuf};

pub use error::{ExportError, Messages};
pub(crate) use new_file::NewFile;

use crate::record::RecordingParts;

/// As what a recording is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ExportAs {
    /// An HTTP archive, as browsers read it.
    Har,
    /// The traffic log of enigma-go, from which its mock mode answers; of one connection.
    EnigmaGo,
    /// JSON Lines, one call a line.
    Calls,
    /// Parquet, one call a row.
    Parquet,
}

/// How a recording is written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExportSettings {
    /// As what.
    pub kind: ExportAs,
    /// Only this connection.
    ///
    /// Default: `None`, which is all of them.
    pub connection: Option<u64>,
    /// Whether tables of calls have a column for the results, patches applied.
    ///
    /// Default: `false`.
    pub results: bool,
}

impl ExportSettings {
    /// Starts with defaults for all but the kind.
    pub fn new(kind: ExportAs) -> Self {
        Self { kind, connection: None, results: false }
    }
}

/// What was written.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ExportReport {
    /// Entries, messages, calls or rows, whatever the kind counts.
    pub written: u64,
    /// What could not be written, each with why.
    pub left_out: Vec<String>,
}

/// Writes the recording that consists of these files to another, which must not exist.
///
/// # Errors
///
/// [`ExportError`]; there is no new file then.
pub fn export(from: &[PathBuf], to: &Path, settings: &ExportSettings) -> Result<ExportReport, ExportError> {
    let parts = RecordingParts::open(from)?;
    match settings.kind {
        ExportAs::Har => har::export(parts, NewFile::create(to)?, settings),
        ExportAs::EnigmaGo => enigma_go::export(parts, NewFile::create(to)?, settings),
        ExportAs::Calls => calls::export::<calls::JsonLines>(parts, NewFile::create(to)?, settings),
        ExportAs::Parquet => calls::export::<parquet::ParquetFile>(parts, NewFile::create(to)?, settings),
    }
}

/// Says of which files the ends are missing.
fn torn(parts: &RecordingParts) -> impl Iterator<Item = String> {
    parts.torn().iter().map(|(path, tail)| {
        format!("line {} of {}: it was cut after {} bytes", tail.line, path.display(), tail.bytes)
    })
}
