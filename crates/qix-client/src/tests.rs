//! Scenarios over an in-memory pair: this side is the engine, tokio's paused clock is the time.

use std::time::Duration;

use qix_protocol::{CloseCode, ErrorCode, Handle};
use qix_transport::{
    ClosedBy, Message, SocketExt,
    memory::{self, MemorySocket},
};
use serde_json::{Value, json};

use crate::{ErrorKind, Session, SessionConfig};

mod in_flight;
mod notifications;
mod open_app;
mod policy;
mod resume;
mod states;
mod waits;

struct Engine(MemorySocket);

impl Engine {
    fn start() -> (Session, Self) {
        Self::start_with(SessionConfig::default())
    }

    fn start_with(config: SessionConfig) -> (Session, Self) {
        let (client, engine) = memory::pair();
        (Session::over(client, config), Self(engine))
    }

    async fn hears(&mut self) -> Value {
        match bounded(self.0.receive()).await {
            Ok(Message::Text(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    async fn says(&mut self, frame: Value) {
        bounded(self.0.send_text(frame.to_string())).await.unwrap();
    }

    /// Answers the next request.
    async fn answers(&mut self, result: Value) -> Value {
        let request = self.hears().await;
        self.says(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
        request
    }

    /// Answers the next request with a reference to an object.
    async fn opens(&mut self, handle: i32) -> Value {
        let reference = json!({"qType": "GenericObject", "qHandle": handle, "qGenericId": "x"});
        let request = self.hears().await;
        let result = json!({"qReturn": reference});
        self.says(json!({"id": request["id"], "result": result, "change": [handle]})).await;
        request
    }
}

/// No wait of a test lasts for ever.
async fn bounded<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("nothing happened for a minute")
}

#[tokio::test(start_paused = true)]
async fn call_returns_its_out_members() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let (version, request) = tokio::join!(
        global.engine_version(),
        engine.answers(json!({"qVersion": {"qComponentVersion": "12.1"}}))
    );
    assert_eq!(version.unwrap().component_version, "12.1");
    assert_eq!(
        request,
        json!({"jsonrpc": "2.0", "id": 1, "handle": -1, "method": "EngineVersion", "params": []})
    );
}

#[tokio::test(start_paused = true)]
async fn answers_out_of_order_find_their_callers() {
    let (session, mut engine) = Engine::start();
    let calls = [0, 1, 2].map(|number| {
        let session = session.clone();
        async move { session.call::<Value>(Handle::GLOBAL, "Echo", &[number]).await.unwrap() }
    });
    let [a, b, c] = calls;
    let engine = async {
        let requests = [engine.hears().await, engine.hears().await, engine.hears().await];
        for request in requests.iter().rev() {
            engine.says(json!({"id": request["id"], "result": {"q": request["params"][0]}})).await;
        }
    };
    let (a, b, c, ()) = tokio::join!(a, b, c, engine);
    assert_eq!([a, b, c], [json!({"q": 0}), json!({"q": 1}), json!({"q": 2})]);
}

#[tokio::test(start_paused = true)]
async fn engine_error_carries_code_and_words() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let refuse = async {
        let request = engine.hears().await;
        let error = json!({"code": 1003, "parameter": "secret.qvf", "message": "App not found"});
        engine.says(json!({"id": request["id"], "error": error})).await;
    };
    let (opened, ()) = tokio::join!(global.open_doc("secret.qvf"), refuse);
    let error = opened.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Engine);
    assert_eq!(error.engine().unwrap().code, ErrorCode::APP_NOT_FOUND);
    assert!(!error.is_retryable());
    assert_eq!(error.to_string(), "OpenDoc: the engine refused");
}

#[tokio::test(start_paused = true)]
async fn null_reference_is_not_found() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let null = json!({"qReturn": {"qType": null, "qHandle": null}});
    let (opened, _) = tokio::join!(global.open_doc("x"), engine.answers(null));
    let error = opened.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::NotFound, "OpenDoc: no such object".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn change_that_came_with_the_object_is_the_first_item() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let (doc, _) = tokio::join!(global.open_doc("x"), engine.opens(1));
    let mut changes = doc.unwrap().changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
}

#[tokio::test(start_paused = true)]
async fn changes_coalesce_and_end_with_the_object() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let (doc, _) = tokio::join!(global.open_doc("x"), engine.opens(1));
    let doc = doc.unwrap();
    let mut changes = doc.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    for _ in 0..3 {
        engine.says(json!({"change": [1]})).await;
    }
    // An answered call proves that the pushes before it were taken in.
    let (_, _) = tokio::join!(global.engine_version(), engine.answers(json!({})));
    assert_eq!(bounded(changes.next()).await, Some(()));
    assert!(!doc.is_closed());
    engine.says(json!({"change": [1], "close": [1]})).await;
    assert_eq!(bounded(changes.next()).await, None);
    bounded(doc.closed()).await;
    let error = doc.get_app_layout().call_into::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_cancels_it_and_its_late_answer_harms_nobody() {
    let (session, mut engine) = Engine::start();
    let call = session.call::<Value>(Handle::GLOBAL, "DoReload", &[(); 0]);
    let id = call.request_id();
    {
        let mut call = std::pin::pin!(call.into_future());
        tokio::select! {
            _ = &mut call => panic!("nobody answered"),
            request = engine.hears() => assert_eq!(request["id"], id.get()),
        }
    }
    let cancel = engine.hears().await;
    assert_eq!((&cancel["method"], &cancel["params"]), (&json!("CancelRequest"), &json!([id])));
    engine.says(json!({"id": cancel["id"], "result": {}})).await;
    engine.says(json!({"id": id, "error": {"code": 15}})).await;
    let global = session.global();
    let version = json!({"qVersion": {"qComponentVersion": "1"}});
    let (version, _) = tokio::join!(global.engine_version(), engine.answers(version));
    assert_eq!(version.unwrap().component_version, "1");
}

