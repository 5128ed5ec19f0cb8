//! The WebSocket. Only this file and `ws/wire.rs` name the WebSocket library.

mod frames;
mod polled;
mod wire;

use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use qix_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::coop::unconstrained,
    time::{Sleep, sleep},
};
use tokio_tungstenite::tungstenite::{
    self,
    error::{CapacityError, ProtocolError},
    handshake::{client::generate_key, derive_accept_key},
    protocol::{
        CloseFrame, WebSocketConfig,
        frame::{
            Frame,
            coding::{Data, OpCode},
        },
    },
};

use crate::{
    Closed, ClosedBy, Limits, Message, Socket, Stream,
    outgoing::{goodbye, is_utf8, not_utf8, refused, too_big},
};

use self::wire::Wire;

/// The largest header of a frame, in bytes.
const MAX_FRAME_HEADER: usize = 14;

/// The client's side of a WebSocket over a byte stream.
///
/// Fragments are joined, text is checked to be UTF-8. No ping is sent unasked. Waiting needs tokio's clock.
///
/// A socket has no task of its own: it answers pings, and hears the peer say goodbye, while it is polled to receive, to close, or
/// to be [`idle`](Self::idle). A program that waits for something else for long without receiving waits for that beside one
/// of these three. The sessions of `qix-client` do so by themselves.
///
/// The WebSocket library writes every message to the `log` crate at the level `trace`, under the target `tungstenite`. Whoever
/// collects that level and must not keep data switches that target off.
pub struct WsSocket<S = Stream> {
    wire: Wire<S>,
    limits: Limits,
    /// When silence began to be waited for, and how it goes on.
    silence: Option<Silence>,
    /// Messages that were read while idle, or while finding out why a write failed.
    backlog: VecDeque<Message>,
    goodbye: Option<Goodbye>,
    ended: Option<Closed>,
}

/// Waiting for a silence that is long enough to give the buffers back.
struct Silence {
    end: Pin<Box<Sleep>>,
    /// Whether something came since it began.
    broken: bool,
}

/// A close handshake under way, begun by either side.
struct Goodbye {
    /// What the socket ends with.
    closed: Closed,
    /// Our close frame, until it was handed over.
    frame: Option<tungstenite::Message>,
    /// Whether the peer's close frame has come, so that only our own bytes are left to write.
    answered: bool,
    deadline: Pin<Box<Sleep>>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> WsSocket<S> {
    /// Speaks WebSocket over a stream whose HTTP upgrade is done; `leftover` is what was read beyond it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the stream.
    pub async fn after_upgrade(stream: S, leftover: Bytes, limits: Limits) -> Self {
        // The buffer grows past `write_buffer` only while the peer does not read. Its cap leaves room for one message of the
        // largest size on top, so that whoever waits for `poll_ready` never meets it; it also stops a peer that sends pings
        // and never reads the pongs.
        let write_buffer = limits.write_buffer.min(usize::MAX / 4);
        let max_message = limits.max_message.min(usize::MAX / 4);
        let config = WebSocketConfig::default()
            .read_buffer_size(limits.read_buffer)
            .write_buffer_size(write_buffer)
            .max_write_buffer_size(write_buffer + max_message + MAX_FRAME_HEADER)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let wire = Wire::new(stream, leftover, config);
        Self { wire, limits, silence: None, backlog: VecDeque::new(), goodbye: None, ended: None }
    }

    /// Keeps the socket alive while nothing is wanted of it: answers pings, and returns how it ended once it has. Meanwhile it has
    /// no buffers.
    ///
    /// Messages that come meanwhile are kept for [`poll_receive`](Socket::poll_receive), until they outweigh
    /// [`Limits::read_buffer`]. From then on nothing is read before they have been received: the peer finds us busy, and the pings
    /// behind its messages wait.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn idle(&mut self) -> Closed {
        poll_fn(|cx| self.poll_idle(cx)).await
    }

