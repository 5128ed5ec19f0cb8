//! Why nothing could be written.

use std::{io, path::PathBuf};

use crate::record::ReadError;

/// Why a recording cannot be written as something else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is there already.
    #[error("{} exists already and is never overwritten; give another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}; check that its folder exists, may be written to, and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to write.
    #[error("the recording has nothing that {} could have", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
    },
}
