//! Calls in flight when the socket dies.

use std::time::Duration;

use qix_protocol::{CloseCode, Handle};
use serde_json::{Value, json};

use qix_transport::SocketExt;

use super::{
    Engine, bounded,
    resume::{Sockets, app, null, object, reference, serve},
};
use crate::{Error, ErrorKind, ResumePolicy, Session, SessionConfig, State};

fn automatic() -> SessionConfig {
    SessionConfig::default().resume(ResumePolicy::automatic())
}

/// Makes a call and lets the engine hear it.
async fn heard(
    session: &Session,
    engine: &mut Engine,
    to: Handle,
    method: &'static str,
) -> tokio::task::JoinHandle<Result<Value, Error>> {
    let call = tokio::spawn(session.call::<Value>(to, method, &[(); 0]).into_future());
    assert_eq!(engine.hears().await["method"], method);
    call
}

#[tokio::test(start_paused = true)]
async fn reads_are_repeated_with_the_same_id_and_writes_end_as_unknown() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    let object = object(&doc, &mut engine, 2, "x").await;
    let layout = tokio::spawn(object.get_layout().call_into::<Value>().into_future());
    let read = engine.hears().await;
    let mut unknown = Vec::new();
    for method in ["DoReload", "SetScript", "SelectAll", "Frobnicate", "GetProgress"] {
        unknown.push(heard(&session, &mut engine, doc.handle(), method).await);
    }
    bounded(engine.0.close(CloseCode::new(4003), "")).await;
    for call in unknown {
        let error = bounded(call).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
        assert_eq!(error.closing().unwrap().code.get(), 4003);
    }
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 5, "Sales")).await;
    engine.answers(reference("GenericObject", 6, "x")).await;
    let again = engine.answers(json!({"qLayout": {"n": 1}})).await;
    assert_eq!((&again["id"], &again["method"], &again["handle"]), (&read["id"], &read["method"], &json!(6)));
    assert_eq!(bounded(layout).await.unwrap().unwrap(), json!({"n": 1}));
    let State::Open { report: Some(report), .. } = session.state() else { panic!("not open") };
    assert_eq!((report.repeated.len(), report.unknown.len()), (1, 5));
    // Nothing else was sent.
    let (_, next) = tokio::join!(session.global().engine_version().into_future(), engine.answers(json!({})));
    assert_eq!(next["method"], "EngineVersion");
}

#[tokio::test(start_paused = true)]
async fn call_that_never_reached_the_socket_is_sent_as_new() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    // The socket takes 64 messages, and as many wait in its buffer; the others are still with the session.
    let calls: Vec<_> = (0..300)
        .map(|number| tokio::spawn(doc.call::<Value>("SetScript", &[number]).into_future()))
        .collect();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    drop(engine);
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    let mut log = Vec::new();
    let mut outcomes = Vec::new();
    let all = async {
        for call in calls {
            outcomes.push(bounded(call).await.unwrap().map_err(|error| error.kind()));
        }
    };
    tokio::select! {
        () = all => {}
        () = serve(&mut engine, &mut log, |_, _| reference("Doc", 1, "Sales")) => unreachable!(),
    }
    let sent: Vec<_> = log.iter().filter(|request| request["method"] == "SetScript").collect();
    let unknown = outcomes.iter().filter(|outcome| **outcome == Err(ErrorKind::OutcomeUnknown)).count();
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!((unknown + done, done), (300, sent.len()));
    assert!(unknown >= 64 && done > 0, "{unknown} {done}");
}

#[tokio::test(start_paused = true)]
async fn new_calls_wait_while_a_session_resumes_and_their_timeouts_count() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    drop(engine);
    let mut states = session.states();
    while !matches!(bounded(states.next()).await, Some(State::Resuming { .. })) {}
    let short = tokio::spawn(doc.get_app_layout().timeout(Duration::from_millis(500)).into_future());
    let long = tokio::spawn(doc.get_app_layout().call_into::<Value>().into_future());
    let dropped = tokio::spawn(doc.call::<Value>("DoReload", &[(); 0]).into_future());
    tokio::task::yield_now().await;
    dropped.abort();
    assert_eq!(bounded(short).await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 3, "Sales")).await;
    let request = engine.answers(json!({"qLayout": {"n": 1}})).await;
    assert_eq!((&request["method"], &request["handle"]), (&json!("GetAppLayout"), &json!(3)));
    assert_eq!(bounded(long).await.unwrap().unwrap(), json!({"n": 1}));
}

