//! Why rules cannot be used.

use std::{fmt, io, path::PathBuf};

/// Why rules cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// The file cannot be read.
    #[error("cannot read the fault rules in {}; check its name and that it may be read", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The text is no TOML, or has something in it that is no rule.
    #[error("{place}: {fault}")]
    Rule {
        /// Where, such as `line 7 of the fault rules`.
        place: String,
        /// What is wrong, and what would be right.
        fault: String,
    },
}

impl FaultError {
    pub(super) fn at(place: impl fmt::Display, fault: impl Into<String>) -> Self {
        Self::Rule { place: place.to_string(), fault: fault.into() }
    }
}
