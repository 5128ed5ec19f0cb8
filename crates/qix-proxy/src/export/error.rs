//! Why nothing could be written.

use std::path::PathBuf;

use crate::{
    count::count,
    record::{ReadError, WriteError},
};

/// Why a recording cannot be written as something else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file is there already, or cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Only one connection can be written, and the recording has several.
    #[error(
        "such a file has one connection, and the recording has several; --connection says which: {}",
        listed(connections)
    )]
    Several {
        /// Those that have messages.
        connections: Vec<Messages>,
    },
    /// There is no such connection.
    #[error("the recording has no connection {conn}{}{}", if connections.is_empty() { "" } else { "; it has " }, listed(connections))]
    NoConnection {
        /// What was asked for.
        conn: u64,
        /// Those that have messages.
        connections: Vec<Messages>,
    },
    /// There is nothing to write.
    #[error("the recording has nothing that {} could have", path.display())]
    Nothing {
        /// The file.
        path: PathBuf,
    },
}

/// How much was said on a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Messages {
    /// Its number.
    pub conn: u64,
    /// Path and query, secrets removed; empty if the recording does not say.
    pub url: String,
    /// How many messages there are.
    pub frames: u64,
}

fn listed(connections: &[Messages]) -> String {
    /// A recorder of weeks has thousands.
    const NAMED: usize = 20;

    let name =
        |Messages { conn, url, frames }: &Messages| format!("{conn} ({url}, {})", count(*frames, "message"));
    let mut names: Vec<_> = connections.iter().take(NAMED).map(name).collect();
    if connections.len() > NAMED {
        names.push(format!("and {} more", connections.len() - NAMED));
    }
    names.join(", ")
}
