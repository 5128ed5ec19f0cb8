//! The task of one connection: handshake, reading, writing in batches, closing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Error, Message, Utf8Bytes};

use super::config::Greeting;
use super::engine::Shared;
use super::front::Upgrading;
use super::http::{self, Head};
use super::log::{Direction, Upgrade};
use super::methods::handle_text;
use super::peer::Outgoing;
use super::session::{Session, SessionKey};
use super::sessions::{SharedSession, lock};

/// What connections run over: TCP or TLS over it.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

type Socket = WebSocketStream<Box<dyn Stream>>;

/// Serves one connection to its end.
pub(crate) async fn serve(shared: Arc<Shared>, tcp: TcpStream) {
    let mut stream: Box<dyn Stream> = match &shared.config.tls {
        None => Box::new(tcp),
        Some(acceptor) => match acceptor.accept(tcp).await {
            Ok(tls) => Box::new(tls),
            // The other side has its alert; there is nobody else to tell.
            Err(_) => return,
        },
    };
    if let Some(front) = &shared.front {
        if let Some(Upgrading { stream, head, number }) = front.serve(&shared, stream).await {
            converse(shared, Box::new(stream), head, number).await;
        }
        return;
    }
    let Some(head) = http::read_head(&mut stream).await else { return };
    let key = match head.judge(&shared.config) {
        Ok(key) => key,
        Err(refusal) => {
            let _ = http::refuse(&mut stream, &refusal).await;
            return;
        }
    };
    let number = shared.next_connection();
    shared.log.upgrade(Upgrade {
        connection: number,
        target: head.target.clone(),
        headers: head.headers.clone(),
    });
    if http::accept(&mut stream, &key, &shared.config.upgrade_headers).await.is_ok() {
        converse(shared, stream, head, number).await;
    }
}

/// Speaks QIX on a connection that is upgraded.
async fn converse(shared: Arc<Shared>, stream: Box<dyn Stream>, mut head: Head, number: u64) {
    let limit = Some(shared.config.max_message);
    // A write buffer of this size lets a burst of small answers leave in one system call.
    let config =
        WebSocketConfig::default().max_message_size(limit).max_frame_size(limit).write_buffer_size(256 << 10);
    let rest = std::mem::take(&mut head.rest);
    let socket = WebSocketStream::from_partially_read(stream, rest, Role::Server, Some(config)).await;
    let (key, ttl, from) = head.session();
    let (session, _) = shared.sessions.attach(&key, number, ttl, from.as_deref());
    let guard = Detach { shared: shared.clone(), key, number };
    Connection { shared, session, number, socket }.run(guard).await;
}

/// Takes the socket off its session, also when the task is aborted.
struct Detach {
    shared: Arc<Shared>,
    key: SessionKey,
    number: u64,
}

impl Drop for Detach {
    fn drop(&mut self) {
        self.shared.sessions.detach(&self.key, self.number);
    }
}

/// Sends what a deployment says first.
pub(crate) fn greet(session: &mut Session, number: u64) {
    let config = session.config.clone();
    let Ok(peer) = session.peer(number) else { return };
    if let Some(params) = &config.authentication_information {
        peer.notify("OnAuthenticationInformation", params);
    }
    if let Some(state) = &config.session_error {
        peer.notify("OnConnected", &json!({ "qSessionState": state }));
        peer.queue(Outgoing::Close(1000, String::new()));
        return;
    }
    let state = if peer.attached { "SESSION_ATTACHED" } else { "SESSION_CREATED" };
    peer.notify("OnConnected", &json!({ "qSessionState": state }));
}

struct Connection {
    shared: Arc<Shared>,
    session: SharedSession,
    number: u64,
    socket: Socket,
}

/// How the connection goes on after a step.
enum Next {
    Continue,
    /// The close handshake is on its way.
    Finish,
    Gone,
}

// One burst is answered with one flush, but not for ever: the client wants to read, too.
const BURST: usize = 256;
const BURST_BYTES: usize = 4 << 20;

impl Connection {
    async fn run(mut self, guard: Detach) {
        let wake = {
            let mut session = lock(&self.session);
            if session.config.greeting == Greeting::AtOnce {
                greet(&mut session, self.number);
            }
            let Ok(peer) = session.peer(self.number) else { return };
            peer.wake.clone()
        };
        loop {
            match self.write_all().await {
                Next::Continue => {}
                Next::Finish => break,
                Next::Gone => return,
            }
            let next = tokio::select! {
                () = wake.notified() => Next::Continue,
                message = self.socket.next() => self.take_burst(message),
            };
            match next {
                Next::Continue => {}
                Next::Finish => break,
                Next::Gone => return,
            }
        }
        // The session learns it before the client can know that the socket is closed: a client that connects again
        // at once then meets the state that it expects.
        drop(guard);
        let finish = async { while let Some(Ok(_)) = self.socket.next().await {} };
        // A client may never answer the close frame.
        let _ = tokio::time::timeout(Duration::from_secs(5), finish).await;
    }

