//! What a connection tells its driver.

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use serde::de::{DeserializeOwned, Error as _};

use crate::{
    CallError, ChangeSet, Handle, Lineage, RequestId, Tree,
    columns::{self, PageError},
    frame::Raw,
    schema::{self, Method},
};

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
    /// A call that its caller gave up has opened an object all the same. Nobody knows of it, so it may have to be destroyed.
    OpenedForNobody {
        /// The object that the call was made on.
        on: Handle,
        /// The answer.
        answer: Answer,
    },
}

/// A successful answer: the frame as it came, and where its result lies.
#[derive(Clone, Debug)]
pub struct Answer {
    frame: Bytes,
    outs: Outs,
    lineage: Option<Lineage>,
    socket: u32,
}

/// The out members of an answer.
#[derive(Clone, Debug)]
enum Outs {
    /// Where they lie in the frame.
    Text(Range<usize>),
    /// What the patches of a delta answer made of them.
    Tree(Tree),
}

impl Answer {
    pub(crate) fn plain(frame: Bytes, result: Option<Range<usize>>) -> Self {
        Self { frame, outs: Outs::Text(result.unwrap_or(0..0)), lineage: None, socket: 0 }
    }

    pub(crate) fn patched(frame: Bytes, outs: Tree) -> Self {
        Self { frame, outs: Outs::Tree(outs), lineage: None, socket: 0 }
    }

    /// Adds how the object that it refers to was opened.
    pub(crate) fn opening(self, lineage: Option<Lineage>) -> Self {
        Self { lineage, ..self }
    }

    /// Adds over which socket it came.
    pub(crate) fn over(self, socket: u32) -> Self {
        Self { socket, ..self }
    }

    /// Returns over which socket of the same owner it came, counted from 0; handles are good for one socket only.
    pub fn socket(&self) -> u32 {
        self.socket
    }

    /// Returns how the object that the answer refers to was opened; the last one's, should there be several.
    pub fn lineage(&self) -> Option<&Lineage> {
        self.lineage.as_ref()
    }

    /// Returns the frame's text.
    pub fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// Returns the out members as text: as they came, `{}` if the engine left the result out, or as the patches of a delta
    /// answer made them.
    pub fn text(&self) -> Cow<'_, [u8]> {
        match &self.outs {
            Outs::Text(range) => match &self.frame[range.clone()] {
                b"" | b"null" => Cow::Borrowed(b"{}"),
                text => Cow::Borrowed(text),
            },
            Outs::Tree(tree) => {
                let mut text = Vec::new();
                tree.write(&mut text);
                Cow::Owned(text)
            }
        }
    }

    /// Returns the out members of a delta answer, shared with the state that the engine's next patches refer to: while the
    /// tree is kept, they copy what they change.
    pub fn tree(&self) -> Option<&Tree> {
        match &self.outs {
            Outs::Text(_) => None,
            Outs::Tree(tree) => Some(tree),
        }
    }

    /// Reads the data pages among the out members by column, without checking their text twice; `path` leads to the object that
    /// has `qDataPages`, as in [`columns::pages_at`].
    ///
    /// # Errors
    ///
    /// As [`columns::pages`].
    pub fn pages(&self, path: &[&str]) -> Result<Vec<columns::Page>, PageError> {
        columns::pages_at(Raw::scanned(&self.text()), path)
    }

    /// Decodes the out members.
    ///
    /// # Errors
    ///
    /// What `serde_json` has to say if the result does not fit `R`.
    pub fn decode<R: DeserializeOwned>(&self) -> Result<R, serde_json::Error> {
        match &self.outs {
            Outs::Text(_) => Raw::scanned(&self.text()).decode(),
            Outs::Tree(tree) => tree.decode(),
        }
    }

    /// Decodes the out member called `name`.
    ///
    /// # Errors
    ///
    /// As [`decode`](Self::decode), and if there is no such member.
    pub fn decode_member<R: DeserializeOwned>(&self, name: &str) -> Result<R, serde_json::Error> {
        match &self.outs {
            Outs::Text(_) => Raw::scanned(&self.text()).decode_member(name),
            Outs::Tree(tree) => match tree.member(name) {
                Some(value) => value.decode(),
                None => Err(serde_json::Error::custom(format_args!("missing field `{name}`"))),
            },
        }
    }

    /// Decodes what `M` returns, which is faster than [`decode`](Self::decode) for plain answers.
    ///
    /// # Errors
    ///
    /// A text if the result is no object, or no JSON.
    pub fn output<M: Method>(&self) -> Result<M::Output, serde_json::Error> {
        match &self.outs {
            Outs::Text(_) => schema::decode(Raw::scanned(&self.text())).map_err(serde_json::Error::custom),
            Outs::Tree(tree) => tree.decode(),
        }
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
