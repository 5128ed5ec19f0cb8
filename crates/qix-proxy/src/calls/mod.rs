//! Makes calls of the messages of a recording: who was asked what, what was answered, and how long that took.
//!
//! [`Calls`] turns the entries of a recording into [`Step`]s, in their order. It keeps what is still unanswered, what is open, and the
//! values that patches are about, all of them up to limits.

mod connection;
mod errors;
mod reader;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use qix_protocol::{ChangeSet, EngineError, Handle, Lineage, ObjectReference};

pub(crate) use errors::each_error;
pub use reader::Calls;
pub(crate) use reader::Steps;

use crate::record::{Closing, Entry, FrameText, Opening, Side};

/// A request that a client has made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Asked {
    /// The number of its entry.
    pub seq: u64,
    /// Its connection.
    pub conn: u64,
    /// Time since the recording started.
    pub at: Duration,
    /// The id as it was written, if it had one.
    pub id: Option<Bytes>,
    /// The object that was asked, as this connection calls it.
    pub handle: Handle,
    /// How that object came to be; `None` if the recording does not have it.
    pub lineage: Option<Lineage>,
    /// What the engine said of that object when it was opened.
    pub object: Option<Arc<ObjectReference>>,
    /// The method, without its class.
    pub method: String,
    /// The parameters as they were written.
    pub params: Option<Bytes>,
    /// Whether a delta answer was asked for.
    pub delta: bool,
    /// The whole message.
    pub text: Bytes,
    /// Which of equal calls that create something it is, from 1; 0 if it creates nothing.
    pub occurrence: u32,
}

impl Asked {
    /// Returns the class of the object that was asked; empty if it is not known.
    pub fn class(&self) -> &str {
        let said = || self.object.as_ref()?.object_type.as_deref();
        self.lineage.as_ref().map(Lineage::class).or_else(said).unwrap_or_default()
    }
}

/// An answer to a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Answered {
    /// What was asked.
    pub asked: Arc<Asked>,
    /// The number of its entry.
    pub seq: u64,
    /// Time since the recording started.
    pub at: Duration,
    /// When its first byte came, since the recording started, if the recording says so: it does of answers that came in pieces.
    pub began: Option<Duration>,
    /// The size of the message, in bytes.
    pub bytes: u64,
    /// Why the engine refused, if it did.
    pub error: Option<EngineError>,
    /// The out members, patches applied; `None` with an error, without a result, with a [`fault`](Self::fault), or if
    /// [patched results were not wanted](Calls::without_patched_results).
    pub result: Option<Bytes>,
    /// The objects that it opened, in order, and how they came to be; `None` if the recording does not have what they were opened from.
    pub opened: Vec<(Handle, Option<Lineage>)>,
    /// What it says about handles.
    pub changes: ChangeSet,
    /// Why its patches cannot be applied, if they cannot.
    pub fault: Option<String>,
    /// The whole message.
    pub text: Bytes,
}

impl Answered {
    /// Returns how long the answer took.
    pub fn latency(&self) -> Duration {
        self.at.saturating_sub(self.asked.at)
    }
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Step {
    /// A connection was established, or is said again to be open.
    Opened {
        /// Its number.
        conn: u64,
        /// Time since the recording started.
        at: Duration,
        /// Its upgrade.
        opening: Opening,
    },
    /// A request was made.
    Asked(Arc<Asked>),
    /// A request was answered.
    Answered(Box<Answered>),
    /// A message that is neither: news, lists alone, an answer to nothing, or no QIX at all.
    Said {
        /// The number of its entry.
        seq: u64,
        /// Its connection.
        conn: u64,
        /// Time since the recording started.
        at: Duration,
        /// Who said it.
        from: Side,
        /// What was said.
        text: FrameText,
    },
    /// A connection ended; the last steps are those of connections of which the recording has no end.
    Closed {
        /// Its number.
        conn: u64,
        /// Time since the recording started.
        at: Duration,
        /// How it ended; `None` if the recording ends before it.
        closing: Option<Closing>,
        /// What was not answered, in order.
        unanswered: Vec<Arc<Asked>>,
    },
    /// Something that is no part of a conversation.
    Other(Entry),
}
