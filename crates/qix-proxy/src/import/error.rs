//! Why nothing could be taken over.

use std::{io, path::PathBuf};

use super::Foreign;
use crate::record::WriteError;

/// Why a file cannot be made a recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is nothing that is known.
    #[error("{} {what}; a HAR, a traffic log of enigma-go and the output of corectl or qlik-cli with --traffic can be imported", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What it seems to be.
        what: String,
    },
    /// The file has no conversation with an engine.
    #[error("{} is {kind}, and has no message between a client and an engine{}", path.display(), kind.when_empty())]
    Empty {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: Foreign,
    },
    /// The file is not of the kind that it was said or seems to be.
    #[error("{} is not {kind}: {what}; --as says what else it is", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it was taken for.
        kind: Foreign,
        /// What is wrong.
        what: String,
    },
    /// The file is what it should be, and has nothing that is of use; `why` says how to get one that has.
    #[error("{} {why}", path.display())]
    Useless {
        /// The file.
        path: PathBuf,
        /// What it lacks.
        why: String,
    },
    /// What is read cannot be kept until it can be written.
    #[error("cannot use a temporary file in {}; check that the folder has room, or name another in TMPDIR", path.display())]
    Spool {
        /// The folder for temporary files.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The recording cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}
