//! Opening an app whatever state the session is in.

use std::{error::Error as _, time::Duration};

use qix_protocol::ErrorCode;
use serde_json::{Value, json};

use super::{Engine, bounded};
use crate::{Doc, Error, ErrorKind, OpenAppError};

async fn refuses(engine: &mut Engine, code: i32) -> Value {
    let request = engine.hears().await;
    engine.says(json!({"id": request["id"], "error": {"code": code, "message": "no"}})).await;
    request
}

async fn gives(engine: &mut Engine, id: &str) -> Value {
    let reference = json!({"qType": "Doc", "qHandle": 1, "qGenericId": id});
    engine.answers(json!({"qReturn": reference})).await
}

fn cause(outcome: Result<Doc, Error>) -> OpenAppError {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyOpen);
    error.source().unwrap().downcast_ref::<OpenAppError>().unwrap().clone()
}

#[tokio::test(start_paused = true)]
async fn app_that_is_open_already_is_what_is_returned() {
    let (session, mut engine) = Engine::start();
    let script = async {
        let open = refuses(&mut engine, 1002).await;
        assert_eq!((&open["method"], &open["params"]), (&json!("OpenDoc"), &json!(["Sales.qvf"])));
        let active = gives(&mut engine, "C:\\Apps\\Sales.qvf").await;
        assert_eq!(active["method"], "GetActiveDoc");
    };
    let (doc, ()) =
        bounded(async { tokio::join!(session.open_app("Sales.qvf").into_future(), script) }).await;
    let doc = doc.unwrap();
    assert_eq!((doc.kind(), doc.id()), ("Doc", Some("C:\\Apps\\Sales.qvf")));
}

#[tokio::test(start_paused = true)]
async fn another_open_app_is_named() {
    let (session, mut engine) = Engine::start();
    let script = async {
        refuses(&mut engine, 1002).await;
        gives(&mut engine, "Other").await;
    };
    let (outcome, ()) =
        bounded(async { tokio::join!(session.open_app("Sales").into_future(), script) }).await;
    assert_eq!(cause(outcome), OpenAppError::OtherApp { open: "Other".into(), wanted: "Sales".into() });
}

#[tokio::test(start_paused = true)]
async fn other_mode_says_that_another_identity_is_needed() {
    let (session, mut engine) = Engine::start();
    let open = session.open_app("Sales").no_data(true).into_future();
    let (outcome, request) = bounded(async { tokio::join!(open, refuses(&mut engine, 1009)) }).await;
    assert_eq!(request["params"], json!({"qDocName": "Sales", "qNoData": true}));
    let cause = cause(outcome);
    assert_eq!(cause, OpenAppError::OtherMode { without_data: false });
    assert!(cause.to_string().contains("another identity"));
}

#[tokio::test(start_paused = true)]
async fn mode_of_an_app_that_was_open_is_checked_if_the_caller_says_which() {
    for (without_data, fits) in [(true, false), (false, true)] {
        let (session, mut engine) = Engine::start();
        engine.says(json!({"method": "OnConnected", "params": {"qSessionState": "SESSION_ATTACHED"}})).await;
        let script = async {
            gives(&mut engine, "Sales").await;
            let layout = json!({"qLayout": {"qIsOpenedWithoutData": without_data}});
            assert_eq!(engine.answers(layout).await["method"], "GetAppLayout");
        };
        let open = session.open_app("Sales").no_data(false).into_future();
        let (outcome, ()) = bounded(async { tokio::join!(open, script) }).await;
        assert_eq!(outcome.is_ok(), fits);
    }
}

#[tokio::test(start_paused = true)]
async fn app_that_is_being_reloaded_is_tried_again_until_the_timeout() {
    let (session, mut engine) = Engine::start();
    let script = async {
        for code in [11000, 15, 11000] {
            refuses(&mut engine, code).await;
        }
        gives(&mut engine, "Sales").await;
    };
    let (doc, ()) = bounded(async { tokio::join!(session.open_app("Sales").into_future(), script) }).await;
    doc.unwrap();
    let forever = async {
        loop {
            refuses(&mut engine, 11000).await;
        }
    };
    let open = session.open_app("Sales").timeout(Duration::from_secs(30)).into_future();
    let error = tokio::select! {
        outcome = open => outcome.unwrap_err(),
        () = forever => unreachable!(),
    };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn other_refusals_are_final() {
    let (session, mut engine) = Engine::start();
    let open = session.open_app("Sales").into_future();
    let (outcome, _) = bounded(async { tokio::join!(open, refuses(&mut engine, 1003)) }).await;
    assert_eq!(outcome.unwrap_err().engine().unwrap().code, ErrorCode::APP_NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn session_app_of_the_endpoint_is_open_from_the_start() {
    let (session, mut engine) = Engine::start();
    let open = session.open_app("SessionApp_1").into_future();
    let (doc, request) = bounded(async { tokio::join!(open, gives(&mut engine, "SessionApp_1")) }).await;
    assert_eq!(request["method"], "GetActiveDoc");
    assert_eq!(doc.unwrap().id(), Some("SessionApp_1"));
}

#[tokio::test(start_paused = true)]
async fn passwords_are_sent_and_not_shown() {
    let (session, mut engine) = Engine::start();
    let open = session.open_app("Sales").user("me").password("s3cret").serial("s3cret");
    assert!(!format!("{open:?}").contains("s3cret"));
    let (doc, request) =
        bounded(async { tokio::join!(open.into_future(), gives(&mut engine, "Sales")) }).await;
    assert_eq!(request["params"], json!(["Sales", "me", "s3cret", "s3cret"]));
    assert!(!format!("{:?}", doc.unwrap()).contains("s3cret"));
}

#[tokio::test(start_paused = true)]
async fn longest_timeout_is_no_panic() {
    let (session, mut engine) = Engine::start();
    let opening = session.open_app("Sales").timeout(Duration::MAX).into_future();
    let (doc, _) = tokio::join!(opening, gives(&mut engine, "Sales"));
    doc.unwrap();
}
