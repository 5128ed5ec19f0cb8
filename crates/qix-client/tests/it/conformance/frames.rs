//! Greetings, answers and lists, in any order and with anything missing.

use qix_client::{ErrorKind, protocol::Handle};
use serde_json::{Value, json};

use crate::{played::*, support::*};

#[tokio::test(start_paused = true)]
async fn greeting_may_follow_the_first_answer_or_never_come() {
    let (session, mut engine) = Played::start();
    Played::settles(&session, &mut engine).await;
    engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_CREATED"}})).await;
    assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_CREATED");
    let (session, engine) = Played::start();
    let (greeting, ()) = tokio::join!(session.connected(), engine.closes(1000, ""));
    assert_eq!(greeting.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn notifications_that_are_unknown_or_without_params_harm_nothing() {
    let (session, mut engine) = Played::start();
    for frame in [
        json!({"jsonrpc": "2.0", "method": "OnSomethingNew", "params": {"a": [1]}}),
        json!({"jsonrpc": "2.0", "method": "OnConnected"}),
        json!({"method": "OnSomethingNew", "params": null}),
        json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_OF_A_NEW_KIND"}}),
    ] {
        engine.says(frame).await;
    }
    Played::settles(&session, &mut engine).await;
    assert_eq!(bounded(session.connected()).await.unwrap(), "SESSION_OF_A_NEW_KIND");
}

#[tokio::test(start_paused = true)]
async fn answers_without_result_or_with_null_are_empty() {
    let (session, mut engine) = Played::start();
    for frame in [json!({"jsonrpc": "2.0"}), json!({"result": null}), json!({"result": {}})] {
        let answer = async {
            let mut frame = frame.clone();
            frame["id"] = engine.hears().await["id"].clone();
            engine.says(frame).await;
        };
        let (answered, ()) =
            tokio::join!(session.call::<Value>(Handle::GLOBAL, "Any", &[(); 0]).into_future(), answer);
        assert_eq!(answered.unwrap(), json!({}));
    }
}

#[tokio::test(start_paused = true)]
async fn error_may_lack_parameter_and_message() {
    let (session, mut engine) = Played::start();
    let (refused, _) = tokio::join!(
        session.call::<Value>(Handle::GLOBAL, "Any", &[(); 0]).into_future(),
        engine.refuses(1003)
    );
    let error = refused.unwrap_err();
    let engine_error = error.engine().unwrap();
    assert_eq!((engine_error.code.get(), &*engine_error.parameter, &*engine_error.message), (1003, "", ""));
}

#[tokio::test(start_paused = true)]
async fn changes_on_an_error_are_heard_before_the_error() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let mut changes = doc.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    let refuse = async {
        let id = engine.hears().await["id"].clone();
        engine.says(json!({"id": id, "error": {"code": 15}, "change": [1]})).await;
    };
    let (refused, ()) = tokio::join!(doc.clear_all().into_future(), refuse);
    assert!(refused.unwrap_err().is_retryable());
    let mut change = poll_once(changes.next());
    assert_eq!(change.take(), Some(Some(())), "it is there already");
}

/// Polls a future once.
fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test(start_paused = true)]
async fn close_of_a_parent_and_its_children_closes_them_all_and_wins_over_change() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let (sheet, _) = tokio::join!(doc.get_object("S").into_future(), engine.opens(2, "GenericObject"));
    let sheet = sheet.unwrap();
    let (chart, _) = tokio::join!(sheet.get_child("C").into_future(), engine.opens(3, "GenericObject"));
    let chart = chart.unwrap();
    engine.says(json!({"jsonrpc": "2.0", "change": [2, 1], "close": [2, 3]})).await;
    bounded(async { tokio::join!(sheet.closed(), chart.closed()) }).await;
    assert!(!doc.is_closed());
    let mut changes = chart.changes();
    while let Some(()) = bounded(changes.next()).await {}
    assert_eq!(chart.get_layout().await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test(start_paused = true)]
async fn null_references_are_not_found_whatever_opens_them() {
    let (session, mut engine) = Played::start();
    let doc = Played::app(&session, &mut engine).await;
    let null = json!({"qReturn": {"qType": null, "qHandle": null, "qGenericType": null}});
    let (object, _) = tokio::join!(doc.get_object("nope").into_future(), engine.answers(null.clone()));
    let (field, _) = tokio::join!(doc.get_field("nope").into_future(), engine.answers(null.clone()));
    let (variable, _) =
        tokio::join!(doc.get_variable_by_name("nope").into_future(), engine.answers(null.clone()));
    for error in [object.unwrap_err(), field.unwrap_err(), variable.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.engine().is_none());
    }
    // The same as a delta answer.
    let patch = json!({"qReturn": [{"op": "add", "path": "/", "value": (null["qReturn"])}]});
    let (object, _) = tokio::join!(doc.get_object("nope").delta(true).into_future(), engine.patches(patch));
    assert_eq!(object.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test(start_paused = true)]
async fn session_app_is_known_by_the_id_beside_its_reference() {
    let (session, mut engine) = Played::start();
    let global = session.global();
    let result = json!({"qSessionAppId": "SessionApp_1", "qReturn": {"qType": "Doc", "qHandle": 1}});
    let (app, _) = tokio::join!(global.create_session_app().into_future(), engine.answers(result));
    let opened = app.unwrap();
    assert_eq!(opened.object.id(), Some("SessionApp_1"));
}
