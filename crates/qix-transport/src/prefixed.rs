//! A stream whose first bytes were read already.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream of which some bytes were read already: yields them before what the stream itself has to say.
///
/// For whoever has to look at the beginning of a connection before deciding who speaks on it.
// The WebSocket library takes such bytes too, but makes them its read buffer, which then stays as small as they are: with
// messages still in use, each further read would be of one message.
#[derive(Debug)]
pub struct Prefixed<S> {
    head: Bytes,
    stream: S,
}

impl<S> Prefixed<S> {
    /// Puts `head` in front of `stream`.
    pub fn new(head: Bytes, stream: S) -> Self {
        // A copy, because a few bytes would keep the buffer they were read into for as long as the stream lives.
        Self { head: Bytes::copy_from_slice(&head), stream }
    }

    pub(crate) fn has_head(&self) -> bool {
        !self.head.is_empty()
    }

    /// Puts back what was just read.
    pub(crate) fn put_back(&mut self, bytes: &[u8]) {
        debug_assert!(!self.has_head(), "what is left of the head comes after these bytes");
        self.head = Bytes::copy_from_slice(bytes);
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.stream
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Prefixed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.head.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let length = self.head.len().min(buffer.remaining());
        buffer.put_slice(&self.head[..length]);
        self.head.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Prefixed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
