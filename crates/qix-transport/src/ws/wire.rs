//! The WebSocket library's stream, and how to do without it while nothing is said.

use std::{
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError, protocol::WebSocketConfig};

use super::{frames::FrameWalk, polled::Polled};
use crate::prefixed::Prefixed;

/// How much is read at once while resting; what a ping or a small notification takes.
const RESTING_READ: usize = 512;

/// An open WebSocket, which keeps buffers only while it is used.
///
/// The library's stream holds on to its buffers, and to the largest message of each direction, for as long as it lives. It has
/// no other state to lose while no message is under way in either direction: then it can be dropped, and made anew when
/// something comes or goes.
pub(super) struct Wire<S> {
    state: State<S>,
    config: WebSocketConfig,
}

enum State<S> {
    Resting(Walked<S>),
    // Boxed, because it is most of what a socket at rest does without.
    Awake(Box<Polled<Walked<S>>>),
    /// Between the two, within a function.
    Moving,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Begins at rest. `leftover` has come already.
    pub(super) fn new(stream: S, leftover: Bytes, config: WebSocketConfig) -> Self {
        let stream = Walked {
            stream: Prefixed::new(leftover, stream),
            walk: FrameWalk::default(),
            is_reading: false,
            unwritable: None,
        };
        Self { state: State::Resting(stream), config }
    }

    /// Reads the next message; never `None`. That the pong to a ping before it cannot be written is no reason not to have it:
    /// whoever writes next hears of that.
    #[inline]
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Error>> {
        if let State::Resting(stream) = &mut self.state {
            ready!(stream.poll_peek(cx))?;
        }
        let stream = self.awake();
        stream.get_mut().is_reading = true;
        let message = stream.poll_next(cx);
        stream.get_mut().is_reading = false;
        message
    }

