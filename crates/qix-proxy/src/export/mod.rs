//! Writes recordings as other tools read them.

mod error;
mod file;
mod har;

use std::path::{Path, PathBuf};

pub use error::ExportError;

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
}

impl ExportSettings {
    /// Starts with defaults for all but the kind.
    pub fn new(kind: ExportAs) -> Self {
        Self { kind, connection: None }
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
        ExportAs::Har => har::export(parts, to, settings),
        ExportAs::EnigmaGo | ExportAs::Calls | ExportAs::Parquet => {
            drop(parts);
            Err(ExportError::Nothing { path: to.to_owned() })
        }
    }
}
