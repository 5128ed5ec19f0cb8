//! Sockets inside one process, for tests and for embedding an engine's stand-in.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::CloseCode;
use tokio::{
    sync::mpsc,
    time::{Sleep, sleep},
};

use crate::{
    Closed, ClosedBy, Connect, ConnectError, Limits, Message, Socket,
    outgoing::{goodbye, not_utf8},
};

/// How many messages wait in each direction before the sender has to.
pub const CAPACITY: usize = 64;

/// How many sockets wait to be accepted before [`MemoryConnect`] has to.
const PENDING_CONNECTIONS: usize = 16;

/// Makes two connected sockets with room for [`CAPACITY`] messages in each direction.
///
/// They keep the rules of a WebSocket: what was sent arrives after a flush, a close is answered when the other side reads it,
/// and a side that is dropped looks like a lost connection.
///
/// ```
/// use qix_transport::{Message, SocketExt, memory};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (mut client, mut engine) = memory::pair();
/// client.send_text("hello").await?;
/// assert_eq!(engine.receive().await?, Message::Text("hello".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn pair() -> (MemorySocket, MemorySocket) {
    let lanes = Arc::new(Mutex::new([Lane::default(), Lane::default()]));
    let socket = |side| MemorySocket {
        lanes: Arc::clone(&lanes),
        side,
        outbox: VecDeque::new(),
        close_timeout: Limits::default().close_timeout,
        goodbye: None,
        ended: None,
    };
    (socket(0), socket(1))
}

/// One end of an in-memory connection, made by [`pair`].
pub struct MemorySocket {
    lanes: Arc<Mutex<[Lane; 2]>>,
    /// Which lane is written; the other is read.
    side: usize,
    /// Sent but not flushed.
    outbox: VecDeque<Message>,
    close_timeout: Duration,
    goodbye: Option<(Closed, Pin<Box<Sleep>>)>,
    ended: Option<Closed>,
}

/// One direction.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Message>,
    /// The close frame behind the last message.
    close: Option<(CloseCode, Arc<str>)>,
    /// Whether the writer was dropped.
    gone: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn wake_reader(&mut self) {
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    fn wake_writer(&mut self) {
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

impl MemorySocket {
    /// Sets how long [`Socket::poll_close`] waits for the other side. Default: that of [`Limits::close_timeout`].
    #[must_use]
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }

    /// Takes a binary message, which [`Socket`] cannot send; it leaves with the next flush.
    ///
    /// # Errors
    ///
    /// [`Closed`] once the socket has ended.
    pub fn send_binary(&mut self, data: Bytes) -> Result<(), Closed> {
        self.unwritable().map_or(Ok(()), Err)?;
        self.outbox.push_back(Message::Binary(data));
        Ok(())
    }

    fn lanes(&self) -> MutexGuard<'_, [Lane; 2]> {
        // Nothing in here can panic half way through a change.
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unwritable(&self) -> Option<Closed> {
        self.ended.as_ref().or(self.goodbye.as_ref().map(|(closed, _)| closed)).cloned()
    }

    /// Moves messages over while there is room; fails with how the other side left.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if lanes[1 - self.side].gone {
            return Poll::Ready(Err(left(&lanes[1 - self.side])));
        }
        let lane = &mut lanes[self.side];
        while lane.queue.len() < CAPACITY {
            let Some(message) = self.outbox.pop_front() else { return Poll::Ready(Ok(())) };
            lane.queue.push_back(message);
            lane.wake_reader();
        }
        if self.outbox.is_empty() {
            return Poll::Ready(Ok(()));
        }
        lane.writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Moves the goodbye of this side on: what was sent goes first, then the close frame.
    fn poll_goodbye(&mut self, cx: &mut Context<'_>) {
        let Some((closed, _)) = &self.goodbye else { return };
        let closed = closed.clone();
        if let Poll::Ready(Ok(())) = self.poll_drain(cx) {
            let mut lanes = self.lanes();
            let lane = &mut lanes[self.side];
            if lane.close.is_none() {
                lane.close = Some((closed.code, closed.reason.clone()));
                lane.wake_reader();
            }
        }
        let Some((_, deadline)) = &mut self.goodbye else { return };
        if deadline.as_mut().poll(cx).is_ready() {
            let error = io::Error::new(io::ErrorKind::TimedOut, "no close frame came in time");
            self.ended = Some(Closed { error: Some(Arc::new(error)), ..closed });
        }
    }
}