    /// Does what [`idle`](Self::idle) does, for whoever polls by hand.
    pub fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Closed> {
        loop {
            ready!(self.poll_goodbye(cx));
            if let Some(closed) = &self.ended {
                return Poll::Ready(closed.clone());
            }
            if self.backlog.iter().map(weight).sum::<usize>() > self.limits.read_buffer {
                return Poll::Pending;
            }
            match self.poll_step(cx) {
                Poll::Ready(message) => self.backlog.extend(message),
                // Nothing is wanted, so there is no silence to wait for. Once more, so that the next byte wakes it.
                Poll::Pending if self.rest(cx) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Gives the buffers back if nothing is under way; to be asked after [`poll_step`](Self::poll_step) was pending, and then to be
    /// polled again.
    fn rest(&mut self, cx: &mut Context<'_>) -> bool {
        self.silence = None;
        self.goodbye.is_none() && self.ended.is_none() && self.wire.rest(cx)
    }

    /// The same once it has been silent for long enough.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        if !self.wire.is_awake() || self.goodbye.is_some() {
            return Poll::Pending;
        }
        loop {
            let after = self.limits.rest_after;
            let silence =
                self.silence.get_or_insert_with(|| Silence { end: Box::pin(sleep(after)), broken: false });
            ready!(silence.end.as_mut().poll(cx));
            if !silence.broken {
                return Poll::Ready(self.rest(cx));
            }
            self.silence = None;
        }
    }

    /// Reads once: a message, or nothing if only the state of the socket changed.
    #[inline(always)]
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        match ready!(self.wire.poll_next(cx)) {
            Ok(tungstenite::Message::Text(text)) => {
                return Poll::Ready(Some(Message::Text(text.into())));
            }
            Ok(tungstenite::Message::Binary(data)) => return Poll::Ready(Some(Message::Binary(data))),
            Ok(tungstenite::Message::Close(frame)) => self.peer_said_goodbye(frame),
            // The library has queued the pong and writes it when it is asked for the next message, which is what every caller
            // of this does.
            Ok(_) => {}
            Err(error) => self.fail(error),
        }
        Poll::Ready(None)
    }

    fn peer_said_goodbye(&mut self, frame: Option<CloseFrame>) {
        // While our own close frame still waits for its turn, the peer's is no answer to it, but the end it asks for.
        if let Some(goodbye) = self.goodbye.as_mut().filter(|goodbye| goodbye.frame.is_none()) {
            goodbye.answered = true;
            return;
        }
        let closed = match frame {
            Some(frame) => {
                Closed::new(CloseCode::new(frame.code.into()), frame.reason.as_str(), ClosedBy::Peer)
            }
            None => Closed::new(CloseCode::NO_STATUS, "", ClosedBy::Peer),
        };
        self.goodbye = Some(self.goodbye(closed, None, true));
    }

    fn goodbye(&self, closed: Closed, frame: Option<tungstenite::Message>, answered: bool) -> Goodbye {
        Goodbye { closed, frame, answered, deadline: Box::pin(sleep(self.limits.close_timeout)) }
    }

