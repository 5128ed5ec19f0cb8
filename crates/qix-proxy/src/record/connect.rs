//! Recording inside a program: a connector around another.

use std::{
    io,
    task::{Context, Poll, ready},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use qix_transport::{CloseCode, Closed, ClosedBy, Connect, ConnectError, Message, Socket};

use super::{Injected, Recorder, Side, Tape, Upgrade};
use crate::chain::chain;

/// Records what crosses the sockets of another connector, without a proxy: any client built on [`qix_transport`] can be recorded so.
///
/// Whole messages are recorded, in the order in which the program sends and receives them, and the close code. Headers are not:
/// they are the connector's own. A full queue makes the program wait, a disk that fails does not.
///
/// ```
/// use qix_proxy::record::{RecordConnect, Recorder, RecorderConfig, RecordingReader};
/// use qix_transport::{CloseCode, Connect, MemoryConnect, SocketExt};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("session.qixrec");
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let recorder = Recorder::create(&path, RecorderConfig::default())?;
/// // A `WsConnect` in earnest.
/// let (connect, mut acceptor) = MemoryConnect::new();
/// let connect = RecordConnect::new(connect, recorder.clone()).url("/app/engineData");
///
/// let mut socket = connect.connect().await?;
/// # let mut engine = acceptor.accept().await.ok_or("no peer")?;
/// socket.send_text(r#"{"id":1,"method":"EngineVersion","handle":-1,"params":[]}"#).await?;
/// # engine.receive().await?;
/// drop(socket);
/// let sealed = recorder.seal().await;
/// assert_eq!((sealed.connections, sealed.frames), (1, 1));
/// # assert_eq!(RecordingReader::open(&path)?.count(), 4);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RecordConnect<C> {
    connect: C,
    recorder: Recorder,
    url: Box<str>,
}

impl<C> RecordConnect<C> {
    /// Records the sockets of `connect` with `recorder`, each as a connection of its own.
    pub fn new(connect: C, recorder: Recorder) -> Self {
        Self { connect, recorder, url: "/".into() }
    }

    /// Sets path and query that the recording has of the connections; secrets in it are replaced. Default: `/`.
    #[must_use]
    pub fn url(mut self, path_and_query: impl Into<Box<str>>) -> Self {
        self.url = path_and_query.into();
        self
    }

    fn refused(&self, error: &ConnectError) {
        let (none, injected) = (HeaderMap::new(), Injected::default());
        let mut upgrade = Upgrade {
            url: &self.url,
            status: StatusCode::BAD_GATEWAY,
            request: &none,
            response: &none,
            injected: &injected,
        };
        let Some(refusal) = error.refusal() else {
            return self.recorder.refused(&upgrade, b"", Some(&chain(error)));
        };
        (upgrade.status, upgrade.response) = (refusal.status, &refusal.headers);
        self.recorder.refused(&upgrade, &refusal.body, None);
    }
}

impl<C: Connect> Connect for RecordConnect<C> {
    type Socket = RecordSocket<C::Socket>;

    async fn connect(&self) -> Result<Self::Socket, ConnectError> {
        self.recorder.ready().await;
        let socket = self.connect.connect().await.inspect_err(|error| self.refused(error))?;
        let (none, injected) = (HeaderMap::new(), Injected::default());
        let tape = self.recorder.open(&Upgrade {
            url: &self.url,
            status: StatusCode::SWITCHING_PROTOCOLS,
            request: &none,
            response: &none,
            injected: &injected,
        });
        Ok(RecordSocket { socket, tape: Some(tape), closing: false })
    }
}

/// A socket whose messages are recorded, made by [`RecordConnect`]. Dropping it records that the client cut the connection.
#[derive(Debug)]
pub struct RecordSocket<S> {
    socket: S,
    /// Nothing once the end is recorded.
    tape: Option<Tape>,
    /// Whether this side has said goodbye.
    closing: bool,
}

impl<S> RecordSocket<S> {
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.tape.as_mut().map_or(Poll::Ready(()), |tape| tape.poll_ready(cx))
    }

    /// Records how the socket has ended, once.
    fn ended(&mut self, closed: &Closed) {
        let Some(mut tape) = self.tape.take() else { return };
        let by = match closed.by {
            ClosedBy::Us => Side::Client,
            _ => Side::Engine,
        };
        if closed.code != CloseCode::ABNORMAL {
            let code = Some(closed.code.get()).filter(|_| closed.code.is_sendable());
            tape.goodbye(by, code, &closed.reason);
        }
        let error = closed.error.as_ref().map(|error| io::Error::new(error.kind(), error.to_string()));
        tape.close(by, error);
    }
}

impl<S: Socket> Socket for RecordSocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        ready!(self.poll_room(cx));
        let received = ready!(self.socket.poll_receive(cx));
        match (&received, &mut self.tape) {
            (Ok(Message::Text(text)), Some(tape)) => tape.text(Side::Engine, Instant::now(), text.clone()),
            (Ok(Message::Binary(data)), Some(tape)) => {
                tape.binary(Side::Engine, Instant::now(), data.clone());
            }
            (Err(closed), _) => self.ended(closed),
            _ => {}
        }
        Poll::Ready(received)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        ready!(self.poll_room(cx));
        self.socket.poll_ready(cx)
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        let at = Instant::now();
        self.socket.send(text.clone())?;
        // Recorded before it is flushed, and so before it can be answered.
        if let Some(tape) = &mut self.tape {
            tape.text(Side::Client, at, text);
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.socket.poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        let polled = self.socket.poll_close(cx, code, reason);
        match &polled {
            Poll::Ready(closed) => self.ended(closed),
            // Whoever does not wait for the answer has said goodbye all the same.
            Poll::Pending if !self.closing => {
                self.closing = true;
                if let Some(tape) = &mut self.tape {
                    tape.goodbye(Side::Client, Some(code.get()).filter(|_| code.is_sendable()), reason);
                }
            }
            Poll::Pending => {}
        }
        polled
    }
}

impl<S> Drop for RecordSocket<S> {
    fn drop(&mut self) {
        if let Some(tape) = self.tape.take() {
            tape.close(Side::Client, None);
        }
    }
}