    #[inline]
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match &mut self.state {
            State::Awake(stream) => stream.poll_ready(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    #[inline]
    pub(super) fn start_send(&mut self, message: Message) -> Result<(), Error> {
        self.awake().start_send(message)
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match &mut self.state {
            State::Awake(stream) => stream.poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.awake().get_mut().stream).poll_shutdown(cx)
    }

    pub(super) fn is_awake(&self) -> bool {
        matches!(self.state, State::Awake(_))
    }

    /// Gives all buffers back, if no message is under way in either direction, and returns whether it did.
    ///
    /// May only be asked when [`poll_next`](Self::poll_next) has just returned pending, because then nothing that was read is
    /// still to be given out. It must then be polled again, so that it is woken when something comes.
    pub(super) fn rest(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Awake(stream) = &mut self.state else { return false };
        if !stream.get_ref().walk.is_between_messages()
            || !matches!(stream.poll_flush(cx), Poll::Ready(Ok(())))
        {
            return false;
        }
        if let State::Awake(stream) = mem::replace(&mut self.state, State::Moving) {
            self.state = State::Resting(stream.into_inner());
        }
        true
    }

    #[inline]
    fn awake(&mut self) -> &mut Polled<Walked<S>> {
        if !self.is_awake() {
            self.wake();
        }
        match &mut self.state {
            State::Awake(stream) => stream,
            _ => unreachable!("whoever takes the stream out puts it back"),
        }
    }

    #[cold]
    fn wake(&mut self) {
        if let State::Resting(stream) = mem::replace(&mut self.state, State::Moving) {
            self.state = State::Awake(Box::new(Polled::new(stream, self.config)));
        }
    }
}

/// A stream whose incoming frames are followed.
#[derive(Debug)]
struct Walked<S> {
    stream: Prefixed<S>,
    walk: FrameWalk,
    /// Whether what is written now is only the library's answer to what it reads.
    is_reading: bool,
    /// Why nothing can be written any more.
    unwritable: Option<io::ErrorKind>,
}

impl<S: AsyncWrite + Unpin> Walked<S> {
    /// Takes note of a failure; while reading, what is written then counts as `gone`.
    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, gone: T) -> Poll<io::Result<T>> {
        let Poll::Ready(Err(error)) = outcome else { return outcome };
        self.unwritable = Some(error.kind());
        Poll::Ready(if self.is_reading { Ok(gone) } else { Err(error) })
    }

    /// Returns the outcome of writing after a failure.
    fn unwritten<T>(&self, gone: T) -> Option<Poll<io::Result<T>>> {
        let kind = self.unwritable?;
        Some(Poll::Ready(if self.is_reading { Ok(gone) } else { Err(kind.into()) }))
    }
}

impl<S: AsyncRead + Unpin> Walked<S> {
    /// Waits for something to come, which stays to be read.
    fn poll_peek(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.stream.has_head() {
            return Poll::Ready(Ok(()));
        }
        let mut space = [0; RESTING_READ];
        let mut buffer = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Err(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)));
        }
        self.stream.put_back(buffer.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Walked<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.walk.follow(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Walked<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(outcome) = self.unwritten(bytes.len()) {
            return outcome;
        }
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(outcome, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = parts.iter().map(|part| part.len()).sum();
        if let Some(outcome) = self.unwritten(length) {
            return outcome;
        }
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.written(outcome, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(outcome) = self.unwritten(()) {
            return outcome;
        }
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(outcome, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker};

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A wire that has been written to, so that it is awake, and the peer's raw end.
    async fn awake() -> (Wire<DuplexStream>, DuplexStream) {
        let (ours, mut theirs) = duplex(1 << 20);
        let mut wire = Wire::new(ours, Bytes::new(), WebSocketConfig::default());
        wire.start_send("hello".into()).unwrap();
        poll_fn(|cx| wire.poll_flush(cx)).await.unwrap();
        theirs.read_exact(&mut [0; 2 + 4 + 5]).await.unwrap();
        assert!(wire.is_awake());
        (wire, theirs)
    }

    /// Reads what is there and then wants to rest.
    fn rest(wire: &mut Wire<DuplexStream>) -> bool {
        let cx = &mut Context::from_waker(Waker::noop());
        while wire.poll_next(cx).is_ready() {}
        wire.rest(cx)
    }

    #[tokio::test]
    async fn wire_begins_at_rest_and_what_came_with_the_upgrade_wakes_it() {
        let (ours, _theirs) = duplex(1024);
        let mut wire = Wire::new(ours, Bytes::from_static(b"\x81\x02hi"), WebSocketConfig::default());
        assert!(!wire.is_awake());
        assert_eq!(poll_fn(|cx| wire.poll_next(cx)).await.unwrap(), "hi".into());
        assert!(wire.is_awake());
    }

    #[tokio::test]
    async fn messages_of_every_size_come_whole_after_each_rest() {
        let (mut wire, mut theirs) = awake().await;
        for size in [0_usize, 1, 125, 126, RESTING_READ - 4, RESTING_READ, 65535, 65536, 300_000] {
            assert!(rest(&mut wire), "before {size}");
            let mut frame = vec![0x81];
            match size {
                0..126 => frame.push(size as u8),
                126..65536 => frame.extend([126, (size >> 8) as u8, size as u8]),
                _ => {
                    frame.push(127);
                    frame.extend((size as u64).to_be_bytes());
                }
            }
            let text = "x".repeat(size);
            frame.extend(text.as_bytes());
            // The second message is under way already.
            frame.extend([0x81, 2, b'a', b'b']);
            theirs.write_all(&frame).await.unwrap();
            assert_eq!(poll_fn(|cx| wire.poll_next(cx)).await.unwrap(), text.into());
            assert_eq!(poll_fn(|cx| wire.poll_next(cx)).await.unwrap(), "ab".into());
        }
    }

    #[tokio::test]
    async fn wire_does_not_rest_within_a_message() {
        let (mut wire, mut theirs) = awake().await;
        let fragments = [0x01, 2, b'a', b'b', 0x89, 0, 0x80, 126, 0, 2, b'c', b'd'];
        for byte in &fragments[..fragments.len() - 1] {
            theirs.write_all(&[*byte]).await.unwrap();
            assert!(!rest(&mut wire), "{byte}");
        }
        theirs.write_all(&fragments[fragments.len() - 1..]).await.unwrap();
        assert_eq!(poll_fn(|cx| wire.poll_next(cx)).await.unwrap(), "abcd".into());
        assert!(rest(&mut wire));
    }

    #[tokio::test]
    async fn wire_does_not_rest_before_all_is_written() {
        let (ours, mut theirs) = duplex(1024);
        let mut wire = Wire::new(ours, Bytes::new(), WebSocketConfig::default());
        wire.start_send("x".repeat(5000).into()).unwrap();
        assert!(!rest(&mut wire));
        let mut taken = vec![0; 4 + 4 + 5000];
        let flush = poll_fn(|cx| wire.poll_flush(cx));
        let (flushed, read) = tokio::join!(flush, theirs.read_exact(&mut taken));
        flushed.unwrap();
        read.unwrap();
        assert!(rest(&mut wire));
    }

    #[tokio::test]
    async fn end_of_the_stream_is_noticed_at_rest() {
        let (mut wire, theirs) = awake().await;
        assert!(rest(&mut wire));
        drop(theirs);
        let error = poll_fn(|cx| wire.poll_next(cx)).await.unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{error}");
    }
}