    /// Handles a message and all that are there already.
    fn take_burst(&mut self, first: Option<Result<Message, Error>>) -> Next {
        let mut message = first;
        for _ in 0..BURST {
            match self.take(message) {
                Next::Continue => {}
                end => return end,
            }
            if lock(&self.session).peer(self.number).map_or(0, |peer| peer.waiting_bytes) > BURST_BYTES {
                return Next::Continue;
            }
            message = match self.socket.next().now_or_never() {
                Some(message) => message,
                None => {
                    self.drained();
                    return Next::Continue;
                }
            };
        }
        match message {
            Some(_) => self.take(message),
            None => Next::Gone,
        }
    }

    fn drained(&mut self) {
        let mut session = lock(&self.session);
        let Ok(peer) = session.peer(self.number) else { return };
        if !peer.is_settled() && peer.input_drained() {
            session.finish_reload();
            session.push_changes(None);
        }
    }

    fn take(&mut self, message: Option<Result<Message, Error>>) -> Next {
        let mut session = lock(&self.session);
        match message {
            Some(Ok(Message::Text(text))) => {
                self.shared.log.frame(self.number, Direction::Received, &text);
                if let Some(observer) = &self.shared.config.observer {
                    (observer.0)(self.number, &text);
                }
                handle_text(&mut session, self.number, &text);
                Next::Continue
            }
            Some(Ok(Message::Binary(bytes))) => {
                // Nobody sends binary frames; as text they are at best a parse error.
                handle_text(&mut session, self.number, &String::from_utf8_lossy(&bytes));
                Next::Continue
            }
            Some(Ok(Message::Close(_))) => Next::Finish,
            Some(Ok(_)) => Next::Continue,
            Some(Err(_)) | None => Next::Gone,
        }
    }

    /// Writes all that waits, and flushes once.
    async fn write_all(&mut self) -> Next {
        loop {
            let batch = match lock(&self.session).peer(self.number) {
                Ok(peer) => peer.take_outbox(),
                Err(_) => return Next::Gone,
            };
            if batch.is_empty() {
                return Next::Continue;
            }
            for outgoing in batch {
                let fed = match outgoing {
                    Outgoing::Text(text) => {
                        self.shared.log.frame(self.number, Direction::Sent, &text);
                        self.feed(text).await
                    }
                    Outgoing::Binary(bytes) => self.socket.feed(Message::Binary(bytes)).await,
                    Outgoing::Close(code, reason) => {
                        let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
                        let sent = self.socket.send(Message::Close(Some(frame))).await;
                        return if sent.is_ok() { Next::Finish } else { Next::Gone };
                    }
                    Outgoing::Drop => {
                        let _ = self.socket.flush().await;
                        return Next::Gone;
                    }
                    Outgoing::Half => {
                        let _ = self.socket.flush().await;
                        // The head of a text frame of 4,096 bytes, and a few of them.
                        let half = b"\x81\x7e\x10\x00{\"jsonrpc\":\"2.0\",\"id\"";
                        let stream = self.socket.get_mut();
                        let _ = stream.write_all(half).await;
                        let _ = stream.flush().await;
                        return Next::Gone;
                    }
                };
                if fed.is_err() {
                    return Next::Gone;
                }
            }
            if self.socket.flush().await.is_err() {
                return Next::Gone;
            }
        }
    }

    async fn feed(&mut self, text: Utf8Bytes) -> Result<(), Error> {
        let size = match self.shared.config.fragment {
            Some(size) if size > 0 && text.len() > size => size,
            _ => return self.socket.feed(Message::Text(text)).await,
        };
        let bytes = Bytes::from(text);
        let mut at = 0;
        while at < bytes.len() {
            let end = (at + size).min(bytes.len());
            let kind = if at == 0 { Data::Text } else { Data::Continue };
            let frame = Frame::message(bytes.slice(at..end), OpCode::Data(kind), end == bytes.len());
            self.socket.feed(Message::Frame(frame)).await?;
            at = end;
        }
        Ok(())
    }
}
