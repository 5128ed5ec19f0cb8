//! Servers that accept the upgrade and then turn the client away: what a socket shows, and what is made of it.

use bytes::Bytes;
use qix_protocol::{Connection, ConnectionConfig, Event, ProtocolError};
use qix_transport::{Advice, CloseCode, Closed, ClosedBy, Connect, Message, SocketExt, WsSocket};
use serde_json::json;
use tokio::{io::AsyncReadExt, task::JoinHandle};

use crate::support::{builder, frame, read_head, server, switched, within, write};

/// Connects to a server that sends the 101 and `frames` together, and then waits for the client to go.
async fn connect(frames: Vec<Vec<u8>>) -> (WsSocket, JoinHandle<()>) {
    let (port, task) = server(move |mut stream| async move {
        let mut bytes = switched(&read_head(&mut stream).await, "").into_bytes();
        bytes.extend(frames.concat());
        write(&mut stream, &bytes).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    (within(builder(port).build().unwrap().connect()).await.unwrap(), task)
}

fn notification(method: &str, params: &serde_json::Value) -> Vec<u8> {
    frame(0x81, json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string().as_bytes())
}

fn goodbye(code: u16, reason: &str) -> Vec<u8> {
    frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat())
}

async fn received(socket: &mut WsSocket) -> Bytes {
    match within(socket.receive()).await.unwrap() {
        Message::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

/// Returns whether the next message is news after which the socket is of no more use.
async fn is_fatal(socket: &mut WsSocket, connection: &mut Connection<()>) -> bool {
    connection.handle_text(received(socket).await).unwrap();
    let Some(Event::Notification(notification)) = connection.poll_event() else { panic!("no notification") };
    notification.is_fatal()
}

fn protocol() -> Connection<()> {
    Connection::new(ConnectionConfig::default())
}

#[tokio::test]
async fn user_who_must_log_in_is_told_where_over_a_socket_that_stays_open() {
    let params = json!({"loginUri": "https://h/form/?targetId=1", "mustAuthenticate": true});
    let (mut socket, task) = connect(vec![notification("OnAuthenticationInformation", &params)]).await;
    let mut connection = protocol();
    assert!(is_fatal(&mut socket, &mut connection).await);
    let information = connection.authentication().unwrap();
    assert!(information.must_authenticate);
    assert_eq!(information.login_uri.as_deref(), Some("https://h/form/?targetId=1"));
    // The server leaves it to the client to close.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(socket.poll_idle(&mut context).is_pending());
    drop(socket);
    within(task).await.unwrap();
}

#[tokio::test]
async fn session_error_in_the_greeting_is_heard_before_the_close_that_follows() {
    for state in ["SESSION_ERROR_NO_LICENSE", "SESSION_ERROR_LICENSE_RENEW", "SESSION_ERROR_SOMETHING_NEW"] {
        let greeting = notification("OnConnected", &json!({"qSessionState": state}));
        let (mut socket, task) = connect(vec![greeting, goodbye(1000, "")]).await;
        let mut connection = protocol();
        assert!(is_fatal(&mut socket, &mut connection).await, "{state}");
        assert_eq!(connection.session_state().unwrap().as_str(), state);
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!(
            (closed.code, closed.by, closed.is_retryable()),
            (CloseCode::NORMAL, ClosedBy::Peer, false)
        );
        drop(socket);
        within(task).await.unwrap();
    }
}

#[tokio::test]
async fn fatal_news_of_the_proxy_is_heard_before_the_close_that_follows() {
    for method in
        ["OnLicenseAccessDenied", "OnNoEngineAvailable", "OnMaxParallelSessionsExceeded", "OnSomethingNew"]
    {
        let params = json!({"severity": "fatal", "message": "no", "timestamp": "2026-01-15T08:00:00Z"});
        let (mut socket, task) = connect(vec![notification(method, &params), goodbye(1001, "")]).await;
        assert!(is_fatal(&mut socket, &mut protocol()).await, "{method}");
        let closed = within(socket.receive()).await.unwrap_err();
        assert_eq!((closed.code, closed.by), (CloseCode::GOING_AWAY, ClosedBy::Peer));
        drop(socket);
        within(task).await.unwrap();
    }
}

/// Connects to a gateway that closes at once.
async fn closed_at_once(code: u16, reason: &'static str) -> Closed {
    let (mut socket, task) = connect(vec![goodbye(code, reason)]).await;
    let closed = within(socket.receive()).await.unwrap_err();
    drop(socket);
    within(task).await.unwrap();
    assert_eq!((closed.code.get(), closed.by, &*closed.reason), (code, ClosedBy::Peer, reason));
    assert!(closed.error.is_none());
    closed
}

#[tokio::test]
async fn close_of_a_gateway_at_once_says_what_it_means_and_whether_to_come_back() {
    for (code, name, meaning, advice) in [
        (4202, "BAD_REQUEST", "bad request", Advice::Final),
        (4203, "NO_PERMISSION", "no permission", Advice::Final),
        (4204, "APP_NOT_FOUND", "app not found", Advice::Final),
        (4005, "SESSION_LIMIT", "session limit reached", Advice::Final),
        (4006, "AUTHENTICATION_FAILED", "authentication failed or expired", Advice::Final),
        (4002, "LICENSE_RENEWAL", "the licence must be renewed", Advice::ReconnectLater),
        (4205, "TOO_MANY_REQUESTS", "too many requests", Advice::ReconnectLater),
        (4240, "NO_ENGINE", "no engine available", Advice::ReconnectLater),
        (4003, "ENGINE_TERMINATING", "the engine terminates", Advice::Reconnect),
        (4222, "NO_RESERVATION", "the session reservation is missing", Advice::Reconnect),
    ] {
        let closed = closed_at_once(code, r#"{"code":"QEP-104","traceId":"0123abcd"}"#).await;
        assert_eq!((closed.name(), closed.meaning()), (Some(name), meaning));
        assert_eq!((closed.advice(), closed.is_retryable()), (advice, advice != Advice::Final), "{closed}");
        let reason = closed.parsed_reason();
        assert_eq!((reason.code.as_deref(), reason.trace_id.as_deref()), (Some("QEP-104"), Some("0123abcd")));
        assert!(closed.to_string().ends_with(": QEP-104, trace id 0123abcd"), "{closed}");
    }
}

#[tokio::test]
async fn close_of_a_gateway_with_a_reason_that_is_no_json_is_shown_as_it_came() {
    for reason in ["no such app", "{\"code\":", "[1]", ""] {
        let closed = closed_at_once(4204, reason).await;
        let parsed = closed.parsed_reason();
        assert_eq!((parsed.code, parsed.trace_id, &*parsed.text), (None, None, reason));
        assert!(!closed.is_retryable());
    }
}

#[tokio::test]
async fn page_and_other_text_that_is_no_json_is_handed_up_and_is_a_protocol_error_there() {
    for page in ["<!DOCTYPE html>\n<html><body>Sign in</body></html>", "Bad Gateway", "", "\u{feff}{}"] {
        let (mut socket, task) = connect(vec![frame(0x81, page.as_bytes())]).await;
        let text = received(&mut socket).await;
        assert_eq!(text, page.as_bytes());
        let error = protocol().handle_text(text).unwrap_err();
        assert!(matches!(error, ProtocolError::MalformedFrame { offset: 0 }), "{error:?}");
        assert_eq!(error.to_string(), "malformed frame near byte 0");
        drop(socket);
        within(task).await.unwrap();
    }
}