impl Socket for MemorySocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        if self.ended.is_none() {
            self.poll_goodbye(cx);
        }
        if let Some(closed) = &self.ended {
            return Poll::Ready(Err(closed.clone()));
        }
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = &mut lanes[1 - self.side];
        if let Some(message) = lane.queue.pop_front() {
            lane.wake_writer();
            return Poll::Ready(Ok(message));
        }
        if lane.close.is_none() && !lane.gone {
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let left = left(lane);
        let own = &mut lanes[self.side];
        if own.close.is_none() {
            own.close = Some((left.code, left.reason.clone()));
            own.wake_reader();
        }
        let closed = match self.goodbye.take() {
            Some((closed, _)) => Closed { error: left.error, ..closed },
            None => left,
        };
        self.ended = Some(closed.clone());
        Poll::Ready(Err(closed))
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(closed) = self.unwritable() {
            return Poll::Ready(Err(closed));
        }
        if self.outbox.len() < CAPACITY {
            return Poll::Ready(Ok(()));
        }
        self.poll_drain(cx)
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        self.unwritable().map_or(Ok(()), Err)?;
        std::str::from_utf8(&text).map_err(|_| not_utf8())?;
        self.outbox.push_back(Message::Text(text));
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        if let Some(closed) = self.unwritable() {
            return Poll::Ready(Err(closed));
        }
        self.poll_drain(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        if self.unwritable().is_none() {
            let closed = goodbye(code, reason);
            self.goodbye = Some((closed, Box::pin(sleep(self.close_timeout))));
        }
        loop {
            if let Err(closed) = ready!(self.poll_receive(cx)) {
                return Poll::Ready(closed);
            }
        }
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        let side = self.side;
        let mut lanes = self.lanes();
        lanes[side].gone = true;
        lanes[side].wake_reader();
        lanes[1 - side].wake_writer();
    }
}

impl fmt::Debug for MemorySocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySocket").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// Returns how the writer of a lane left it.
fn left(lane: &Lane) -> Closed {
    match &lane.close {
        Some((code, reason)) => Closed::new(*code, reason.clone(), ClosedBy::Peer),
        None => Closed::broken(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the other side was dropped without a close frame",
        )),
    }
}

/// A connector whose sockets lead to a [`MemoryAcceptor`]; cheap to clone.
///
/// ```
/// use qix_transport::{Connect, MemoryConnect, SocketExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (connect, mut acceptor) = MemoryConnect::new();
/// let mut client = connect.connect().await?;
/// let mut engine = acceptor.accept().await.expect("the connector is alive");
/// engine.send_text("welcome").await?;
/// client.receive().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryConnect {
    peers: mpsc::Sender<MemorySocket>,
}

impl MemoryConnect {
    /// Makes a connector and the place where the other ends of its sockets come out.
    pub fn new() -> (Self, MemoryAcceptor) {
        let (peers, incoming) = mpsc::channel(PENDING_CONNECTIONS);
        (Self { peers }, MemoryAcceptor { incoming })
    }
}

impl Connect for MemoryConnect {
    type Socket = MemorySocket;

    async fn connect(&self) -> Result<MemorySocket, ConnectError> {
        let (ours, theirs) = pair();
        match self.peers.send(theirs).await {
            Ok(()) => Ok(ours),
            Err(_) => Err(ConnectError::Tcp {
                peer: "memory:0".into(),
                source: io::Error::new(io::ErrorKind::ConnectionRefused, "the acceptor was dropped"),
            }),
        }
    }
}

/// Where the other ends of a [`MemoryConnect`]'s sockets come out.
#[derive(Debug)]
pub struct MemoryAcceptor {
    incoming: mpsc::Receiver<MemorySocket>,
}

impl MemoryAcceptor {
    /// Waits for the next socket; nothing once all connectors are gone.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no socket.
    pub async fn accept(&mut self) -> Option<MemorySocket> {
        self.incoming.recv().await
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, pin::pin};

    use tokio::time::timeout;

    use super::*;
    use crate::SocketExt;

    async fn within<F: Future>(future: F) -> F::Output {
        timeout(Duration::from_secs(60), future).await.expect("took too long")
    }