#[tokio::test(start_paused = true)]
async fn timeout_fails_the_call_and_cancels_it() {
    let (session, mut engine) = Engine::start();
    let call = session.call::<Value>(Handle::GLOBAL, "DoReload", &[(); 0]).timeout(Duration::from_secs(5));
    let (outcome, request) = tokio::join!(call.into_future(), async {
        engine.hears().await;
        engine.hears().await
    });
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(request["method"], "CancelRequest");
}

#[tokio::test(start_paused = true)]
async fn end_of_the_socket_fails_all_calls_with_one_cause() {
    let (session, mut engine) = Engine::start();
    let calls = async {
        tokio::join!(
            session.call::<Value>(Handle::GLOBAL, "A", &[(); 0]).into_future(),
            session.call::<Value>(Handle::GLOBAL, "B", &[(); 0]).into_future(),
        )
    };
    let close = async {
        engine.hears().await;
        engine.hears().await;
        engine.0.close(CloseCode::new(4204), r#"{"code":"QEP-104"}"#).await
    };
    let ((a, b), _) = tokio::join!(calls, close);
    for error in [a.unwrap_err(), b.unwrap_err(), bounded(session.closed()).await] {
        let closed = error.closing().unwrap();
        assert_eq!(
            (closed.code.get(), &*closed.reason, closed.by),
            (4204, r#"{"code":"QEP-104"}"#, ClosedBy::Peer)
        );
    }
    let later = session.global().engine_version().await.unwrap_err();
    assert_eq!(later.kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn dropping_everything_says_goodbye() {
    let (session, mut engine) = Engine::start();
    drop(session);
    let closed = bounded(engine.0.receive()).await.unwrap_err();
    assert_eq!((closed.code, closed.by), (CloseCode::NORMAL, ClosedBy::Peer));
}

#[tokio::test(start_paused = true)]
async fn text_that_is_no_frame_ends_the_session_with_its_fault() {
    let (session, mut engine) = Engine::start();
    bounded(engine.0.send_text("<html>")).await.unwrap();
    let (error, _) = tokio::join!(session.closed(), engine.0.receive());
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "malformed frame near byte 0");
}

#[tokio::test(start_paused = true)]
async fn greeting_is_kept_for_whoever_asks_late() {
    let (session, mut engine) = Engine::start();
    engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_ATTACHED"}})).await;
    for _ in 0..2 {
        assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_ATTACHED");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_limit_wait_for_their_turn() {
    let (session, mut engine) = Engine::start_with(SessionConfig::default().max_pending(1).queue(1));
    let calls = [1, 2, 3, 4].map(|number| {
        let session = session.clone();
        tokio::spawn(async move { session.call::<Value>(Handle::GLOBAL, "M", &[number]).await })
    });
    for _ in 0..4 {
        engine.answers(json!({})).await;
    }
    for call in calls {
        bounded(call).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn answer_of_another_shape_names_the_method() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let (version, _) = tokio::join!(global.engine_version(), engine.answers(json!({"qVersion": 7})));
    let error = version.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (ErrorKind::Protocol, "EngineVersion: the answer cannot be understood".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn call_dropped_before_it_was_sent_is_never_sent() {
    let (session, mut engine) = Engine::start();
    let mut call = Box::pin(session.call::<Value>(Handle::GLOBAL, "DoReload", &[(); 0]).into_future());
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(call.as_mut().poll(&mut cx).is_pending());
    drop(call);
    let global = session.global();
    let (_, request) = tokio::join!(global.engine_version(), engine.answers(json!({})));
    assert_eq!(request["method"], "EngineVersion");
}

#[tokio::test(start_paused = true)]
async fn closing_does_not_wait_for_calls_in_flight() {
    let (session, mut engine) = Engine::start_with(SessionConfig::default().max_pending(1));
    let call = session.call::<Value>(Handle::GLOBAL, "DoReload", &[(); 0]).into_future();
    let close = async {
        engine.hears().await;
        tokio::join!(session.close(), engine.0.receive())
    };
    let (outcome, _) = bounded(async { tokio::join!(call, close) }).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}

#[tokio::test(start_paused = true)]
async fn object_that_dies_before_its_caller_has_seen_it_is_closed() {
    let (session, mut engine) = Engine::start();
    let global = session.global();
    let open = async {
        let request = engine.hears().await;
        let reference = json!({"qReturn": {"qType": "Doc", "qHandle": 5}});
        engine.says(json!({"id": request["id"], "result": reference, "change": [5]})).await;
        engine.says(json!({"close": [5]})).await;
    };
    let (doc, ()) = tokio::join!(global.open_doc("x"), open);
    let doc = doc.unwrap();
    bounded(doc.closed()).await;
    assert!(doc.is_closed());
}
