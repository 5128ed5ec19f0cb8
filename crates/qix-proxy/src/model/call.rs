//! A call, and what became of it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use qix_protocol::{Effect, EngineError};

use super::{Object, words::Fault};

/// A request of a client, and what became of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The number of the request's entry, which tells calls of a recording apart.
    pub seq: u64,
    /// Its connection.
    pub conn: u64,
    /// When it was made, since the recording started.
    pub at: Duration,
    /// The object that was called.
    pub object: Arc<Object>,
    /// The method, without its class, fit for a terminal.
    pub method: Arc<str>,
    /// What it may change.
    pub effect: Effect,
    /// The size of the request in bytes.
    pub sent: u64,
    /// Whether a delta answer was asked for.
    pub delta: bool,
    /// What a call that fetches data found to fetch; `None` for all others.
    pub fetch: Option<Fetch>,
    /// The answer; `None` if the recording has none.
    pub answer: Option<Answer>,
    /// What went wrong: the engine refused, a layout has an error in it, or a script failed.
    pub failure: Option<Failure>,
    /// The objects that it opened, by [`Object::number`].
    pub opened: Vec<u64>,
}

/// An answer.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The number of its entry.
    pub seq: u64,
    /// When all of it was there, since the recording started.
    pub at: Duration,
    /// When its first byte came, if the recording says so: it does of answers that came in pieces.
    pub began: Option<Duration>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Why its patches cannot be applied, if they cannot.
    pub fault: Option<String>,
}

/// Why an object was asked for its layout or data.
///
/// The engine does not say what made it change. What is told of it is concluded: of the calls that may change something, it was the one whose
/// answer says so, or the latest of its connection that was not answered yet, or else the latest at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fetch {
    /// Nobody had asked so before, and nothing has changed since the object's last answer.
    First,
    /// It had changed since it was asked so last, or since its last answer if nobody had asked so before; by which call, if that is
    /// known.
    Changed(Option<u64>),
    /// Nothing had changed since the last answer.
    Unchanged,
}

/// What went wrong with a call.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// The engine's code; `None` if the engine says failure in its result alone.
    pub code: Option<i32>,
    /// The code's name without `LOCERR_`, if it has one.
    pub name: Option<&'static str>,
    /// Code, name and what was said of it, without secrets and fit for a terminal.
    pub words: String,
}

impl Failure {
    pub(super) fn new(fault: Fault) -> Self {
        let name = fault.code.and_then(|code| code.name());
        Self {
            code: fault.code.map(|code| code.get()),
            name: name.map(|name| name.strip_prefix("LOCERR_").unwrap_or(name)),
            words: fault.words,
        }
    }
}

impl Call {
    /// Returns how long the answer took, from the request to its last byte.
    pub fn latency(&self) -> Option<Duration> {
        self.answer.as_ref().map(|answer| answer.at.saturating_sub(self.at))
    }

    /// Returns how long it took until the answer began; all of [`latency`](Self::latency) if the answer came in one piece.
    pub fn waiting(&self) -> Option<Duration> {
        self.answer.as_ref().map(|answer| answer.began.unwrap_or(answer.at).saturating_sub(self.at))
    }

    /// Returns how long the answer took from its first byte to its last.
    pub fn transfer(&self) -> Option<Duration> {
        Some(self.latency()?.saturating_sub(self.waiting()?))
    }
}

/// What was said in a call, as text.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Body {
    /// The request as it was written.
    pub request: Bytes,
    /// Its parameters as they were written.
    pub params: Option<Bytes>,
    /// The answer as it was written.
    pub answer: Option<Bytes>,
    /// The out members, patches applied; `None` with an error, without a result, if the patches cannot be applied, or if
    /// [results were not wanted](super::ModelBuilder::without_results).
    pub result: Option<Bytes>,
    /// Why the engine refused, if it did.
    pub error: Option<EngineError>,
}
