//! Servers, certificates and frames for the tests.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use qix_transport::{Endpoint, Limits, Message, WsConnect, WsConnectBuilder, WsSocket};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol::Role},
};

/// Bounds an await. The limit is far above every deadline under test, because tests that own the clock run into both.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(120), future).await.expect("took too long")
}

/// Takes one connection and hands it to `serve`.
pub(crate) async fn server<F, R>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> (u16, JoinHandle<R>)
where
    F: Future<Output = R> + Send,
    R: Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await
    });
    (port, task)
}

pub(crate) fn builder(port: u16) -> WsConnectBuilder {
    WsConnect::builder(Endpoint::parse(&format!("ws://127.0.0.1:{port}/app/engineData")).unwrap())
}

/// Reads the head of a request, byte for byte, so that nothing behind it is taken.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .find_map(|line| line.split_once(": ").filter(|(found, _)| *found == name))
        .map(|(_, value)| value)
}

/// Answers the upgrade that `head` asks for, with further header lines.
pub(crate) fn switched(head: &str, more: &str) -> String {
    let key = header(head, "Sec-Websocket-Key").unwrap();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A client over an in-memory stream, and the raw other end of it.
pub(crate) async fn raw_pair(limits: Limits) -> (WsSocket<DuplexStream>, DuplexStream) {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    (WsSocket::after_upgrade(ours, Bytes::new(), limits).await, theirs)
}

/// The engine's side of a raw stream.
pub(crate) async fn engine<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> WebSocketStream<S> {
    WebSocketStream::from_raw_socket(stream, Role::Server, None).await
}

/// Returns a frame as a server sends it. `first` is the first byte: FIN, reserved bits, opcode.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..65536 => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    stream.write_all(bytes).await.unwrap();
    stream.flush().await.unwrap();
}

pub(crate) fn text(text: &str) -> Message {
    Message::Text(Bytes::copy_from_slice(text.as_bytes()))
}

/// A stream that counts writes.
pub(crate) struct Counted<S> {
    pub(crate) inner: S,
    pub(crate) writes: Arc<AtomicUsize>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
