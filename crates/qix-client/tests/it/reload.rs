//! Reloads at a fake engine, which runs a script when it answers and is asked for progress meanwhile.

use std::time::Duration;

use qix_client::{Doc, ErrorKind, protocol::schema::InteractDef};
use qix_tests::FakeEngine;

use crate::support::{bounded, engine, sales, session};

/// Often enough for a test: the fake engine ends a reload after so many answers.
const EVERY: Duration = Duration::from_millis(1);

async fn with_script(engine: &FakeEngine, script: &str) -> Doc {
    let doc = sales(&session(&engine.url("engineData")).await).await;
    bounded(doc.set_script(script)).await.unwrap();
    doc
}

#[tokio::test]
async fn reload_tells_its_progress_and_loads_and_saves() {
    let engine = engine().await;
    let doc =
        with_script(&engine, "Sleep 3;\r\nColours:\r\nLOAD * INLINE [\r\nName\r\nred\r\nblue\r\n];").await;
    let mut reload = doc.reload().every(EVERY).and_save().start();
    let mut lines = Vec::new();
    while let Some(progress) = bounded(reload.next()).await {
        lines.extend(progress.messages().iter().map(ToString::to_string));
    }
    assert!(bounded(reload).await.unwrap().saved);
    assert_eq!((lines[0].as_str(), lines.last().unwrap().as_str()), ("Connected", "Reload done"));
    assert_eq!(bounded(doc.data_model()).await.unwrap().table("Colours").unwrap().no_of_rows, 2);
    assert_eq!((engine.count("DoReload"), engine.count("DoSave")), (1, 1));
}

#[tokio::test]
async fn errors_of_the_script_are_told_with_the_failure() {
    let engine = engine().await;
    let doc = with_script(&engine, "Error table Orders not found;").await;
    let error = bounded(doc.reload().every(EVERY).with_log()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReloadFailed);
    let failure = error.reload_failure().unwrap();
    assert_eq!(failure.errors[0].text, "table Orders not found");
    assert_eq!(failure.log_file.as_deref(), Some("/logs/reload.log"));
}

#[tokio::test]
async fn reload_that_asks_goes_on_when_it_is_answered() {
    let engine = engine().await;
    let doc = with_script(&engine, "Ask Go on?;\r\nLOAD * FROM x;").await;
    let (asked, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let reload = doc.reload().every(EVERY).on_interaction(move |question: InteractDef| {
        asked.send(question.msg.clone()).unwrap();
        std::future::ready(question)
    });
    bounded(reload).await.unwrap();
    assert_eq!(heard.recv().await.as_deref(), Some("Go on?"));
}

#[tokio::test]
async fn reload_is_cancelled_from_elsewhere() {
    let engine = engine().await;
    let doc = with_script(&engine, "Sleep 1000;").await;
    let mut reload = doc.reload().every(EVERY).start();
    let cancel = reload.canceller();
    assert!(bounded(reload.next()).await.is_some());
    let (outcome, cancelled) = bounded(async { tokio::join!(reload, cancel.cancel()) }).await;
    cancelled.unwrap();
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ReloadCancelled);
}

#[tokio::test]
async fn session_app_is_loaded_and_not_saved() {
    let engine = engine().await;
    let session = session(&engine.url("engineData")).await;
    let doc = bounded(session.global().create_session_app()).await.unwrap().object;
    bounded(doc.set_script("T:\r\nLOAD * INLINE [\r\na\r\n1\r\n];")).await.unwrap();
    assert_eq!(bounded(doc.reload().and_save()).await.unwrap_err().kind(), ErrorKind::NotSaved);
    assert_eq!(engine.count("DoReload"), 0);
    bounded(doc.reload().every(EVERY)).await.unwrap();
    assert_eq!(bounded(doc.data_model()).await.unwrap().tables[0].no_of_rows, 1);
}