    /// Moves a close handshake on, if there is one; pending while nothing should be read any more.
    #[inline]
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.goodbye.is_none() { Poll::Ready(()) } else { self.poll_this_goodbye(cx) }
    }

    fn poll_this_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(goodbye) = &mut self.goodbye {
            let answered = goodbye.answered;
            if goodbye.deadline.as_mut().poll(cx).is_ready() {
                let silence = (!answered).then(|| {
                    let limit = self.limits.close_timeout;
                    let text = format!("no close frame came within {limit:?}; see Limits::close_timeout");
                    io::Error::new(io::ErrorKind::TimedOut, text)
                });
                self.end_goodbye(silence);
                break;
            }
            match self.wire.poll_flush(cx) {
                Poll::Ready(Ok(())) => match goodbye.frame.take() {
                    // The buffer is empty now, so that the frame always fits. Another round flushes it.
                    Some(frame) => {
                        if let Err(error) = self.wire.start_send(frame) {
                            self.write_failed(error);
                        }
                    }
                    None if answered => {
                        // Says goodbye on the levels below too, as far as that goes without waiting.
                        let _ = self.wire.poll_shutdown(cx);
                        self.end_goodbye(None);
                    }
                    None => break,
                },
                // The peer has said all it wanted to say; whether it reads our answer is its own affair.
                Poll::Ready(Err(_)) if answered => self.end_goodbye(None),
                Poll::Ready(Err(error)) => {
                    self.write_failed(error);
                }
                Poll::Pending if answered => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(())
    }

    /// Ends with what the close handshake was about.
    fn end_goodbye(&mut self, error: Option<io::Error>) {
        if let Some(goodbye) = self.goodbye.take() {
            let error = error.map(Arc::new).or(goodbye.closed.error);
            self.ended.get_or_insert(Closed { error, ..goodbye.closed });
        }
    }

    /// Ends because of what came from the peer, or because nothing more can.
    fn fail(&mut self, error: tungstenite::Error) {
        let closed = describe(error);
        if closed.code.is_sendable() {
            // One try, so that the peer may learn what was wrong.
            let frame = close_frame(closed.code, "");
            if self.goodbye.is_none() && self.wire.start_send(frame).is_ok() {
                let _ = self.wire.poll_flush(&mut Context::from_waker(Waker::noop()));
            }
        }
        if self.goodbye.is_some() {
            let error = closed.error.map(|error| io::Error::new(error.kind(), error));
            self.end_goodbye(error);
        } else {
            self.ended = Some(closed);
        }
    }

    /// Finds out why a write failed.
    ///
    /// A peer that closes sends its close frame and hangs up, and our next write fails. What it said is then still waiting to be
    /// read, and worth more than "connection reset".
    fn write_failed(&mut self, error: tungstenite::Error) -> Closed {
        let mut taken = 0;
        while self.ended.is_none() && !self.is_answered() && taken <= self.limits.max_message {
            // Not constrained, because a used-up budget of the task would look like nothing being there.
            let step = pin!(unconstrained(poll_fn(|cx| self.poll_step(cx))));
            match step.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(Some(message)) => {
                    taken += weight(&message);
                    self.backlog.push_back(message);
                }
                Poll::Ready(None) => taken += size_of::<Message>(),
                Poll::Pending => break,
            }
        }
        if self.goodbye.is_some() {
            let error = if self.is_answered() { None } else { Some(io_error(error)) };
            self.end_goodbye(error);
            return self.end();
        }
        self.ended.get_or_insert_with(|| Closed::broken(io_error(error))).clone()
    }

    fn is_answered(&self) -> bool {
        self.goodbye.as_ref().is_some_and(|goodbye| goodbye.answered)
    }

    fn end(&self) -> Closed {
        self.ended.clone().unwrap_or_else(|| Closed::broken(io::ErrorKind::NotConnected.into()))
    }

    /// Says why nothing can be sent any more, if so.
    #[inline]
    fn check_writable(&self) -> Result<(), Closed> {
        match (&self.ended, &self.goodbye) {
            (None, None) => Ok(()),
            (Some(closed), _) | (None, Some(Goodbye { closed, .. })) => Err(closed.clone()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for WsSocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        loop {
            if let Some(message) = self.backlog.pop_front() {
                return Poll::Ready(Ok(message));
            }
            ready!(self.poll_goodbye(cx));
            if let Some(closed) = &self.ended {
                return Poll::Ready(Err(closed.clone()));
            }
            match self.poll_step(cx) {
                Poll::Ready(Some(message)) => {
                    if let Some(silence) = &mut self.silence {
                        silence.broken = true;
                    }
                    return Poll::Ready(Ok(message));
                }
                Poll::Ready(None) => {}
                // Once more, so that the next byte wakes it.
                Poll::Pending if self.poll_rest(cx) == Poll::Ready(true) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.check_writable()?;
        let result = ready!(self.wire.poll_ready(cx));
        Poll::Ready(result.map_err(|error| self.write_failed(error)))
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        self.check_writable()?;
        if text.len() > self.limits.max_message {
            return Err(too_big(text.len(), self.limits.max_message));
        }
        if !is_utf8(&text) {
            return Err(not_utf8());
        }
        // As a frame, because the library would decode all of a text once more.
        let frame = Frame::message(text, OpCode::Data(Data::Text), true);
        match self.wire.start_send(tungstenite::Message::Frame(frame)) {
            Ok(()) => Ok(()),
            Err(tungstenite::Error::WriteBufferFull(_)) => Err(refused(
                CloseCode::TOO_BIG,
                "the peer does not read and the buffer is full; wait for poll_ready before sending",
            )),
            Err(error) => Err(self.write_failed(error)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.check_writable()?;
        let result = ready!(self.wire.poll_flush(cx));
        Poll::Ready(result.map_err(|error| self.write_failed(error)))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        if self.check_writable().is_ok() {
            let closed = goodbye(code, reason);
            let frame = close_frame(closed.code, &closed.reason);
            self.goodbye = Some(self.goodbye(closed, Some(frame), false));
        }
        loop {
            if let Err(closed) = ready!(self.poll_receive(cx)) {
                return Poll::Ready(closed);
            }
        }
    }
}

impl<S> fmt::Debug for WsSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the buffers, which hold payload.
        f.debug_struct("WsSocket").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The key of one upgrade request and the answer it asks for.
pub(crate) struct Challenge {
    pub(crate) key: String,
    pub(crate) accept: String,
}

impl Challenge {
    pub(crate) fn new() -> Self {
        let key = generate_key();
        Self { accept: derive_accept_key(key.as_bytes()), key }
    }
}

/// Returns what a message that is kept takes, so that empty ones count too.
fn weight(message: &Message) -> usize {
    let (Message::Text(data) | Message::Binary(data)) = message;
    size_of::<Message>() + data.len()
}

fn close_frame(code: CloseCode, reason: &str) -> tungstenite::Message {
    let frame = code.is_sendable().then(|| CloseFrame { code: code.get().into(), reason: reason.into() });
    tungstenite::Message::Close(frame)
}

fn broke_the_rules(code: CloseCode, text: String) -> Closed {
    let error = io::Error::new(io::ErrorKind::InvalidData, text);
    Closed { code, ..Closed::broken(error) }
}

fn describe(error: tungstenite::Error) -> Closed {
    match error {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            too_big(size, max_size)
        }
        // The library's own text repeats the bytes, which are somebody's data.
        tungstenite::Error::Utf8(_) => {
            broke_the_rules(CloseCode::new(1007), "the peer sent text that is not UTF-8".to_owned())
        }
        tungstenite::Error::Protocol(error) if error != ProtocolError::ResetWithoutClosingHandshake => {
            broke_the_rules(
                CloseCode::PROTOCOL_ERROR,
                format!("the peer broke the WebSocket protocol: {error}"),
            )
        }
        error => Closed::broken(io_error(error)),
    }
}

fn io_error(error: tungstenite::Error) -> io::Error {
    match error {
        tungstenite::Error::Io(error) => error,
        _ => io::Error::new(io::ErrorKind::UnexpectedEof, "the connection ended without a close frame"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt;
    use tokio::{
        io::{AsyncWriteExt, duplex},
        time::advance,
    };

    use super::*;
    use crate::SocketExt;

    #[tokio::test(start_paused = true)]
    async fn waiting_socket_gives_its_buffers_back_after_the_silence_and_hears_what_comes_then() {
        let (ours, mut theirs) = duplex(1024);
        let second = Duration::from_secs(1);
        let limits = Limits::default().rest_after(2 * second);
        let mut socket = WsSocket::after_upgrade(ours, Bytes::new(), limits).await;
        for _ in 0..2 {
            for _ in 0..3 {
                theirs.write_all(b"\x81\x01a").await.unwrap();
                assert_eq!(socket.receive().await.unwrap(), Message::Text("a".into()));
                assert!(socket.receive().now_or_never().is_none());
                assert!(socket.wire.is_awake());
                advance(second).await;
            }
            // The timer that the first message started has seen the others, and its successor sees none.
            for _ in 0..4 {
                assert!(socket.receive().now_or_never().is_none());
                advance(second).await;
            }
            assert!(socket.receive().now_or_never().is_none());
            assert!(!socket.wire.is_awake());
        }
    }

    #[tokio::test]
    async fn idle_socket_gives_its_buffers_back_at_once() {
        let (ours, mut theirs) = duplex(1024);
        let mut socket = WsSocket::after_upgrade(ours, Bytes::new(), Limits::default()).await;
        theirs.write_all(b"\x81\x01a\x89\x00").await.unwrap();
        assert!(socket.idle().now_or_never().is_none());
        assert!(!socket.wire.is_awake());
        assert_eq!(socket.receive().await.unwrap(), Message::Text("a".into()));
    }
}
