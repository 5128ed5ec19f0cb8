//! Bytes that come one at a time, and bytes that come all at once.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{SinkExt, StreamExt};
use qix_transport::{
    Connect, Endpoint, Limits, Proxies, Proxy, SocketExt, TlsSettings, WsConnect, WsConnectBuilder, WsSocket,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_tungstenite::accept_async;

use crate::{
    proxies::{bytewise, http_proxy, tls_engine},
    support::{builder, frame, raw_pair, read_head, server, switched, text, within, write},
};

/// Texts whose frames have headers of each length, and a character of two bytes at their ends.
fn texts() -> Vec<String> {
    [0, 1, 125, 126, 300, 66_000].map(|length| format!("{}ü", "x".repeat(length))).to_vec()
}

async fn hears(socket: &mut WsSocket, texts: &[String]) {
    for expected in texts {
        assert!(within(socket.receive()).await.unwrap() == text(expected), "{} bytes", expected.len());
    }
}

#[tokio::test]
async fn answer_to_the_upgrade_and_frames_may_come_byte_by_byte() {
    let (port, task) = server(|mut stream| async move {
        let mut bytes = switched(&read_head(&mut stream).await, "X-More: 1\r\n").into_bytes();
        for text in &texts()[..5] {
            bytes.extend(frame(0x81, text.as_bytes()));
        }
        bytes.extend(frame(0x88, b"\x0f\xa3{\"code\":\"QEP-1\"}"));
        bytewise(&mut stream, &bytes).await;
        stream
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    hears(&mut socket, &texts()[..5]).await;
    let closed = within(socket.receive()).await.unwrap_err();
    assert_eq!((closed.code.get(), &*closed.reason), (4003, r#"{"code":"QEP-1"}"#));
    within(task).await.unwrap();
}

#[tokio::test]
async fn refusal_of_an_upgrade_may_come_byte_by_byte() {
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
        bytewise(&mut stream, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 12\r\n\r\nCSRF-TOKEN-2").await;
    })
    .await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    assert_eq!(&error.refusal().unwrap().body[..], b"CSRF-TOKEN-2");
    assert!(error.refusal().unwrap().is_csrf());
    within(task).await.unwrap();
}

#[tokio::test]
async fn header_of_a_frame_of_each_length_may_be_split_anywhere() {
    for length in [5, 300, 66_000] {
        let bytes = frame(0x81, &vec![b'x'; length]);
        for split in 1..=bytes.len() - length {
            let (mut socket, mut peer) = raw_pair(Limits::default()).await;
            let receive = within(socket.receive());
            let send = async {
                write(&mut peer, &bytes[..split]).await;
                tokio::task::yield_now().await;
                write(&mut peer, &bytes[split..]).await;
            };
            let (received, ()) = tokio::join!(receive, send);
            assert!(received.unwrap() == text(&"x".repeat(length)), "{length} split at {split}");
        }
    }
}

/// A stream that writes each byte alone, and lets the reader have it first.
struct Bytewise {
    stream: TcpStream,
    yielded: bool,
}

impl AsyncRead for Bytewise {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Bytewise {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.yielded = !self.yielded;
        if self.yielded {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_write(cx, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn over_tls(port: u16, pem: &str) -> WsConnectBuilder {
    let tls = TlsSettings::default().ca_pem(pem.as_bytes()).unwrap();
    WsConnect::builder(Endpoint::parse(&format!("wss://localhost:{port}/app/engineData")).unwrap()).tls(tls)
}

#[tokio::test]
async fn tls_handshake_and_all_that_follows_may_come_byte_by_byte() {
    let (acceptor, pem) = tls_engine("localhost");
    let (port, task) = server(move |stream| async move {
        stream.set_nodelay(true).unwrap();
        let stream = acceptor.accept(Bytewise { stream, yielded: false }).await.unwrap();
        let mut engine = accept_async(stream).await.unwrap();
        for text in &texts()[..5] {
            engine.send(text.as_str().into()).await.unwrap();
        }
        while engine.next().await.is_some() {}
    })
    .await;
    let mut socket = within(over_tls(port, &pem).build().unwrap().connect()).await.unwrap();
    hears(&mut socket, &texts()[..5]).await;
    drop(socket);
    within(task).await.unwrap();
}

#[tokio::test]
async fn frames_in_the_tls_record_of_the_101_are_not_lost() {
    let (acceptor, pem) = tls_engine("localhost");
    let (port, task) = server(move |stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut bytes = switched(&read_head(&mut stream).await, "").into_bytes();
        for text in texts() {
            bytes.extend(frame(0x81, text.as_bytes()));
        }
        write(&mut stream, &bytes).await;
        stream
    })
    .await;
    let mut socket = within(over_tls(port, &pem).build().unwrap().connect()).await.unwrap();
    hears(&mut socket, &texts()).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn tls_through_a_proxy_that_answers_byte_by_byte_finds_the_101_and_frames_together() {
    let (acceptor, pem) = tls_engine("localhost");
    let (engine, task) = server(move |stream| async move {
        let mut stream = acceptor.accept(stream).await.unwrap();
        let mut bytes = switched(&read_head(&mut stream).await, "").into_bytes();
        bytes.extend(frame(0x81, b"one"));
        write(&mut stream, &bytes).await;
        stream
    })
    .await;
    let (port, _proxy) = http_proxy(engine, None).await;
    let proxies = Proxies::all(Proxy::parse(&format!("127.0.0.1:{port}")).unwrap());
    let connect = over_tls(4747, &pem).proxies(proxies).build().unwrap();
    let mut socket = within(connect.connect()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("one"));
    within(task).await.unwrap();
}
