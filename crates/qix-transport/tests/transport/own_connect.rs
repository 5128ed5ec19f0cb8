//! The example of a connector of one's own, against real servers.

use futures_util::{SinkExt, StreamExt};
use qix_transport::{CloseCode, Connect, ConnectError, Endpoint, Limits, Socket, SocketExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    sync::mpsc,
};
use tokio_tungstenite::accept_async;

use crate::support::{frame, read_head, switched, text, within, write};

#[expect(dead_code, reason = "its main is for people")]
#[path = "../../examples/unix_socket.rs"]
mod example;

use example::ConnectOver;

fn over<F>(dial: F) -> ConnectOver<F> {
    let endpoint = Endpoint::parse("ws://localhost/app/engineData?x=1").unwrap();
    ConnectOver { endpoint, limits: Limits::default(), dial }
}

/// Says what it hears until the client says goodbye.
async fn echo(stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut engine = accept_async(stream).await.unwrap();
    while let Some(Ok(message)) = engine.next().await {
        if message.is_text() {
            engine.send(message).await.unwrap();
        }
    }
}

/// Uses a connector as a session does, which knows nothing of what it is.
async fn check_echo(connect: &impl Connect) {
    let mut socket: Box<dyn Socket> = Box::new(within(connect.connect()).await.unwrap());
    within(socket.send_text("grüße")).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("grüße"));
    let closed = within(socket.close(CloseCode::NORMAL, "")).await;
    assert!(closed.error.is_none(), "{closed:?}");
}

#[cfg(unix)]
#[tokio::test]
async fn unix_socket_carries_a_web_socket_and_can_be_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let task = tokio::spawn(async move {
        for _ in 0..2 {
            echo(listener.accept().await.unwrap().0).await;
        }
    });
    let connect = over(|| tokio::net::UnixStream::connect(&path));
    check_echo(&connect).await;
    check_echo(&connect).await;
    within(task).await.unwrap();
    let error = within(over(|| tokio::net::UnixStream::connect("/nowhere")).connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Tcp { .. }), "{error:?}");
}

/// A connector over in-memory streams, whose other ends come out of the queue.
fn in_memory() -> (impl Connect, mpsc::UnboundedReceiver<DuplexStream>) {
    let (streams, arriving) = mpsc::unbounded_channel();
    let dial = move || {
        let (ours, theirs) = duplex(4096);
        streams.send(theirs).unwrap();
        std::future::ready(Ok(ours))
    };
    (over(dial), arriving)
}

#[tokio::test]
async fn any_byte_stream_carries_a_web_socket() {
    let (connect, mut arriving) = in_memory();
    let task = tokio::spawn(async move { echo(arriving.recv().await.unwrap()).await });
    check_echo(&connect).await;
    within(task).await.unwrap();
}

#[tokio::test]
async fn frames_behind_the_answer_are_not_lost_over_a_stream_of_ones_own() {
    let (connect, mut arriving) = in_memory();
    let task = tokio::spawn(async move {
        let mut stream = arriving.recv().await.unwrap();
        let head = read_head(&mut stream).await;
        assert!(head.starts_with("GET /app/engineData?x=1 HTTP/1.1\r\n"), "{head}");
        // The helper of the server reads the names as the product's own connector writes them.
        let head = head.replace("sec-websocket-key", "Sec-Websocket-Key");
        let mut bytes = switched(&head, "").into_bytes();
        bytes.extend(frame(0x81, b"one"));
        write(&mut stream, &bytes).await;
        stream
    });
    let mut socket = within(connect.connect()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("one"));
    within(task).await.unwrap();
}

#[tokio::test]
async fn refusal_and_silence_end_a_connector_of_ones_own() {
    let (connect, mut arriving) = in_memory();
    let task = tokio::spawn(async move {
        let mut stream = arriving.recv().await.unwrap();
        read_head(&mut stream).await;
        write(&mut stream, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await;
        arriving
    });
    let error = within(connect.connect()).await.err().unwrap();
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("403"), "{error:?}");
    let _arriving = within(task).await.unwrap();
    tokio::time::pause();
    let error = within(connect.connect()).await.err().unwrap();
    assert!(matches!(error, ConnectError::Timeout { .. }), "{error:?}");
}
