//! The scripted engine: what a test hears of calls that do not go as it says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use qix_client::{
    Error, ErrorKind, Session, SessionConfig,
    protocol::{CloseCode, Handle},
    testing::ScriptedEngine,
};
use serde_json::{Value, json};

use crate::support::{bounded, doc, object, scripted};

async fn call(session: &Session, method: &'static str, params: Value) -> Result<Value, Error> {
    bounded(session.call::<Value>(Handle::GLOBAL, method, &params)).await
}

/// What a test that ends now would print.
fn complaint(engine: ScriptedEngine) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| engine.finish())).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn unexpected_call_is_refused_and_fails_the_test_with_what_is_nearest() {
    let engine = ScriptedEngine::new();
    engine.expect("Other").any_times();
    engine.expect("GetThing").on(-1).with(json!(["a", {"n": 1}]));
    let session = scripted(&engine, SessionConfig::default()).await;
    let error = call(&session, "GetThing", json!(["a", {"n": 2}])).await.unwrap_err();
    assert_eq!(error.engine().unwrap().code.get(), -32601);
    assert_eq!(
        complaint(engine),
        "the scripted engine was not used as it expected:\n\
         unexpected call: GetThing on Global with [\"a\",{\"n\":2}]\n  \
         nearest to it is: GetThing on Global with [\"a\",{\"n\":1}]\n    \
         /1/n: expected 1, got 2\n\
         expected, but not made: GetThing on Global with [\"a\",{\"n\":1}]"
    );
}

#[tokio::test(start_paused = true)]
async fn call_on_another_object_is_told_apart() {
    let engine = ScriptedEngine::new();
    engine.expect("GetLayout").on(7);
    let session = scripted(&engine, SessionConfig::default()).await;
    call(&session, "GetLayout", json!([])).await.unwrap_err();
    assert!(complaint(engine).contains("object: expected handle 7, got Global"));
}

#[tokio::test(start_paused = true)]
async fn call_that_was_not_made_fails_the_test_when_the_engine_is_dropped() {
    let engine = ScriptedEngine::new();
    engine.expect("DoSave").on(1).times(2);
    let copy = engine.clone();
    drop(copy);
    let panic = catch_unwind(AssertUnwindSafe(|| drop(engine))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().ends_with("not made: DoSave on handle 1 (0 of 2 times)"));
}

#[tokio::test(start_paused = true)]
async fn closure_that_panics_fails_the_test_with_its_words_and_the_call_is_refused() {
    let engine = ScriptedEngine::new();
    engine.expect("GetThing").any_times().answer_with(|call| {
        assert_eq!(call.params, json!(["a"]), "the wrong thing");
        json!({})
    });
    let session = scripted(&engine, SessionConfig::default()).await;
    let error = call(&session, "GetThing", json!(["b"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Engine);
    call(&session, "GetThing", json!(["a"])).await.unwrap();
    let complaint = complaint(engine);
    assert!(complaint.contains("GetThing on Global with [\"b\"]"), "{complaint}");
    assert!(complaint.contains("the wrong thing"), "{complaint}");
}

#[tokio::test(start_paused = true)]
async fn closure_may_ask_the_engine_and_expect_more_of_it() {
    let engine = ScriptedEngine::new();
    let inside = engine.clone();
    engine.expect("First").answer_with(move |_| {
        inside.expect("Second");
        json!({"calls": inside.calls().len()})
    });
    let session = scripted(&engine, SessionConfig::default()).await;
    assert_eq!(call(&session, "First", json!([])).await.unwrap(), json!({"calls": 1}));
    call(&session, "Second", json!([])).await.unwrap();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn order_counts_if_it_is_asked_for() {
    let engine = ScriptedEngine::new().in_order();
    engine.expect("Any").any_times();
    engine.expect("A");
    engine.expect("B");
    let session = scripted(&engine, SessionConfig::default()).await;
    call(&session, "Any", json!([])).await.unwrap();
    call(&session, "B", json!([])).await.unwrap_err();
    call(&session, "A", json!([])).await.unwrap();
    call(&session, "Any", json!([])).await.unwrap();
    call(&session, "B", json!([])).await.unwrap();
    assert!(complaint(engine).ends_with("it is expected, but another call before it: A"));
}

#[tokio::test(start_paused = true)]
async fn parameters_are_compared_as_the_engine_would_see_them() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    engine.expect("OpenDoc").with(json!({"qDocName": "Sales", "qNoData": true})).open(1, "Doc");
    let doc = bounded(session.global().open_doc("Sales").no_data(true)).await.unwrap();
    engine.expect("GetObject").with(json!({"qId": "x"})).find_nothing();
    let error = bounded(doc.get_object("x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    engine.expect("GetField").with_params(|params| params[0].as_str().is_some_and(|name| name.len() == 3));
    bounded(doc.get_field("abc").call_into::<Value>()).await.unwrap_err();
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn it_says_unasked_what_a_test_wants() {
    let engine = ScriptedEngine::new();
    engine.greet(Some("SESSION_ATTACHED"));
    let session = scripted(&engine, SessionConfig::default()).await;
    assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_ATTACHED");
    let object = object(&engine, &session).await;
    let mut changes = object.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    engine.change(&[2]);
    assert_eq!(bounded(changes.next()).await, Some(()));
    engine.close_objects(&[2]);
    assert_eq!(bounded(changes.next()).await, None);
    engine.close(CloseCode::new(4204), "no app");
    assert_eq!(bounded(session.closed()).await.closing().unwrap().code.get(), 4204);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn sockets_of_one_engine_follow_each_other() {
    let engine = ScriptedEngine::new();
    let first = scripted(&engine, SessionConfig::default()).await;
    doc(&engine, &first).await;
    engine.cut();
    assert_eq!(bounded(first.closed()).await.closing().unwrap().code, CloseCode::ABNORMAL);
    engine.unreachable(true);
    assert_eq!(bounded(Session::connect(&engine)).await.unwrap_err().kind(), ErrorKind::Connect);
    engine.unreachable(false);
    let second = scripted(&engine, SessionConfig::default()).await;
    doc(&engine, &second).await;
    assert_eq!(engine.calls().iter().filter(|call| call.method == "OpenDoc").count(), 2);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn what_the_client_does_by_itself_need_not_be_expected() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    let doc = doc(&engine, &session).await;
    engine
        .expect("CreateSessionObject")
        .answer(json!({"qReturn": {"qType": "GenericObject", "qHandle": 3, "qGenericId": "s"}}));
    drop(bounded(doc.create_session_object(&json!({"qInfo": {"qType": "x"}}))).await.unwrap());
    let destroyed = engine.expect("DestroySessionObject").on(1).with(json!(["s"]));
    bounded(engine.settled()).await;
    assert_eq!(destroyed.met(), 1);
    engine.finish();
}
