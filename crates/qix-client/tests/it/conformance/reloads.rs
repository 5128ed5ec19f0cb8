//! A reload and its progress, by the methods of the protocol.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn progress_is_polled_by_the_id_that_was_known_before_sending() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    bounded(doc.set_script("Sleep 3;\r\nLOAD * FROM x;")).await.unwrap();
    let reload = doc.do_reload();
    let id = reload.request_id();
    let reload = tokio::spawn(reload.into_future());
    let global = session.global();
    let mut told = String::new();
    let mut finished = false;
    while !finished {
        let progress = bounded(global.get_progress(id)).await.unwrap();
        told.push_str(&progress.persistent_progress);
        finished = progress.finished && !progress.persistent_progress.is_empty();
    }
    assert!(bounded(reload).await.unwrap().unwrap());
    assert!(told.contains("Connected") && told.contains("Reload done"), "{told}");
    // What is drained is told as finished with nothing done: no end of anything.
    let dummy = bounded(global.get_progress(id)).await.unwrap();
    assert!(dummy.finished && dummy.persistent_progress.is_empty() && dummy.completed == 0);
}

#[tokio::test]
async fn reload_that_fails_is_a_false_result_and_no_error() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    bounded(doc.set_script("Fail;")).await.unwrap();
    assert!(!bounded(doc.do_reload()).await.unwrap());
}

#[tokio::test]
async fn reload_that_asks_goes_on_when_it_is_answered() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    bounded(doc.set_script("Ask Go on?;")).await.unwrap();
    let reload = doc.do_reload();
    let id = reload.request_id();
    let reload = tokio::spawn(reload.into_future());
    let global = session.global();
    bounded(async { while !global.get_progress(id).await.unwrap().user_interaction_wanted {} }).await;
    let asked = bounded(global.get_interact(id)).await.unwrap();
    assert_eq!((asked.return_, asked.def.msg.as_str()), (true, "Go on?"));
    bounded(global.interact_done(id, &json!({"qResult": 1}))).await.unwrap();
    assert!(bounded(reload).await.unwrap().unwrap());
}