#[tokio::test(start_paused = true)]
async fn call_that_is_given_up_meanwhile_is_not_repeated_nor_cancelled_on_the_new_socket() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    let layout = tokio::spawn(doc.get_app_layout().into_future());
    engine.hears().await;
    let cancelled = tokio::spawn(doc.get_app_properties().into_future());
    engine.hears().await;
    cancelled.abort();
    assert_eq!(engine.hears().await["method"], "CancelRequest");
    drop(engine);
    let mut states = session.states();
    while !matches!(bounded(states.next()).await, Some(State::Resuming { .. })) {}
    layout.abort();
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 1, "Sales")).await;
    let (_, next) = tokio::join!(session.global().engine_version().into_future(), engine.answers(json!({})));
    assert_eq!(next["method"], "EngineVersion");
}

#[tokio::test(start_paused = true)]
async fn read_of_an_object_that_is_lost_fails() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    let object = object(&doc, &mut engine, 2, "x").await;
    let layout = tokio::spawn(object.get_layout().into_future());
    engine.hears().await;
    bounded(engine.0.close(CloseCode::new(4003), "")).await;
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 2, "Sales")).await;
    engine.answers(null()).await;
    assert_eq!(bounded(layout).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_reads_fail_as_closed_and_all_others_as_unknown() {
    let (session, mut engine) = Engine::start();
    let read = heard(&session, &mut engine, Handle::new(1), "GetAppLayout").await;
    let write = heard(&session, &mut engine, Handle::new(1), "DoReload").await;
    drop(engine);
    assert_eq!(bounded(read).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bounded(write).await.unwrap().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn suspending_fails_reads_as_suspended_and_all_others_as_unknown() {
    let (session, _sockets, mut engine) = Sockets::start(automatic()).await;
    let read = heard(&session, &mut engine, Handle::new(1), "GetAppLayout").await;
    let write = heard(&session, &mut engine, Handle::new(1), "DoReload").await;
    let (done, _) = bounded(async { tokio::join!(session.suspend(), engine.0.receive()) }).await;
    done.unwrap();
    assert_eq!(bounded(read).await.unwrap().unwrap_err().kind(), ErrorKind::Suspended);
    assert_eq!(bounded(write).await.unwrap().unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn object_opened_just_before_the_socket_died_is_not_taken_for_another() {
    let (session, mut sockets, mut engine) = Sockets::start(automatic()).await;
    let doc = app(&session, &mut engine).await;
    let mut call = Box::pin(doc.get_object("late").into_future());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    engine.answers(reference("GenericObject", 2, "late")).await;
    bounded(engine.0.close(CloseCode::new(4003), "")).await;
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.answers(reference("Doc", 1, "Sales")).await;
    let other = object(&doc, &mut engine, 2, "other").await;
    // Only now the first caller looks at its answer, which names a handle of the old socket.
    let late = bounded(call).await.unwrap();
    assert!(late.is_closed() && late != other && !other.is_closed());
}

#[tokio::test(start_paused = true)]
async fn session_object_that_nobody_waited_for_is_destroyed() {
    let (session, mut engine) = Engine::start();
    let doc = app(&session, &mut engine).await;
    let create = tokio::spawn(doc.create_session_object(&json!({})).into_future());
    let request = engine.hears().await;
    create.abort();
    assert_eq!(engine.hears().await["method"], "CancelRequest");
    engine.says(json!({"id": request["id"], "result": reference("GenericObject", 2, "cube")})).await;
    let destroyed = engine.hears().await;
    assert_eq!(
        (&destroyed["handle"], &destroyed["method"], &destroyed["params"]),
        (&json!(1), &json!("DestroySessionObject"), &json!(["cube"]))
    );
    // So is one whose answer came, but was not looked at.
    let mut create = Box::pin(doc.create_session_object(&json!({})).into_future());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(create.as_mut().poll(&mut cx).is_pending());
    engine.answers(reference("GenericObject", 3, "second")).await;
    let (_, _) = tokio::join!(session.global().engine_version().into_future(), engine.answers(json!({})));
    drop(create);
    assert_eq!(engine.hears().await["params"], json!(["second"]));
}
