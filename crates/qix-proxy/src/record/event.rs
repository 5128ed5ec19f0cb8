//! What goes from the relaying tasks to the writing thread.

use std::{io, ops::Range};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Sealed, Side, exchange::Exchanged};

/// Something to be recorded.
#[derive(Debug)]
pub(super) struct Item {
    /// The connection, 0 for none.
    pub(super) conn: u64,
    /// Microseconds since the recording started.
    pub(super) t: u64,
    pub(super) event: Event,
}

/// What has collected in the queue.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    /// The bytes of [`Event::Small`], one run after the other: a busy connection would spend more on an allocation for each than on all
    /// else that recording takes.
    pub(super) bytes: Vec<u8>,
}

impl Batch {
    /// Gives memory back that only a backlog had need of.
    pub(super) fn shrink(&mut self) {
        /// Bytes, and items.
        const USUAL: (usize, usize) = (256 << 10, 4 << 10);
        if self.bytes.capacity() > USUAL.0 || self.items.capacity() > USUAL.1 {
            self.bytes.shrink_to(USUAL.0);
            self.items.shrink_to(USUAL.1);
        }
    }
}

#[derive(Debug)]
pub(super) enum Event {
    /// A connection was established.
    Open(Box<Upgraded>),
    /// WebSocket bytes, cut anywhere.
    Chunk(Side, Bytes),
    /// The same, few, and where they lie among those of the [`Batch`].
    Small(Side, Range<usize>),
    /// One whole message of a connection that is no WebSocket, with the opcode that it would have.
    Message(Side, u8, Bytes),
    /// The first goodbye of a connection that is no WebSocket: a code, if there is one, and a reason.
    Goodbye(Side, Option<u16>, String),
    /// Something the reader should know.
    Note(String),
    /// A connection ended; by nobody if the proxy was stopped.
    Close { by: Option<Side>, error: Option<io::Error> },
    /// An upgrade did not come about.
    Refused(Box<Upgraded>),
    /// A plain HTTP exchange ended.
    Http(Box<Exchanged>),
    /// The next file is to be begun.
    Rotate,
    /// The end; whoever asked for it waits.
    Seal(oneshot::Sender<Sealed>),
}

/// An upgrade, secrets removed.
#[derive(Debug, Default)]
pub(super) struct Upgraded {
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) request: Vec<(String, String)>,
    pub(super) response: Vec<(String, String)>,
    pub(super) redacted: Vec<String>,
    pub(super) body: Option<String>,
    pub(super) error: Option<String>,
}

impl Event {
    /// Returns whether this is what crosses a connection, rather than what happens to it.
    pub(super) fn is_traffic(&self) -> bool {
        matches!(self, Self::Chunk(..) | Self::Small(..) | Self::Message(..) | Self::Goodbye(..))
    }
}

impl Upgraded {
    fn bytes(&self) -> usize {
        let pairs = self.request.iter().chain(&self.response);
        let texts = [&self.body, &self.error].into_iter().flatten();
        let texts = texts.chain(&self.redacted).map(String::len).sum::<usize>();
        self.url.len() + pairs.map(|(name, value)| name.len() + value.len()).sum::<usize>() + texts
    }
}

impl Item {
    /// Returns the bytes that this item keeps in memory, as far as they can be many.
    pub(super) fn bytes(&self) -> usize {
        match &self.event {
            Event::Chunk(_, bytes) | Event::Message(_, _, bytes) => bytes.len(),
            Event::Small(_, range) => range.len(),
            Event::Note(text) => text.len(),
            Event::Http(exchanged) => exchanged.bytes(),
            Event::Open(upgraded) | Event::Refused(upgraded) => upgraded.bytes(),
            _ => 0,
        }
    }

    /// Returns whether somebody waits for this item to be handled.
    pub(super) fn is_urgent(&self) -> bool {
        matches!(self.event, Event::Seal(_))
    }
}
