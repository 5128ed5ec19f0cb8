//! Calls that are given up, before and after their answers.

use std::task::{Context, Waker};

use qix_client::protocol::{ErrorCode, Handle};
use serde_json::{Value, json};

use crate::{played::*, support::*};

#[tokio::test(start_paused = true)]
async fn call_whose_answer_is_there_is_not_cancelled_when_dropped() {
    let (session, mut engine) = Played::start();
    let mut call = Box::pin(session.call::<Value>(Handle::GLOBAL, "Any", &[(); 0]).into_future());
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    engine.answers(json!({})).await;
    Played::settles(&session, &mut engine).await;
    drop(call);
    let global = session.global();
    let (_, request) =
        tokio::join!(global.product_version().into_future(), engine.answers(json!({"qReturn": ""})));
    assert_eq!(request["method"], "ProductVersion");
}

#[tokio::test(start_paused = true)]
async fn error_15_reaches_the_caller_who_has_not_cancelled() {
    let (session, mut engine) = Played::start();
    let (aborted, _) = tokio::join!(
        session.call::<Value>(Handle::GLOBAL, "Any", &[(); 0]).into_future(),
        engine.refuses(15)
    );
    let error = aborted.unwrap_err();
    assert_eq!(error.engine().unwrap().code, ErrorCode::GENERIC_ABORTED);
    assert!(error.is_retryable());
}

#[tokio::test]
async fn dropped_call_is_cancelled_in_the_engine_and_a_detached_one_is_not() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let heard = |method: &'static str, count: usize| {
        let engine = &engine;
        bounded(async move {
            while engine.count(method) < count {
                tokio::task::yield_now().await;
            }
        })
    };
    let mut hangs = Box::pin(doc.evaluate("Hang()").into_future());
    tokio::select! {
        _ = &mut hangs => panic!("it hangs"),
        () = heard("Evaluate", 1) => {}
    }
    drop(hangs);
    heard("CancelRequest", 1).await;
    let mut detached = Box::pin(doc.evaluate("Slow(1)").detach().into_future());
    tokio::select! {
        _ = &mut detached => panic!("it is slow"),
        () = heard("Evaluate", 2) => {}
    }
    drop(detached);
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    assert_eq!(engine.count("CancelRequest"), 1);
}
