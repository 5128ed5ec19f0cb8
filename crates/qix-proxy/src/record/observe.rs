//! What a recorder tells whoever watches it.

use std::{fmt, path::Path, time::SystemTime};

use super::Side;

/// Is told what is recorded, as it is recorded, and without the secrets that the recording is kept free of.
///
/// Everything is called on the recorder's thread, which nothing must hold up: who wants to do more than count hands on what is told.
pub trait Observer: fmt::Debug + Send + Sync {
    /// The recording has begun, and the times of what follows count from `at`.
    fn begun(&self, at: SystemTime);

    /// Something crossed connection `conn`, which is 0 for what belongs to none, `t` microseconds after the beginning.
    fn saw(&self, conn: u64, t: u64, seen: &Seen<'_>);

    /// A batch was worked on, and this is where the recording stands.
    fn stands(&self, standing: &Standing<'_>);
}

/// Something that a recorder took in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Seen<'a> {
    /// A connection was established.
    Opened {
        /// Path and query of the client's request.
        url: &'a str,
    },
    /// An upgrade did not come about.
    Refused {
        /// Path and query of the client's request.
        url: &'a str,
        /// The status that the client got.
        status: u16,
        /// What stands for an answer of the upstream.
        error: Option<&'a str>,
    },
    /// Bytes crossed, WebSocket's own included. Told before the messages that they complete, but not right before.
    Bytes {
        /// Who sent them.
        from: Side,
        /// How many.
        count: u64,
    },
    /// A whole text message.
    Text {
        /// Who sent it.
        from: Side,
        /// The message, fragments joined and secrets replaced.
        text: &'a [u8],
    },
    /// A whole binary message, or one that was too large to be kept.
    Other {
        /// Who sent it.
        from: Side,
        /// Its size in bytes.
        size: u64,
    },
    /// An exchange of plain HTTP ended, however it did.
    Exchanged {
        /// The request's method.
        method: &'a str,
        /// Path and query of the client's request.
        url: &'a str,
        /// The status that the client got; `None` if it left before.
        status: Option<u16>,
        /// From the head of the request to the end, in microseconds.
        took: u64,
        /// The size of the request's body in bytes, as it crossed.
        sent: u64,
        /// The size of the answer's body in bytes, as it crossed.
        answered: u64,
        /// What went wrong.
        error: Option<&'a str>,
    },
    /// A connection ended.
    Closed {
        /// Who ended it; `None` for the proxy.
        by: Option<Side>,
        /// The code of the first close frame, if it had one.
        code: Option<u16>,
        /// The reason in the first close frame.
        reason: &'a str,
        /// Whether there was a close frame.
        clean: bool,
        /// What broke.
        error: Option<&'a str>,
    },
}

/// Where a recording stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Standing<'a> {
    /// The current file; with a file for each connection, the one for what belongs to none.
    pub file: &'a Path,
    /// The size of that file, as far as it was handed to the system.
    pub file_size: u64,
    /// The size of all files so far.
    pub bytes: u64,
    /// How many files were begun.
    pub files: u64,
    /// Messages, and exchanges of plain HTTP, that could not be written.
    pub missing: u64,
}
