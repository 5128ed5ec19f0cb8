//! What is in a recording. `docs/recording-format.md` is the normative text.

use std::{fmt, time::Duration};

use bytes::Bytes;

/// The major and minor version that this crate writes; it reads every minor version of the same major one.
pub const VERSION: (u32, u32) = (1, 2);

/// The first line of a recording.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Header {
    /// Major and minor version.
    pub version: (u32, u32),
    /// When recording started, RFC 3339 in UTC; empty if the file does not say.
    pub started: String,
    /// What wrote the file.
    pub tool: String,
    /// The engine's URL, secrets removed.
    pub upstream: String,
    /// The place of the file among those that continue each other, from 1.
    pub part: u64,
    /// The name of the file that this one continues, if it does.
    pub continues: Option<String>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The place in the order in which the recorder took things in, from 1.
    pub seq: u64,
    /// Time since the recording started.
    pub at: Duration,
    /// The connection, from 1; `None` if the entry concerns none.
    pub conn: Option<u64>,
    /// When the first byte of a message came, since the recording started, if it did not come in one piece and the recorder says so;
    /// [`at`](Self::at) is when all of it was there.
    pub began: Option<Duration>,
    /// What happened.
    pub kind: EntryKind,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntryKind {
    /// A connection was established.
    Open(Opening),
    /// One complete message.
    Frame {
        /// Who sent it.
        from: Side,
        /// What it says.
        text: FrameText,
    },
    /// A connection ended.
    Close(Closing),
    /// An upgrade did not come about.
    Refused(Opening),
    /// A plain HTTP exchange ended.
    Http(Box<Exchange>),
    /// Something the reader should know.
    Note(String),
    /// Before this, something is missing, because the recorder could not write.
    Gap(Gap),
    /// The recording was sealed; nothing follows.
    End,
    /// A kind that a later minor version has added.
    Unknown(String),
}

/// The upgrade of a connection, or the attempt.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Opening {
    /// Path and query, secrets removed.
    pub url: String,
    /// The status of the upstream's answer.
    pub status: u16,
    /// The client's headers, in order.
    pub request: Vec<(String, String)>,
    /// The upstream's headers, in order.
    pub response: Vec<(String, String)>,
    /// Whether the connection was open before, and this only says so again, at the beginning of a file or after a gap; headers are
    /// empty then.
    pub continued: bool,
    /// The beginning of the body of a refusal, secrets removed; empty otherwise.
    pub body: String,
    /// Whether a replay has added the connection, because it needed answers that the recording did not have.
    pub added: bool,
}

/// A request of plain HTTP and its answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Exchange {
    /// The request's method.
    pub method: String,
    /// Path and query, secrets removed.
    pub url: String,
    /// The status that the client was answered; `None` if it left before.
    pub status: Option<u16>,
    /// The client's headers, in order.
    pub request: Vec<(String, String)>,
    /// The upstream's headers, in order; empty if there was no answer.
    pub response: Vec<(String, String)>,
    /// The body of the request.
    pub request_body: HttpBody,
    /// The body of the answer.
    pub response_body: HttpBody,
    /// Time from the head of the request to that of the upstream's answer.
    pub wait: Option<Duration>,
    /// Time from the head of the request to the end of the answer.
    pub took: Duration,
    /// What went wrong, in words.
    pub error: Option<String>,
}

/// The body of a request or an answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HttpBody {
    /// How many bytes crossed.
    pub bytes: u64,
    /// Whether [`content`](Self::content) is only the beginning.
    pub cut: bool,
    /// The compression that was undone, such as `gzip`.
    pub decoded: Option<String>,
    /// What was kept: a text, or binary if it is no UTF-8.
    pub content: Option<FrameText>,
}

/// What a recording misses.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Gap {
    /// When the first of it happened, since the recording started.
    pub since: Duration,
    /// Messages.
    pub frames: u64,
    /// Connections, refusals, notes and HTTP exchanges.
    pub others: u64,
    /// Why nothing could be written.
    pub reason: String,
}

/// The end of a connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Closing {
    /// Who ended it; `None` if the proxy was stopped.
    pub by: Option<Side>,
    /// The code of the first close frame, if it had one.
    pub code: Option<u16>,
    /// The reason of the first close frame.
    pub reason: String,
    /// Whether there was a close frame.
    pub clean: bool,
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The client.
    Client,
    /// The engine, or what stands in front of it.
    Engine,
}

impl Side {
    /// Returns the word that recordings use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Engine => "engine",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A message as it crossed the wire.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FrameText {
    /// A text message, byte for byte; it may be no JSON, and even no UTF-8.
    Text(Bytes),
    /// A binary message.
    Binary(Bytes),
    /// A message that was too large to be kept; only its size is known.
    Omitted(u64),
}
