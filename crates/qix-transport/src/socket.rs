//! What a connected socket can do.

use std::task::{Context, Poll};

use bytes::Bytes;
use qix_protocol::CloseCode;

use crate::Closed;

/// One whole message, fragments already joined.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Message {
    /// A text message: UTF-8, checked by the socket.
    Text(Bytes),
    /// A binary message. No engine has been seen to send one.
    Binary(Bytes),
}

/// A connected socket: whole messages in and out.
///
/// Sending follows the pattern of a sink: wait for [`poll_ready`](Self::poll_ready), hand over any number of texts with
/// [`send`](Self::send), then [`poll_flush`](Self::poll_flush) once for the whole burst.
/// Pings of the peer are answered inside; none are sent unless an implementation is told to.
///
/// Dropping a socket drops the connection without a close frame.
pub trait Socket: Send + Unpin {
    /// Returns the next message, or how the socket ended; after the end the same answer again.
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>>;

    /// Waits until the socket takes another message without growing its buffer past its limit.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Takes one text message, which must be UTF-8; it leaves with the next flush at the latest.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the socket has ended, or if the text is not UTF-8 or larger than the socket's limit.
    fn send(&mut self, text: Bytes) -> Result<(), Closed>;

    /// Writes out what was taken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>>;

    /// Says goodbye with `code` and `reason` and waits for the peer's goodbye, for no longer than the socket's deadline.
    ///
    /// A code that may not be sent ([`CloseCode::is_sendable`]) makes a close frame without code; a reason is cut to 123 bytes.
    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed>;
}

impl<S: Socket + ?Sized> Socket for Box<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        (**self).poll_receive(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        (**self).poll_ready(cx)
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        (**self).send(text)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        (**self).poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        (**self).poll_close(cx, code, reason)
    }
}
