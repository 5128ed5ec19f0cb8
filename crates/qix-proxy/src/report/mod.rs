//! Writes a recording as one page for a browser, which needs nothing else.

mod spool;
mod write;

use std::path::PathBuf;

pub use write::report;

use crate::record::{ReadError, WriteError};

/// How a report is written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ReportSettings {
    /// How much of the page, in bytes, may be what was said in calls, compressed as it is there. Where that is not enough, the largest
    /// texts are cut first, and then left out.
    ///
    /// Default: 15 MB, with which most mail servers take a report. 0 leaves all of it out.
    pub bodies: u64,
}

impl Default for ReportSettings {
    fn default() -> Self {
        Self { bodies: 15_000_000 }
    }
}

/// What a report has in it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// How many calls.
    pub calls: u64,
    /// How many of them failed or have no answer.
    pub failed: u64,
    /// How much rules have found.
    pub findings: u64,
    /// The size of the file in bytes.
    pub bytes: u64,
    /// What is not in it, each with why; the page says so too.
    pub left_out: Vec<String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is there already, or cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Returns the name of a recording's report: `session.html` for `session.qixrec` and for `session.qixrec.zst`.
pub(crate) fn beside(recording: &std::path::Path) -> PathBuf {
    let is_packed = recording.extension().is_some_and(|extension| extension == "zst" || extension == "gz");
    let plain = if is_packed { recording.with_extension("") } else { recording.to_owned() };
    plain.with_extension("html")
}
