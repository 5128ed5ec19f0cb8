//! Sessions with servers that accept the upgrade and then turn the client away.

use futures_util::{FutureExt, SinkExt, StreamExt};
use qix_client::{
    Error, ErrorKind, Session,
    transport::{Advice, CloseCode, ClosedBy},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::{
    accept_async,
    tungstenite::{Message, protocol::CloseFrame},
};

use crate::support::*;

/// A server that says `messages` and then listens until the client is gone.
async fn saying(messages: Vec<Message>) -> (Session, JoinHandle<()>) {
    let listener = TcpListener::bind(ANY_PORT).await.unwrap();
    let url = format!("ws://{}/app/engineData", listener.local_addr().unwrap());
    let task = tokio::spawn(async move {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        for message in messages {
            // A client that has heard enough may be gone.
            let _ = socket.send(message).await;
        }
        while let Some(Ok(_)) = socket.next().await {}
    });
    (session(&url).await, task)
}

fn notification(method: &str, params: &Value) -> Message {
    Message::text(json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string())
}

fn goodbye(code: u16, reason: &str) -> Message {
    Message::Close(Some(CloseFrame { code: code.into(), reason: reason.into() }))
}

/// The end of a session that nobody here has ended, and that of a call made meanwhile or later.
async fn ends(session: &Session) -> [Error; 2] {
    let call = bounded(session.global().engine_version()).await.unwrap_err();
    [bounded(session.closed()).await, call]
}

#[tokio::test]
async fn user_who_must_log_in_is_not_greeted_and_may_leave() {
    let params = json!({"loginUri": "https://h/form/?targetId=1", "mustAuthenticate": true});
    let (session, task) = saying(vec![notification("OnAuthenticationInformation", &params)]).await;
    let waiting = {
        let session = session.clone();
        tokio::spawn(async move { session.global().engine_version().await })
    };
    assert!(session.connected().now_or_never().is_none());
    bounded(session.close()).await;
    // Calls that the proxy never answers end with the session.
    assert_eq!(bounded(waiting).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bounded(session.connected()).await.unwrap_err().kind(), ErrorKind::Closed);
    bounded(task).await.unwrap();
}

#[tokio::test]
async fn session_error_is_the_greeting_and_the_end_follows_it() {
    for state in ["SESSION_ERROR_NO_LICENSE", "SESSION_ERROR_SOMETHING_NEW"] {
        let greeting = notification("OnConnected", &json!({"qSessionState": state}));
        let (session, task) = saying(vec![greeting, goodbye(1000, "")]).await;
        assert_eq!(bounded(session.connected()).await.unwrap(), state);
        for error in ends(&session).await {
            assert_eq!(error.kind(), ErrorKind::Closed);
            assert_eq!(error.closing().unwrap().code, CloseCode::NORMAL);
        }
        bounded(task).await.unwrap();
    }
}

#[tokio::test]
async fn fatal_news_of_the_proxy_is_followed_by_an_end_that_fails_every_call() {
    let params =
        json!({"severity": "fatal", "message": "no access pass", "timestamp": "2026-01-15T08:00:00Z"});
    for method in ["OnLicenseAccessDenied", "OnNoEngineAvailable", "OnSomethingNew"] {
        let (session, task) = saying(vec![notification(method, &params), goodbye(1001, "")]).await;
        for error in ends(&session).await {
            assert_eq!(error.kind(), ErrorKind::Closed, "{method}");
            let closed = error.closing().unwrap();
            assert_eq!((closed.code, closed.by), (CloseCode::GOING_AWAY, ClosedBy::Peer));
        }
        assert_eq!(bounded(session.connected()).await.unwrap_err().kind(), ErrorKind::Closed);
        bounded(task).await.unwrap();
    }
}

#[tokio::test]
async fn close_of_a_gateway_at_once_is_the_cause_with_its_code_trace_id_and_advice() {
    for (code, name, advice) in [
        (4204, "APP_NOT_FOUND", Advice::Final),
        (4006, "AUTHENTICATION_FAILED", Advice::Final),
        (4240, "NO_ENGINE", Advice::ReconnectLater),
        (4003, "ENGINE_TERMINATING", Advice::Reconnect),
    ] {
        let reason = r#"{"code":"QEP-104","traceId":"0123abcd"}"#;
        let (session, task) = saying(vec![goodbye(code, reason)]).await;
        for error in ends(&session).await {
            assert_eq!(error.kind(), ErrorKind::Closed);
            let closed = error.closing().unwrap();
            assert_eq!((closed.name(), closed.by), (Some(name), ClosedBy::Peer));
            assert_eq!((closed.advice(), closed.is_retryable()), (advice, advice != Advice::Final));
            assert_eq!(closed.parsed_reason().trace_id.as_deref(), Some("0123abcd"));
            assert!(closed.to_string().ends_with(": QEP-104, trace id 0123abcd"), "{closed}");
        }
        bounded(task).await.unwrap();
    }
}

#[tokio::test]
async fn page_in_the_place_of_the_greeting_is_a_protocol_error_and_the_peer_hears_1002() {
    for page in ["<!DOCTYPE html>\n<html><body>Sign in</body></html>", "Bad Gateway", ""] {
        let listener = TcpListener::bind(ANY_PORT).await.unwrap();
        let url = format!("ws://{}/app/engineData", listener.local_addr().unwrap());
        let task = tokio::spawn(async move {
            let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
            socket.send(Message::text(page)).await.unwrap();
            loop {
                if let Message::Close(frame) = socket.next().await.unwrap().unwrap() {
                    return u16::from(frame.unwrap().code);
                }
            }
        });
        let session = session(&url).await;
        for error in ends(&session).await {
            assert_eq!(error.kind(), ErrorKind::Protocol, "{page:?}: {error:?}");
            assert!(!format!("{error} {error:?}").contains("Sign in"), "a page may hold anything");
        }
        assert_eq!(bounded(task).await.unwrap(), 1002);
    }
}
