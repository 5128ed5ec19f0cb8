//! No wait is for ever: calls that race with an end, at a limit, or with a resume.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use qix_protocol::Handle;
use qix_transport::MemoryConnect;
use serde_json::{Value, json};

use super::{
    Engine, bounded,
    resume::{Sockets, app, object, reference},
};
use tokio::sync::oneshot;

use crate::{ErrorKind, ResumePolicy, Session, SessionConfig, State};
use crate::{
    command::Command,
    request::{Request, Target},
};

fn call(session: &Session) -> crate::CallFuture<crate::As<Value>> {
    session.call::<Value>(Handle::GLOBAL, "Wait", &[(); 0]).into_future()
}

async fn poll_once<F: Future + Unpin>(future: &mut F) {
    poll_fn(|cx| {
        assert!(std::pin::Pin::new(&mut *future).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn call_that_got_its_place_in_the_queue_just_before_the_end_fails_with_it() {
    let (session, mut engine) = Engine::start_with(SessionConfig::default().queue(1));
    let (mut first, mut second) = (pin!(call(&session)), pin!(call(&session)));
    poll_once(&mut first).await;
    // The queue is full.
    poll_once(&mut second).await;
    // The driver takes the first, which gives the second its place, but it is not polled before the end.
    assert_eq!(engine.hears().await["method"], "Wait");
    drop(engine);
    bounded(session.closed()).await;
    assert_eq!(bounded(second).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(bounded(first).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn command_that_falls_into_the_queue_while_the_session_ends_fails_with_it() {
    let (session, engine) = Engine::start();
    // What a call does on another thread in the middle of its first poll.
    let place = session.commands().clone().try_reserve_owned().unwrap();
    drop(engine);
    bounded(session.closed()).await;
    let (reply, answer) = oneshot::channel();
    let to = Target::Handle(session.clone(), Handle::GLOBAL);
    let request = Request::new(to, "SetProperties".into(), "[]".into());
    place.send(Command { request, reply });
    let outcome = bounded(answer).await.expect("the end says why");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_that_give_up_make_room_for_those_that_wait_although_the_engine_is_silent() {
    let (session, _engine) = Engine::start_with(SessionConfig::default().max_pending(1));
    let calls = [1, 2, 3].map(|_| {
        tokio::spawn(
            session
                .call::<Value>(Handle::GLOBAL, "Wait", &[(); 0])
                .timeout(Duration::from_secs(1))
                .into_future(),
        )
    });
    for call in calls {
        assert_eq!(bounded(call).await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_give_up_between_two_sockets_make_room_for_those_that_wait() {
    let config = SessionConfig::default().max_pending(1).resume(ResumePolicy::automatic());
    let (session, mut sockets, engine) = Sockets::start(config).await;
    drop(engine);
    // It never greets.
    let _engine = sockets.next("").await;
    let calls = [1, 2, 3].map(|_| {
        tokio::spawn(
            session
                .call::<Value>(Handle::GLOBAL, "Wait", &[(); 0])
                .timeout(Duration::from_secs(1))
                .into_future(),
        )
    });
    for call in calls {
        assert_eq!(bounded(call).await.unwrap().unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn session_can_be_closed_while_it_resumes_although_somebody_has_hastened_it() {
    let config = SessionConfig::default().resume(ResumePolicy::automatic());
    let (session, mut sockets, mut engine) = Sockets::start(config).await;
    let _doc = app(&session, &mut engine).await;
    drop(engine);
    // It never answers.
    let mut engine = sockets.next("SESSION_ATTACHED").await;
    engine.hears().await;
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume().await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    bounded(session.close()).await;
    assert_eq!(bounded(resuming).await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_everything_ends_a_suspended_session_although_session_objects_are_to_be_destroyed() {
    let (session, _sockets, mut engine) = Sockets::start(SessionConfig::default()).await;
    let doc = app(&session, &mut engine).await;
    let cube = doc.create_session_object(&json!({})).into_future();
    let (cube, _) = tokio::join!(cube, engine.answers(reference("GenericObject", 2, "cube")));
    let mut states = session.states();
    bounded(session.suspend()).await.unwrap();
    drop((cube, doc, session));
    while !matches!(bounded(states.next()).await.unwrap(), State::Closed(_)) {}
}

#[tokio::test(start_paused = true)]
async fn resume_while_the_first_socket_is_on_its_way_waits_for_it() {
    let (connect, mut acceptor) = MemoryConnect::new();
    let session = Session::start(connect, SessionConfig::default());
    let (resumed, _engine) = tokio::join!(session.resume(), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bounded(acceptor.accept()).await.unwrap()
    });
    assert_eq!(resumed.unwrap().attempts, 0);
}

#[tokio::test(start_paused = true)]
async fn session_suspended_before_its_first_socket_is_suspended() {
    let (connect, acceptor) = MemoryConnect::new();
    let session = Session::start(Slow(connect), SessionConfig::default());
    let waiting = tokio::spawn(call(&session));
    bounded(session.suspend()).await.unwrap();
    assert_eq!(bounded(waiting).await.unwrap().unwrap_err().kind(), ErrorKind::Suspended);
    assert!(matches!(session.state(), State::Suspended { .. }));
    drop(acceptor);
}

/// Takes an hour.
struct Slow(MemoryConnect);

impl qix_transport::Connect for Slow {
    type Socket = <MemoryConnect as qix_transport::Connect>::Socket;

    async fn connect(&self) -> Result<Self::Socket, qix_transport::ConnectError> {
        tokio::time::sleep(Duration::from_secs(3600)).await;
        self.0.connect().await
    }
}

#[tokio::test(start_paused = true)]
async fn session_over_one_socket_ends_with_it_whatever_its_policy() {
    let config = SessionConfig::default().resume(ResumePolicy::automatic());
    let (session, engine) = Engine::start_with(config);
    let start = tokio::time::Instant::now();
    drop(engine);
    assert_eq!(bounded(session.closed()).await.kind(), ErrorKind::Closed);
    assert!(start.elapsed() < Duration::from_secs(1), "no attempts that cannot succeed");
}

#[tokio::test(start_paused = true)]
async fn late_greeting_of_a_new_socket_is_heard() {
    let policy = ResumePolicy::automatic().greeting_timeout(Duration::from_secs(1));
    let (session, mut sockets, mut engine) = Sockets::start(SessionConfig::default().resume(policy)).await;
    let doc = app(&session, &mut engine).await;
    let _object = object(&doc, &mut engine, 2, "x").await;
    drop(engine);
    let mut engine = sockets.next("").await;
    engine.answers(reference("Doc", 1, "Sales")).await;
    // The app was found without a greeting; now come the objects.
    let request = engine.hears().await;
    engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_ATTACHED"}})).await;
    engine.says(json!({"id": request["id"], "result": reference("GenericObject", 2, "x")})).await;
    assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_ATTACHED");
    let mut states = session.states();
    let state = loop {
        let state = bounded(states.next()).await.unwrap();
        if state.is_open() {
            break state;
        }
    };
    assert_eq!(state.greeting(), Some(&qix_protocol::SessionState::Attached));
}

#[tokio::test(start_paused = true)]
async fn resuming_by_hand_only_if_attached_does_not_end_a_session_that_resumes_by_itself() {
    let config = SessionConfig::default().resume(ResumePolicy::automatic());
    let (session, mut sockets, engine) = Sockets::start(config).await;
    drop(engine);
    let resuming = tokio::spawn({
        let session = session.clone();
        async move { session.resume_if_attached().await }
    });
    let mut engine = sockets.next("SESSION_CREATED").await;
    engine.answers(json!({})).await;
    assert_eq!(bounded(resuming).await.unwrap().unwrap_err().kind(), ErrorKind::NotAttached);
    let state = session.state();
    assert!(matches!(state, State::Suspended { .. }), "{state:?}");
}
