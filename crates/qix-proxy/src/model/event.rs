//! What a recording tells, piece by piece.

use std::{sync::Arc, time::Duration};

use super::{Body, Call, Object};

/// Something that happened, told as soon as the recording shows it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A connection was established, or turned away.
    Connected(Connection),
    /// More is known of a connection: the engine's greeting has come.
    Greeted {
        /// The connection.
        conn: u64,
        /// Its session, by [`Connection::session`], which other connections may share.
        session: u64,
        /// Whether the engine had the session already; `None` if it does not say.
        attached: Option<bool>,
    },
    /// A connection ended.
    Disconnected(Disconnected),
    /// A call was made.
    Asked(Arc<Call>),
    /// A call was answered, or its connection has ended without an answer.
    Called(Box<Called>),
    /// An object was opened, or is called otherwise than before.
    Object(Arc<Object>),
    /// Objects were closed, by [`Object::number`].
    Closed {
        /// When, since the recording started.
        at: Duration,
        /// The objects.
        objects: Vec<u64>,
    },
    /// The engine said that objects have changed.
    Changed(Change),
    /// Selections were made, cleared or locked, or the engine told what is selected.
    Selected(Selection),
    /// The engine told how far a reload or a save is.
    Progress(Progress),
    /// An exchange of plain HTTP ended.
    Exchanged(Exchange),
    /// Something else that people want to know: a greeting, a notification, a gap, a note.
    Notice(Notice),
}

/// A call that is over.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Called {
    /// The call.
    pub call: Arc<Call>,
    /// What was said.
    pub body: Body,
}

/// A connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Connection {
    /// Its number; 0 for an upgrade that was turned away.
    pub conn: u64,
    /// When it was established, since the recording started.
    pub at: Duration,
    /// Path and query of the upgrade, secrets removed.
    pub url: String,
    /// The engine's session, numbered from 1. Connections share one if the engine says that it had the session already, and host
    /// and path are the same: users are masked in recordings.
    pub session: u64,
    /// Why the upgrade was turned away, if it was: status, and what was said.
    pub refused: Option<String>,
}

/// The end of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Disconnected {
    /// The connection.
    pub conn: u64,
    /// When it ended, since the recording started; the end of the recording if that has no end of the connection.
    pub at: Duration,
    /// The close code, if there was one.
    pub code: Option<u16>,
    /// Whether there was a close frame.
    pub clean: bool,
    /// Whether the recording ends before the connection.
    pub is_open: bool,
    /// How it ended, in words.
    pub words: String,
    /// How many calls have no answer.
    pub unanswered: u64,
}

/// The engine's word that objects have changed; not those that the same answer opens, which it lists too.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Change {
    /// The number of the entry that says so.
    pub seq: u64,
    /// The connection.
    pub conn: u64,
    /// When, since the recording started.
    pub at: Duration,
    /// The call that made them change, as [`Fetch`](super::Fetch) has it.
    pub by: Option<u64>,
    /// The objects, by [`Object::number`].
    pub objects: Vec<u64>,
    /// Whether the engine suspended them, as a reload does.
    pub is_suspended: bool,
}

/// A selection, or what is selected.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Selection {
    /// The call that selected, or that told what is selected.
    pub seq: u64,
    /// The connection.
    pub conn: u64,
    /// When the engine had done it, since the recording started.
    pub at: Duration,
    /// What was done, in words, such as `SelectListObjectValues of filterpane Region`; empty if the engine only told what is selected.
    pub words: String,
    /// What is selected then, by field, if the engine told.
    pub state: Option<Vec<(String, String)>>,
}

/// How far a call is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// The call, such as `DoReload`.
    pub seq: u64,
    /// When the engine said so, since the recording started.
    pub at: Duration,
    /// How much is done, in per cent, if the engine knows.
    pub percent: Option<u8>,
    /// What the engine said last.
    pub text: String,
    /// Errors of the script that it told of.
    pub errors: Vec<String>,
    /// Whether the engine waits for an answer of the user.
    pub wants_user: bool,
}

/// An exchange of plain HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Exchange {
    /// The number of its entry.
    pub seq: u64,
    /// When its request came, since the recording started.
    pub at: Duration,
    /// The request's method.
    pub method: String,
    /// Path and query, secrets removed.
    pub url: String,
    /// What the client was answered; `None` if it left before.
    pub status: Option<u16>,
    /// From the head of the request to that of the answer.
    pub wait: Option<Duration>,
    /// From the head of the request to the end of the answer.
    pub took: Duration,
    /// The size of the request's body in bytes.
    pub sent: u64,
    /// The size of the answer's body in bytes.
    pub bytes: u64,
    /// What went wrong, in words.
    pub failure: Option<String>,
}

/// Something else, in words.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Notice {
    /// The connection, if it is about one.
    pub conn: Option<u64>,
    /// When, since the recording started.
    pub at: Duration,
    /// How bad it is.
    pub weight: Weight,
    /// What happened, without secrets and fit for a terminal.
    pub words: String,
    /// Whether it is that a message of the engine was too large to be recorded: if it was an answer, its call has none.
    pub is_omitted_answer: bool,
}

pub use super::notices::Weight;
