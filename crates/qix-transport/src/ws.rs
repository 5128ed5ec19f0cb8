//! The WebSocket. The only file that names the WebSocket library.

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
use futures_util::{SinkExt, StreamExt};
use qix_protocol::CloseCode;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::coop::unconstrained,
    time::{Sleep, sleep},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Utf8Bytes,
        error::{CapacityError, ProtocolError},
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig},
    },
};

use crate::{
    Closed, ClosedBy, Limits, Message, Socket, Stream,
    outgoing::{goodbye, not_utf8, refused, too_big},
    prefixed::Prefixed,
};

/// The largest header of a frame, in bytes.
const MAX_FRAME_HEADER: usize = 14;

/// The client's side of a WebSocket over a byte stream.
///
/// Fragments are joined, text is checked to be UTF-8. No ping is sent unasked. Waiting for the peer's close frame needs
/// tokio's clock.
///
/// A socket has no task of its own: it answers pings, and hears the peer say goodbye, while it is polled to receive, to close, or
/// to be [`idle`](Self::idle). A program that waits for something else for long without receiving waits for that beside one
/// of these three. The sessions of `qix-client` do so by themselves.
///
/// The WebSocket library writes every message to the `log` crate at the level `trace`, under the target `tungstenite`. Whoever
/// collects that level and must not keep data switches that target off.
pub struct WsSocket<S = Stream> {
    stream: WebSocketStream<Prefixed<S>>,
    limits: Limits,
    /// Messages that were read while idle, or while finding out why a write failed.
    backlog: VecDeque<Message>,
    goodbye: Option<Goodbye>,
    ended: Option<Closed>,
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
        let stream = Prefixed::new(leftover, stream);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
        Self { stream, limits, backlog: VecDeque::new(), goodbye: None, ended: None }
    }

    /// Keeps the socket alive while nothing is wanted of it: answers pings, and returns how it ended once it has.
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
            if let Some(message) = ready!(self.poll_step(cx)) {
                self.backlog.push_back(message);
            }
        }
    }

    /// Reads once: a message, or nothing if only the state of the socket changed.
    fn poll_step(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        match ready!(self.stream.poll_next_unpin(cx)) {
            Some(Ok(tungstenite::Message::Text(text))) => {
                return Poll::Ready(Some(Message::Text(text.into())));
            }
            Some(Ok(tungstenite::Message::Binary(data))) => return Poll::Ready(Some(Message::Binary(data))),
            Some(Ok(tungstenite::Message::Close(frame))) => self.peer_said_goodbye(frame),
            // The library has queued the pong and writes it when it is asked for the next message, which is what every caller
            // of this does.
            Some(Ok(_)) => {}
            Some(Err(error)) => self.fail(error),
            None => self.fail(tungstenite::Error::ConnectionClosed),
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
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
            match self.stream.poll_flush_unpin(cx) {
                Poll::Ready(Ok(())) => match goodbye.frame.take() {
                    // The buffer is empty now, so that the frame always fits. Another round flushes it.
                    Some(frame) => {
                        if let Err(error) = self.stream.start_send_unpin(frame) {
                            self.write_failed(error);
                        }
                    }
                    None if answered => {
                        // Says goodbye on the levels below too, as far as that goes without waiting.
                        let _ = Pin::new(self.stream.get_mut()).poll_shutdown(cx);
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
            if self.goodbye.is_none() && self.stream.start_send_unpin(frame).is_ok() {
                let _ = self.stream.poll_flush_unpin(&mut Context::from_waker(Waker::noop()));
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

    /// Returns why nothing can be sent any more, if so.
    fn unwritable(&self) -> Option<Closed> {
        self.ended.as_ref().or(self.goodbye.as_ref().map(|goodbye| &goodbye.closed)).cloned()
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
            if let Some(message) = ready!(self.poll_step(cx)) {
                return Poll::Ready(Ok(message));
            }
        }
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(closed) = self.unwritable() {
            return Poll::Ready(Err(closed));
        }
        let result = ready!(self.stream.poll_ready_unpin(cx));
        Poll::Ready(result.map_err(|error| self.write_failed(error)))
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        if let Some(closed) = self.unwritable() {
            return Err(closed);
        }
        if text.len() > self.limits.max_message {
            return Err(too_big(text.len(), self.limits.max_message));
        }
        let text = Utf8Bytes::try_from(text).map_err(|_| not_utf8())?;
        match self.stream.start_send_unpin(tungstenite::Message::Text(text)) {
            Ok(()) => Ok(()),
            Err(tungstenite::Error::WriteBufferFull(_)) => Err(refused(
                CloseCode::TOO_BIG,
                "the peer does not read and the buffer is full; wait for poll_ready before sending",
            )),
            Err(error) => Err(self.write_failed(error)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(closed) = self.unwritable() {
            return Poll::Ready(Err(closed));
        }
        let result = ready!(self.stream.poll_flush_unpin(cx));
        Poll::Ready(result.map_err(|error| self.write_failed(error)))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        if self.unwritable().is_none() {
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
