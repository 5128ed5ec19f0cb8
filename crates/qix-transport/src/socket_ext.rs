//! Conveniences on top of a socket.

use std::future::poll_fn;

use bytes::Bytes;
use qix_protocol::CloseCode;

use crate::{Closed, Message, Socket};

/// Async methods for programs that use a socket directly, one task for both directions.
///
/// Implemented for every [`Socket`].
pub trait SocketExt: Socket {
    /// Waits for the next message.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the socket has ended, and again on each later call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing; the next call goes on.
    fn receive(&mut self) -> impl Future<Output = Result<Message, Closed>> + Send {
        poll_fn(|cx| self.poll_receive(cx))
    }

    /// Sends one text and flushes it. For bursts use [`Socket::send`] and flush once.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the socket has ended or does not take the text, see [`Socket::send`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future before the text was taken sends nothing; afterwards it leaves with the next flush.
    fn send_text(
        &mut self,
        text: impl Into<Bytes> + Send,
    ) -> impl Future<Output = Result<(), Closed>> + Send {
        async {
            poll_fn(|cx| self.poll_ready(cx)).await?;
            self.send(text.into())?;
            poll_fn(|cx| self.poll_flush(cx)).await
        }
    }

    /// Writes out what was taken by [`Socket::send`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if the socket has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing; what was not written leaves with the next flush.
    fn flush(&mut self) -> impl Future<Output = Result<(), Closed>> + Send {
        poll_fn(|cx| self.poll_flush(cx))
    }

    /// Says goodbye and waits for the peer's goodbye, see [`Socket::poll_close`]. Messages that still come are dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the goodbye half done; calling again goes on with the first call's code.
    fn close(&mut self, code: CloseCode, reason: &str) -> impl Future<Output = Closed> + Send {
        poll_fn(move |cx| self.poll_close(cx, code, reason))
    }
}

impl<S: Socket + ?Sized> SocketExt for S {}
