//! Calls that a socket took with it.

use std::{fmt, time::Instant};

use bytes::Bytes;

use crate::{Handle, RequestId};

/// A call that had no answer when its socket ended: all that is needed to judge it, and to make it again.
#[non_exhaustive]
pub struct Unanswered<T> {
    /// The call.
    pub id: RequestId,
    /// What the caller left with it.
    pub data: T,
    /// The object, by its handle on the socket that is gone.
    pub to: Handle,
    /// The class of the object; empty if it is not known.
    pub class: String,
    /// The method.
    pub method: String,
    /// The parameters: a JSON array or object.
    pub params: Bytes,
    /// Whether a delta answer was asked for.
    pub delta: bool,
    /// When the caller gives up.
    pub deadline: Option<Instant>,
    /// Whether the text was taken by [`Connection::poll_transmit`](crate::Connection::poll_transmit): if so, the engine may have
    /// done what it says.
    pub transmitted: bool,
}

/// Parameters may be secret, so they are not shown.
impl<T> fmt::Debug for Unanswered<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unanswered")
            .field("id", &self.id)
            .field("to", &self.to)
            .field("method", &self.method)
            .field("transmitted", &self.transmitted)
            .finish_non_exhaustive()
    }
}