    fn poll_once<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(Waker::noop()))
    }

    fn text(text: &str) -> Message {
        Message::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[tokio::test]
    async fn nothing_arrives_before_a_flush() {
        let (mut a, mut b) = pair();
        a.send(Bytes::from_static(b"1")).unwrap();
        a.send_binary(Bytes::from_static(b"2")).unwrap();
        assert!(poll_once(|cx| b.poll_receive(cx)).is_pending());
        within(a.flush()).await.unwrap();
        assert_eq!(within(b.receive()).await.unwrap(), text("1"));
        assert_eq!(within(b.receive()).await.unwrap(), Message::Binary(Bytes::from_static(b"2")));
    }

    #[tokio::test]
    async fn sender_waits_while_the_receiver_does_not_read() {
        let (mut a, mut b) = pair();
        for _ in 0..2 * CAPACITY {
            within(poll_fn(|cx| a.poll_ready(cx))).await.unwrap();
            a.send(Bytes::from_static(b"x")).unwrap();
            assert!(a.outbox.len() <= CAPACITY);
        }
        assert!(poll_once(|cx| a.poll_ready(cx)).is_pending());
        assert!(poll_once(|cx| a.poll_flush(cx)).is_pending());
        let flushed = tokio::spawn(async move {
            a.flush().await.unwrap();
            a
        });
        for _ in 0..2 * CAPACITY {
            within(b.receive()).await.unwrap();
        }
        within(flushed).await.unwrap();
    }

    #[tokio::test]
    async fn close_carries_code_and_reason_behind_what_was_sent() {
        let (mut a, mut b) = pair();
        a.send(Bytes::from_static(b"last")).unwrap();
        let closing = tokio::spawn(async move { (a.close(CloseCode::new(4204), "no app").await, a) });
        assert_eq!(within(b.receive()).await.unwrap(), text("last"));
        for _ in 0..2 {
            let closed = within(b.receive()).await.unwrap_err();
            assert_eq!((closed.code.get(), &*closed.reason, closed.by), (4204, "no app", ClosedBy::Peer));
        }
        let (closed, mut a) = within(closing).await.unwrap();
        assert_eq!((closed.code.get(), closed.by), (4204, ClosedBy::Us));
        assert!(closed.error.is_none());
        assert_eq!(within(a.close(CloseCode::NORMAL, "")).await.code.get(), 4204);
        assert_eq!(within(a.send_text("x")).await.unwrap_err().code.get(), 4204);
    }

    #[tokio::test]
    async fn dropping_one_side_is_a_lost_connection_for_the_other() {
        let (mut a, mut b) = pair();
        within(a.send_text("last")).await.unwrap();
        drop(a);
        assert_eq!(within(b.send_text("x")).await.unwrap_err().code, CloseCode::ABNORMAL);
        assert_eq!(within(b.receive()).await.unwrap(), text("last"));
        let closed = within(b.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::ABNORMAL, ClosedBy::Connection));
    }

    #[tokio::test]
    async fn dropping_the_receiver_wakes_a_blocked_sender() {
        let (mut a, b) = pair();
        for _ in 0..2 * CAPACITY {
            a.send(Bytes::from_static(b"x")).unwrap();
        }
        let mut flush = pin!(a.flush());
        assert!(poll_once(|cx| flush.as_mut().poll(cx)).is_pending());
        drop(b);
        assert_eq!(within(flush).await.unwrap_err().code, CloseCode::ABNORMAL);
    }

    #[tokio::test(start_paused = true)]
    async fn goodbye_is_said_even_if_nobody_waits_for_the_answer() {
        let (a, mut b) = pair();
        let mut a = a.close_timeout(Duration::ZERO);
        within(a.close(CloseCode::NORMAL, "")).await;
        let closed = within(b.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, ClosedBy::Peer));
    }

    #[tokio::test(start_paused = true)]
    async fn close_gives_up_on_a_silent_side_after_its_deadline() {
        let (a, _b) = pair();
        let mut a = a.close_timeout(Duration::from_secs(7));
        let start = tokio::time::Instant::now();
        let closed = within(a.close(CloseCode::NORMAL, "")).await;
        assert_eq!(start.elapsed().as_secs(), 7);
        assert_eq!(closed.error.unwrap().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn text_must_be_utf8() {
        let (mut a, _b) = pair();
        assert_eq!(a.send(Bytes::from_static(b"\xff")).unwrap_err().code.get(), 1007);
        within(a.send_text("still fine")).await.unwrap();
    }

    #[tokio::test]
    async fn connector_hands_the_other_end_to_the_acceptor() {
        let (connect, mut acceptor) = MemoryConnect::new();
        let mut client = within(connect.connect()).await.unwrap();
        let mut engine = within(acceptor.accept()).await.unwrap();
        within(engine.send_text("welcome")).await.unwrap();
        assert_eq!(within(client.receive()).await.unwrap(), text("welcome"));
        drop(acceptor);
        assert!(matches!(within(connect.connect()).await, Err(ConnectError::Tcp { .. })));
    }
}
