//! Reads a recording into tapes.

use std::{io::BufRead, path::Path};

use super::{Tapes, lines::Lines, loader::Loader, volatile::Ignore};
use crate::record::{ReadError, RecordingReader, Redaction, TornTail};

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The recording holds no connection, and no plain HTTP either.
    #[error("the recording holds no connection: record a client first")]
    NoConnection,
    /// The recording holds more than can be replayed.
    #[error("the recording holds more than {} requests: give fewer of its files", u32::MAX >> 1)]
    TooMany,
    /// The pages of the recording cannot be kept.
    #[error("cannot keep the recorded pages in a temporary file")]
    Pages(#[source] std::io::Error),
}

/// What was odd about a recording that can be replayed all the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoadReport {
    /// A last line that was cut.
    pub torn: Option<TornTail>,
    /// Requests that have no answer.
    pub unanswered: usize,
    /// Messages that were left out, in words.
    pub left_out: Vec<String>,
}

/// How a recording is read. What is not set is as a recorder does it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LoadSettings {
    pub(super) redaction: Redaction,
    pub(super) ignored: Vec<Ignore>,
}

impl LoadSettings {
    /// Sets what is a secret. Secrets do not matter when requests are compared, be they in the recording or not.
    ///
    /// Default: [`Redaction::standard`].
    #[must_use]
    pub fn redaction(mut self, redaction: &Redaction) -> Self {
        self.redaction = redaction.clone();
        self
    }

    /// Adds a value in parameters that does not count when requests are compared. Default: none.
    #[must_use]
    pub fn ignore(mut self, rule: Ignore) -> Self {
        self.ignored.push(rule);
        self
    }
}

impl Tapes {
    /// Reads a whole recording. The file must stay as it is as long as it is replayed.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read or holds no connection.
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, LoadReport), LoadError> {
        Self::open_with(path, &Redaction::standard())
    }

    /// Reads a whole recording with rules of one's own for what is a secret.
    ///
    /// Secrets do not matter when requests are compared, be they in the recording or not.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, redaction: &Redaction) -> Result<(Self, LoadReport), LoadError> {
        Self::open_parts([path], redaction)
    }

    /// Reads a whole recording from any source. What is said in it is kept, in a temporary file if it is much.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn load<R: BufRead>(reader: RecordingReader<R>) -> Result<(Self, LoadReport), LoadError> {
        let mut loader = Loader::new(&LoadSettings::default());
        let lines = Lines::of_reader(reader, loader.texts())?;
        loader.read(lines)
    }

    /// Reads a recording that has several files, given in any order, with rules of one's own for what is a secret.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if the files belong to different recordings.
    ///
    /// # Panics
    ///
    /// If there are no files.
    pub fn open_parts<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        redaction: &Redaction,
    ) -> Result<(Self, LoadReport), LoadError> {
        Self::open_set(paths, &LoadSettings::default().redaction(redaction))
    }

    /// Reads a recording that may have several files, given in any order, as `settings` say.
    ///
    /// # Errors
    ///
    /// As [`open_parts`](Self::open_parts).
    ///
    /// # Panics
    ///
    /// If there are no files.
    pub fn open_set<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        settings: &LoadSettings,
    ) -> Result<(Self, LoadReport), LoadError> {
        Loader::new(settings).read(Lines::of_files(paths)?)
    }
}
