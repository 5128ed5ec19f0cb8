//! What a connection tells its driver.

use std::ops::Range;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::{CallError, ChangeSet, RequestId, frame::Raw};

/// Something that happened on a connection, in the order in which the application should hear of it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<T> {
    /// A call has its outcome.
    Completed {
        /// The call.
        id: RequestId,
        /// What the caller left with it.
        data: T,
        /// The answer, or why there is none.
        outcome: Result<Answer, CallError>,
    },
    /// Objects changed, closed or were suspended. Objects that the same frame opened are known by now.
    Changes(ChangeSet),
    /// News with a name.
    Notification(Notification),
    /// An answer to no request of this connection; nothing was done with it.
    Orphan(Bytes),
}

/// A successful answer: the frame as it came, and where its result lies.
#[derive(Clone, Debug)]
pub struct Answer {
    frame: Bytes,
    result: Range<usize>,
}

impl Answer {
    pub(crate) fn new(frame: Bytes, result: Option<Range<usize>>) -> Self {
        Self { frame, result: result.unwrap_or(0..0) }
    }

    /// Returns the frame's text.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the out members as text; `{}` if the engine left the result out.
    pub fn result(&self) -> Raw<'_> {
        let text = &self.frame[self.result.clone()];
        Raw::scanned(if matches!(text, b"" | b"null") { b"{}" } else { text })
    }

    /// Decodes the out members.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the result does not fit `R`.
    pub fn decode<R: DeserializeOwned>(&self) -> Result<R, serde_json::Error> {
        self.result().decode()
    }
}

/// News with a name, such as `OnConnected`.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The name.
    pub method: String,
    frame: Bytes,
    params: Range<usize>,
}

impl Notification {
    pub(crate) fn new(method: String, frame: Bytes, params: Option<Range<usize>>) -> Self {
        Self { method, frame, params: params.unwrap_or(0..0) }
    }

    /// Returns the parameters as text; `null` if there are none.
    pub fn params(&self) -> Raw<'_> {
        let text = &self.frame[self.params.clone()];
        Raw::scanned(if text.is_empty() { b"null" } else { text })
    }
}
