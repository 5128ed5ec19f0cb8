//! The WebSocket library, which blocks, on a stream that does not.
//!
//! tokio-tungstenite's adapter can be read and written by two tasks at once, and pays for it with an atomic registration each time.
//! A [`WsSocket`](super::WsSocket) belongs to one task at a time, so that remembering that task is enough.

use std::{
    io::{self, Read, Write},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{
    Error, Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

/// The client's side of a WebSocket.
#[derive(Debug)]
pub(super) struct Polled<S> {
    socket: WebSocket<Blocking<S>>,
    /// Whether the last message was handed to the stream, as far as the library wanted to.
    ready: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Polled<S> {
    /// Goes on from an upgrade that is done.
    pub(super) fn new(stream: S, config: WebSocketConfig) -> Self {
        let stream = Blocking { stream, waker: Waker::noop().clone() };
        Self { socket: WebSocket::from_raw_socket(stream, Role::Client, Some(config)), ready: true }
    }

    pub(super) fn get_ref(&self) -> &S {
        &self.socket.get_ref().stream
    }

    pub(super) fn get_mut(&mut self) -> &mut S {
        &mut self.socket.get_mut().stream
    }

    pub(super) fn into_inner(self) -> S {
        self.socket.into_inner().stream
    }

    /// Reads the next message.
    #[inline]
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        self.wake_by(cx);
        match self.socket.read() {
            Err(error) if is_pending(&error) => Poll::Pending,
            outcome => Poll::Ready(outcome),
        }
    }

    /// Waits until another message can be taken.
    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.ready { Poll::Ready(Ok(())) } else { self.poll_flush(cx) }
    }

    /// Takes a message, which goes out with the next flush at the latest.
    #[inline]
    pub(super) fn start_send(&mut self, message: Message) -> Result<(), Error> {
        let outcome = self.socket.write(message);
        self.ready = true;
        match outcome {
            // It was taken; what is before it has not gone out yet.
            Err(error) if is_pending(&error) => {
                self.ready = false;
                Ok(())
            }
            outcome => outcome,
        }
    }

    /// Writes out what was taken.
    #[inline]
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.wake_by(cx);
        match self.socket.flush() {
            Err(error) if is_pending(&error) => Poll::Pending,
            outcome => {
                self.ready = true;
                Poll::Ready(match outcome {
                    // Both sides have said goodbye: there is nothing left to be written.
                    Err(Error::ConnectionClosed) => Ok(()),
                    outcome => outcome,
                })
            }
        }
    }

    #[inline]
    fn wake_by(&mut self, cx: &Context<'_>) {
        self.socket.get_mut().waker.clone_from(cx.waker());
    }
}

#[inline]
fn is_pending(error: &Error) -> bool {
    matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock)
}

/// Reports a stream that is not ready as one that would block, and has the task woken that was here last.
#[derive(Debug)]
struct Blocking<S> {
    stream: S,
    waker: Waker,
}

impl<S: AsyncRead + Unpin> Read for Blocking<S> {
    #[inline]
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut space = ReadBuf::new(space);
        let cx = &mut Context::from_waker(&self.waker);
        done(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
        Ok(space.filled().len())
    }
}

impl<S: AsyncWrite + Unpin> Write for Blocking<S> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        done(Pin::new(&mut self.stream).poll_write(&mut Context::from_waker(&self.waker), bytes))
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        done(Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&self.waker)))
    }
}

#[inline]
fn done<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
