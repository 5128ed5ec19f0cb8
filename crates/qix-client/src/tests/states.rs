//! States, taps, the builder, and ends that were announced.

use std::sync::{Arc, Mutex};

use qix_protocol::{CloseCode, Handle, SessionState};
use qix_transport::{Closed, ClosedBy, MemoryConnect};
use serde_json::{Value, json};

use qix_transport::SocketExt;

use super::{Engine, bounded};
use crate::{Direction, ErrorKind, Session, SessionConfig, State, Traffic};

fn greeting(state: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": "OnConnected", "params": {"qSessionState": state}})
}

#[tokio::test(start_paused = true)]
async fn states_start_with_the_present_one_and_end_with_the_last() {
    let (session, mut engine) = Engine::start();
    let mut states = session.states();
    assert!(matches!(bounded(states.next()).await, Some(State::Open { greeting: None, .. })));
    engine.says(greeting("SESSION_CREATED")).await;
    let state = bounded(states.next()).await.unwrap();
    assert_eq!(state.greeting(), Some(&SessionState::Created));
    bounded(session.close()).await;
    let last = bounded(states.next()).await.unwrap();
    assert!(matches!(last, State::Closed(_)) && session.state().is_closed());
    assert!(bounded(states.next()).await.is_none());
    assert!(matches!(bounded(session.states().next()).await, Some(State::Closed(_))), "a late watcher");
}

#[tokio::test(start_paused = true)]
async fn close_with_1000_or_4000_by_the_engine_is_an_event_like_all_others() {
    for code in [1000, 4000, 1006, 4003, 4006, 4204] {
        let (session, mut engine) = Engine::start();
        let mut states = session.states();
        bounded(states.next()).await;
        let reason = if code == 4204 { r#"{"code":"QEP-104","traceId":"1"}"# } else { "not JSON" };
        match code {
            1006 => drop(engine),
            code => drop(bounded(engine.0.close(CloseCode::new(code), reason)).await),
        }
        let Some(State::Closed(error)) = bounded(states.next()).await else { panic!("{code}") };
        assert_eq!((error.kind(), error.closing().unwrap().code.get()), (ErrorKind::Closed, code));
    }
}

#[tokio::test(start_paused = true)]
async fn announced_end_says_why() {
    for (notice, method, words) in [
        (greeting("SESSION_ERROR_NO_LICENSE"), "OnConnected", "OnConnected SESSION_ERROR_NO_LICENSE"),
        (
            json!({"method": "OnSessionTimedOut", "params": {"severity": "fatal", "message": "idle\u{1b} too long"}}),
            "OnSessionTimedOut",
            "OnSessionTimedOut: idle too long",
        ),
        (
            json!({"method": "OnAuthenticationInformation", "params": {"loginUri": "https://h/", "mustAuthenticate": true}}),
            "OnAuthenticationInformation",
            "OnAuthenticationInformation: the user must log in",
        ),
    ] {
        let (session, mut engine) = Engine::start();
        engine.says(notice).await;
        drop(engine);
        let error = bounded(session.closed()).await;
        let notice = error.notice().expect("the end was announced");
        assert_eq!((&*notice.method, notice.to_string()), (method, words.to_owned()));
        assert_eq!(error.closing().unwrap().by, ClosedBy::Connection);
        let cause = std::error::Error::source(notice).unwrap();
        assert!(cause.downcast_ref::<Closed>().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn taps_see_every_text_both_ways() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tap = |name: &'static str| {
        let seen = seen.clone();
        move |traffic: &Traffic<'_>| {
            let text = String::from_utf8(traffic.text.to_vec()).unwrap();
            seen.lock().unwrap().push((name, traffic.direction, text));
        }
    };
    let config = SessionConfig::default().tap(tap("one")).tap(tap("two"));
    let (session, mut engine) = Engine::start_with(config);
    let global = session.global();
    let (_, request) = tokio::join!(global.engine_version(), engine.answers(json!({"qVersion": {}})));
    let seen = seen.lock().unwrap();
    let order: Vec<_> = seen.iter().map(|(name, direction, _)| (*name, *direction)).collect();
    use Direction::{Received, Sent};
    assert_eq!(order, [("one", Sent), ("two", Sent), ("one", Received), ("two", Received)]);
    assert_eq!(serde_json::from_str::<Value>(&seen[0].2).unwrap(), request);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_while_a_session_connects() {
    let (connect, mut acceptor) = MemoryConnect::new();
    let session = Session::start(connect, SessionConfig::default());
    assert!(matches!(session.state(), State::Connecting));
    let call = tokio::spawn(session.call::<Value>(Handle::GLOBAL, "EngineVersion", &[(); 0]).into_future());
    let mut engine = Engine(bounded(acceptor.accept()).await.unwrap());
    engine.answers(json!({})).await;
    bounded(call).await.unwrap().unwrap();
    assert!(session.state().is_open());
}

#[tokio::test(start_paused = true)]
async fn first_connection_that_fails_ends_the_session_with_its_cause() {
    let (connect, acceptor) = MemoryConnect::new();
    drop(acceptor);
    let session = Session::start(connect.clone(), SessionConfig::default());
    let call = session.call::<Value>(Handle::GLOBAL, "EngineVersion", &[(); 0]);
    assert_eq!(bounded(call).await.unwrap_err().kind(), ErrorKind::Connect);
    assert!(matches!(session.state(), State::Closed(error) if error.kind() == ErrorKind::Connect));
    let refused = bounded(Session::connect_with(&connect, SessionConfig::default())).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Connect);
}

#[tokio::test(start_paused = true)]
async fn wrong_settings_are_one_clear_error_before_anything_is_tried() {
    let error = Session::builder("http:/nowhere").connect().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Settings, "the settings cannot be used".to_owned())
    );
    assert!(std::error::Error::source(&error).is_some());
    let error = Session::builder("ws://h/").header("Upgrade", "x").start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Settings);
}
