//! Automatic resumes: when, how often, and when to give up.

use std::time::Duration;

use qix_protocol::CloseCode;
use serde_json::json;

use qix_transport::SocketExt;

use super::{
    Engine, bounded,
    resume::{Sockets, app, reference},
};
use crate::{ErrorKind, ResumePolicy, SessionConfig, State, States, SuspendedBy};

fn with(policy: ResumePolicy) -> SessionConfig {
    SessionConfig::default().resume(policy.jitter(0.0))
}

async fn until(states: &mut States, wanted: impl Fn(&State) -> bool) -> State {
    loop {
        let state = bounded(states.next()).await.expect("the session has not ended");
        if wanted(&state) {
            return state;
        }
    }
}

async fn close(mut engine: Engine, code: u16, reason: &str) {
    match code {
        1006 => drop(engine),
        code => drop(bounded(engine.0.close(CloseCode::new(code), reason)).await),
    }
}

#[tokio::test(start_paused = true)]
async fn close_codes_lead_to_what_is_known_of_them() {
    for (code, resumes_after) in
        [(1000, None), (4006, None), (4204, None), (4003, Some(0)), (1006, Some(2)), (4240, Some(2))]
    {
        let (session, mut sockets, mut engine) = Sockets::start(with(ResumePolicy::automatic())).await;
        let _doc = app(&session, &mut engine).await;
        let mut states = session.states();
        let start = tokio::time::Instant::now();
        close(engine, code, r#"{"code":"QEP-104","traceId":"1"}"#).await;
        let Some(seconds) = resumes_after else {
            let State::Closed(error) = until(&mut states, State::is_closed).await else { unreachable!() };
            assert_eq!(error.closing().unwrap().code.get(), code);
            continue;
        };
        let mut engine = sockets.next("SESSION_ATTACHED").await;
        assert_eq!(start.elapsed().as_secs(), seconds, "{code}");
        engine.answers(reference("Doc", 1, "Sales")).await;
        until(&mut states, State::is_open).await;
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_fail_are_followed_by_others_and_in_the_end_by_the_end() {
    let policy = ResumePolicy::automatic().max_attempts(3);
    let (session, mut sockets, engine) = Sockets::start(with(policy)).await;
    let mut states = session.states();
    close(engine, 4003, "").await;
    let start = tokio::time::Instant::now();
    let mut pauses = Vec::new();
    for _ in 0..3 {
        let engine = sockets.next("").await;
        pauses.push(start.elapsed().as_secs());
        close(engine, 1006, "").await;
    }
    assert_eq!(pauses, [0, 2, 5]);
    let State::Closed(error) = until(&mut states, State::is_closed).await else { unreachable!() };
    assert_eq!((error.kind(), error.closing().unwrap().code.get()), (ErrorKind::Closed, 1006));
}

#[tokio::test(start_paused = true)]
async fn final_end_of_a_new_socket_stops_the_attempts() {
    let (session, mut sockets, engine) = Sockets::start(with(ResumePolicy::automatic())).await;
    close(engine, 4003, "").await;
    let mut engine = sockets.next("SESSION_ERROR_NO_LICENSE").await;
    engine.hears().await;
    close(engine, 1000, "").await;
    let error = bounded(session.closed()).await;
    assert_eq!(error.notice().unwrap().to_string(), "OnConnected SESSION_ERROR_NO_LICENSE");
}

#[tokio::test(start_paused = true)]
async fn session_lost_in_an_attempt_that_failed_stays_lost() {
    // The second attempt attaches to what the first has created.
    let (session, mut sockets, mut engine) = Sockets::start(with(ResumePolicy::automatic())).await;
    let _doc = app(&session, &mut engine).await;
    close(engine, 4003, "").await;
    let mut engine = sockets.next("SESSION_CREATED").await;
    let request = engine.hears().await;
    engine.says(json!({"id": request["id"], "error": {"code": 1017}})).await;
    assert_eq!(engine.hears().await["method"], "OpenDoc");
    close(engine, 1006, "").await;
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 1, "Sales")).await;
    let state = until(&mut session.states(), State::is_open).await;
    let State::Open { report: Some(report), .. } = state else { panic!("no report") };
    assert!(!report.attached && report.attempts == 2);
}

#[tokio::test(start_paused = true)]
async fn suspended_on_close_waits_for_the_hand() {
    let (session, mut sockets, mut engine) = Sockets::start(with(ResumePolicy::by_hand())).await;
    let doc = app(&session, &mut engine).await;
    close(engine, 1006, "").await;
    let suspended =
        |state: &State| matches!(state, State::Suspended { by: SuspendedBy::Peer, cause: Some(_), .. });
    until(&mut session.states(), suspended).await;
    let error = bounded(doc.get_app_layout()).await.unwrap_err();
    assert_eq!((error.kind(), error.closing().unwrap().code.get()), (ErrorKind::Suspended, 1006));
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 1, "Sales")).await;
    assert!(bounded(resuming).await.unwrap().unwrap().attached);
}

#[tokio::test(start_paused = true)]
async fn hand_hastens_stops_and_ends_an_automatic_resume() {
    let policy = || ResumePolicy::automatic().pauses(Duration::from_secs(3600), Duration::from_secs(3600));
    // Hastens.
    let (session, mut sockets, engine) = Sockets::start(with(policy())).await;
    close(engine, 1006, "").await;
    until(&mut session.states(), |state| matches!(state, State::Resuming { .. })).await;
    let start = tokio::time::Instant::now();
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(json!({"qVersion": {}})).await;
    bounded(resuming).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(10));
    // Stops.
    close(engine, 1006, "").await;
    until(&mut session.states(), |state| matches!(state, State::Resuming { .. })).await;
    bounded(session.suspend()).await.unwrap();
    assert!(matches!(session.state(), State::Suspended { by: SuspendedBy::Hand, .. }));
    // Ends.
    let (session, _sockets, engine) = Sockets::start(with(policy())).await;
    close(engine, 1006, "").await;
    until(&mut session.states(), |state| matches!(state, State::Resuming { .. })).await;
    bounded(session.close()).await;
    assert!(matches!(until(&mut session.states(), State::is_closed).await, State::Closed(_)));
}

#[tokio::test(start_paused = true)]
async fn only_if_attached_gives_up_on_a_new_session() {
    let policy = ResumePolicy::automatic().only_if_attached(true);
    let (session, mut sockets, engine) = Sockets::start(with(policy)).await;
    close(engine, 4003, "").await;
    let mut engine = sockets.next("SESSION_CREATED").await;
    engine.answers(json!({"qVersion": {}})).await;
    let (_, error) = bounded(async { tokio::join!(engine.0.receive(), session.closed()) }).await;
    assert_eq!(error.kind(), ErrorKind::Closed);
}
