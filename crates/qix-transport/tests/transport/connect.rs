//! From URL to socket, and every way it can fail before there is one.

use std::{io, time::Duration};

use futures_util::{SinkExt, StreamExt};
use qix_transport::{
    Auth, CloseCode, Connect, ConnectError, Dialer, Endpoint, Limits, SocketExt, Stage, WsConnect,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
};
use tokio_tungstenite::accept_async;

use crate::support::{builder, frame, header, read_head, server, switched, text, within, write};

/// Connects to a server that answers the upgrade with `answer`, in pieces, and keeps the connection open.
async fn refused_by(pieces: Vec<String>) -> ConnectError {
    let (port, task) = server(move |mut stream| async move {
        read_head(&mut stream).await;
        for piece in pieces {
            write(&mut stream, piece.as_bytes()).await;
            tokio::task::yield_now().await;
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
    })
    .await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    assert_eq!(error.peer(), format!("127.0.0.1:{port}"));
    within(task).await.unwrap();
    error
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<String> {
    let length = body.len();
    vec![format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n"), body.to_owned()]
}

#[tokio::test]
async fn text_goes_out_and_comes_back() {
    let (port, task) = server(|stream| async move {
        let mut socket = accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    within(socket.send_text("grüße")).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("grüße"));
    assert_eq!(within(socket.close(CloseCode::NORMAL, "")).await.code, CloseCode::NORMAL);
    within(task).await.unwrap();
}

#[tokio::test]
async fn request_line_and_headers_arrive_as_other_clients_write_them() {
    let (port, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, "").as_bytes()).await;
        head
    })
    .await;
    let url = format!("ws://localhost:{port}/vp/app/C%3A%5CSales.qvf/identity/a%2Fb?x=%2F");
    let connect = WsConnect::builder(Endpoint::parse(&url).unwrap())
        .auth(Auth::bearer("abc.def"))
        .header("X-Qlik-Session", "mine")
        .build()
        .unwrap();
    within(connect.connect()).await.unwrap();
    let head = within(task).await.unwrap();
    assert!(head.starts_with("GET /vp/app/C%3A%5CSales.qvf/identity/a%2Fb?x=%2F HTTP/1.1\r\n"), "{head}");
    assert_eq!(header(&head, "Host"), Some(&*format!("localhost:{port}")));
    assert_eq!(header(&head, "Authorization"), Some("Bearer abc.def"));
    assert_eq!(header(&head, "X-Qlik-Session"), Some("mine"));
    assert_eq!(header(&head, "Connection"), Some("Upgrade"));
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-extensions"), "{head}");
    assert!(!head.to_ascii_lowercase().contains("sec-websocket-protocol"), "{head}");
}

#[tokio::test]
async fn first_frames_in_the_segment_of_the_101_are_not_lost() {
    let (port, task) = server(|mut stream| async move {
        let head = read_head(&mut stream).await;
        let mut bytes = switched(&head, "").into_bytes();
        bytes.extend(frame(0x81, b"one"));
        bytes.extend(frame(0x81, b"two"));
        bytes.extend(frame(0x88, b"\x10\x6c{\"code\":\"QEP-104\"}"));
        write(&mut stream, &bytes).await;
        stream
    })
    .await;
    let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
    assert_eq!(within(socket.receive()).await.unwrap(), text("one"));
    assert_eq!(within(socket.receive()).await.unwrap(), text("two"));
    let closed = within(socket.receive()).await.unwrap_err();
    assert_eq!((closed.code.get(), &*closed.reason), (4204, r#"{"code":"QEP-104"}"#));
    within(task).await.unwrap();
}

#[tokio::test]
async fn answer_and_first_frames_may_be_split_anywhere() {
    let whole = switched("Sec-Websocket-Key: x\r\n", "").len() + frame(0x81, b"one").len();
    for split in 1..whole {
        let (port, task) = server(move |mut stream| async move {
            stream.set_nodelay(true).unwrap();
            let head = read_head(&mut stream).await;
            let mut bytes = switched(&head, "").into_bytes();
            bytes.extend(frame(0x81, b"one"));
            assert_eq!(bytes.len(), whole);
            write(&mut stream, &bytes[..split]).await;
            tokio::task::yield_now().await;
            write(&mut stream, &bytes[split..]).await;
            stream
        })
        .await;
        let mut socket = within(builder(port).build().unwrap().connect()).await.unwrap();
        assert_eq!(within(socket.receive()).await.unwrap(), text("one"), "split at {split}");
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn status_401_says_that_credentials_were_not_accepted() {
    let error = refused_by(answer("401 Unauthorized", "", "no")).await;
    assert_eq!(error.refusal().unwrap().status.as_u16(), 401);
    assert!(error.to_string().ends_with("with 401 Unauthorized"), "{error}");
    assert!(error.hint().unwrap().contains("token"));
}

#[tokio::test]
async fn status_403_keeps_the_body_code_of_a_stale_csrf_token() {
    let error = refused_by(answer("403 Forbidden", "X-B3-TraceId: 1\r\n", "CSRF-TOKEN-2")).await;
    let refusal = error.refusal().unwrap();
    assert_eq!(&refusal.body[..], b"CSRF-TOKEN-2");
    assert_eq!(refusal.headers["x-b3-traceid"], "1");
    assert!(error.hint().unwrap().contains("CSRF"));
    assert_eq!(error.stage(), Stage::Upgrade);
}

#[tokio::test]
async fn status_302_is_not_followed_and_hides_its_ticket() {
    let error = refused_by(answer("302 Found", "Location: https://h/login?qlikTicket=s3cret\r\n", "")).await;
    assert_eq!(error.refusal().unwrap().headers["location"], "https://h/login?qlikTicket=s3cret");
    assert!(error.hint().unwrap().contains("login"));
    assert!(error.to_string().ends_with("with 302 Found to https://h/login?qlikTicket=***"), "{error}");
    assert_eq!(error.refusal().unwrap().redirect().as_deref(), Some("https://h/login?qlikTicket=***"));
    assert!(!format!("{error:?} {error}").contains("s3cret"));
}

#[tokio::test]
async fn target_of_a_redirect_is_shown_on_one_line_and_cut() {
    let target = format!("Location: /{}\u{85}\r\n", "x".repeat(1000));
    let error = refused_by(answer("307 Temporary Redirect", &target, "")).await;
    assert!(error.to_string().len() < 300, "{error}");
    let error = refused_by(answer("301 X", "Location: /\u{9b}31m\r\n", "")).await;
    assert!(!error.to_string().contains('\u{9b}'), "{error}");
}

#[tokio::test]
async fn status_200_is_a_web_server_but_no_engine() {
    let error = refused_by(answer("200 OK", "", "<html>")).await;
    assert_eq!(error.refusal().unwrap().status.as_u16(), 200);
    assert!(error.hint().unwrap().contains("path"));
}

#[tokio::test]
async fn body_of_a_refusal_is_cut_at_1_kib() {
    let error = refused_by(answer("503 Service Unavailable", "", &"x".repeat(5000))).await;
    assert_eq!(error.refusal().unwrap().body.len(), 1024);
}

#[tokio::test]
async fn garbage_is_not_a_web_socket_server() {
    let error = refused_by(vec!["SSH-2.0-OpenSSH\r\n\r\n".to_owned()]).await;
    assert!(matches!(error, ConnectError::NotWebSocket { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("wss://"));
}

#[tokio::test]
async fn hanging_up_is_not_a_web_socket_server() {
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
    })
    .await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    assert!(matches!(error, ConnectError::NotWebSocket { .. }), "{error:?}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn switch_with_the_wrong_accept_key_is_refused() {
    let answer =
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";
    let error = refused_by(vec![answer.to_owned()]).await;
    let ConnectError::NotWebSocket { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("Sec-WebSocket-Accept"), "{source}");
}

async fn switched_with(line: &'static str) -> ConnectError {
    let (port, task) = server(move |mut stream| async move {
        let head = read_head(&mut stream).await;
        write(&mut stream, switched(&head, line).as_bytes()).await;
    })
    .await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    within(task).await.unwrap();
    error
}

#[tokio::test]
async fn extension_that_was_not_offered_is_refused() {
    let error = switched_with("Sec-WebSocket-Extensions: permessage-deflate\r\n").await;
    assert!(error.to_string().contains(r#""permessage-deflate" by Sec-WebSocket-Extensions"#), "{error}");
    assert!(matches!(error, ConnectError::NotOffered { .. }));
}

#[tokio::test]
async fn subprotocol_that_was_not_offered_is_refused() {
    let error = switched_with("Sec-WebSocket-Protocol: qix\r\n").await;
    assert!(matches!(error, ConnectError::NotOffered { header: "Sec-WebSocket-Protocol", .. }), "{error:?}");
}

/// Returns a port that nothing listens on.
async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn dead_port_is_a_tcp_error() {
    let port = dead_port().await;
    let error = within(builder(port).build().unwrap().connect()).await.unwrap_err();
    let ConnectError::Tcp { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.hint().unwrap().contains("nothing listens"));
    assert_eq!(error.to_string(), format!("cannot open a connection to 127.0.0.1:{port}"));
}

#[tokio::test]
async fn name_without_address_is_a_resolve_error() {
    // A label of 64 characters cannot be a DNS name, so that no name server is asked.
    let url = format!("ws://{}.invalid/", "x".repeat(64));
    let connect = WsConnect::builder(Endpoint::parse(&url).unwrap()).build().unwrap();
    let error = within(connect.connect()).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Resolve, "{error:?}");
    assert!(error.hint().is_some());
}

#[tokio::test]
async fn server_that_never_answers_the_upgrade_runs_into_the_connect_deadline() {
    let (asked, was_asked) = oneshot::channel();
    let (port, task) = server(|mut stream| async move {
        read_head(&mut stream).await;
        asked.send(()).unwrap();
        // Ends when the client gives up, which shows that nothing stays open.
        assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
    let limits = Limits::default().connect_timeout(Duration::from_secs(9));
    let connect = builder(port).limits(limits).build().unwrap();
    let attempt = tokio::spawn(async move { connect.connect().await.map(drop) });
    within(was_asked).await.unwrap();
    tokio::time::pause();
    let error = within(attempt).await.unwrap().unwrap_err();
    tokio::time::resume();
    assert!(matches!(error, ConnectError::Timeout { stage: Stage::Upgrade, .. }), "{error:?}");
    assert!(error.to_string().ends_with("longer than 9s, in the WebSocket upgrade"), "{error}");
    within(task).await.unwrap();
}

#[tokio::test]
async fn dialer_makes_a_stream_for_raw_bytes() {
    let (port, task) = server(|mut stream| async move {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
    })
    .await;
    let endpoint = Endpoint::parse(&format!("ws://127.0.0.1:{port}")).unwrap();
    let mut stream = within(Dialer::plain(&Limits::default()).dial(&endpoint)).await.unwrap();
    assert!(!stream.is_tls());
    assert_eq!(stream.peer_addr().unwrap().port(), port);
    let parts = [io::IoSlice::new(b"pi"), io::IoSlice::new(b"ng")];
    assert_eq!(within(stream.write_vectored(&parts)).await.unwrap(), 4);
    let mut bytes = [0; 4];
    within(stream.read_exact(&mut bytes)).await.unwrap();
    assert_eq!(&bytes, b"ping");
    within(task).await.unwrap();
}

#[tokio::test]
async fn endless_connect_timeout_does_not_overflow_the_clock() {
    let limits = Limits::default().connect_timeout(Duration::MAX).close_timeout(Duration::MAX);
    let connect = builder(dead_port().await).limits(limits).build().unwrap();
    let error = within(connect.connect()).await.unwrap_err();
    assert_eq!(error.stage(), Stage::Tcp);
}
