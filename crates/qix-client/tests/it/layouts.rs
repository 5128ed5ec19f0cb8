//! Layouts as a stream.

use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt};
use qix_client::{ErrorKind, GenericObject, ResumePolicy, Session, SessionConfig, testing::ScriptedEngine};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{bounded, doc, object, scripted};

#[derive(Debug, Deserialize, PartialEq)]
struct Number {
    n: i32,
}

async fn start() -> (ScriptedEngine, Session, GenericObject) {
    let engine = ScriptedEngine::new().in_order();
    let session = scripted(&engine, SessionConfig::default()).await;
    let object = object(&engine, &session).await;
    (engine, session, object)
}

fn layout(n: i32) -> Value {
    json!({"qLayout": {"qInfo": {"qId": "x", "qType": "t"}, "n": n}})
}

/// Lets the session take in what the engine has said.
async fn settle(engine: &ScriptedEngine, session: &Session) {
    engine.expect("EngineVersion");
    bounded(session.global().engine_version().call_into::<Value>()).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn stream_starts_with_the_present_layout_and_fetches_once_for_changes_that_pile_up() {
    let (engine, session, object) = start().await;
    engine.expect("GetLayout").on(2).answer(layout(1));
    let mut layouts = object.layouts_into::<Number>();
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 1 });
    assert!(layouts.next().now_or_never().is_none());
    for _ in 0..3 {
        engine.change(&[2]);
    }
    settle(&engine, &session).await;
    engine.expect("GetLayout").on(2).answer(layout(2));
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 2 });
    assert!(layouts.next().now_or_never().is_none());
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn fetch_that_a_change_made_stale_is_cancelled_and_made_again() {
    let (engine, session, object) = start().await;
    engine.expect("GetLayout").never();
    let mut layouts = object.layouts();
    assert!(layouts.next().now_or_never().is_none());
    bounded(engine.settled()).await;
    engine.change(&[2]);
    settle(&engine, &session).await;
    engine.expect("CancelRequest");
    engine.expect("GetLayout").answer(layout(2));
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap().info.id, "x");
    let stale = engine.calls().iter().find(|call| call.method == "GetLayout").unwrap().id;
    assert!(
        engine.calls().iter().any(|call| call.method == "CancelRequest" && call.params == json!([stale]))
    );
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn aborted_layout_is_fetched_again_without_another_notice() {
    let (engine, _session, object) = start().await;
    engine.expect("GetLayout").times(6).refuse(15, "Request aborted");
    engine.expect("GetLayout").answer(layout(7));
    let mut layouts = object.layouts_into::<Number>();
    let start = tokio::time::Instant::now();
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 7 });
    // What is aborted over and over is not asked for without a pause.
    assert!((Duration::from_millis(10)..Duration::from_secs(2)).contains(&start.elapsed()));
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn final_error_is_an_item_and_the_stream_goes_on() {
    let (engine, session, object) = start().await;
    engine.expect("GetLayout").refuse(7004, "Calculation timed out");
    let mut layouts = object.layouts_into::<Number>();
    let error = bounded(layouts.next()).await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.engine().unwrap().code.get()), (ErrorKind::Engine, 7004));
    assert!(layouts.next().now_or_never().is_none());
    engine.change(&[2]);
    settle(&engine, &session).await;
    engine.expect("GetLayout").answer(layout(3));
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 3 });
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn stream_ends_with_the_object_also_in_the_middle_of_a_fetch() {
    let (engine, session, object) = start().await;
    engine.expect("GetLayout").never();
    let mut layouts = object.layouts();
    assert!(layouts.next().now_or_never().is_none());
    bounded(engine.settled()).await;
    engine.close_objects(&[2]);
    settle(&engine, &session).await;
    assert!(bounded(layouts.next()).await.is_none());
    assert!(bounded(layouts.next()).await.is_none());
    let mut others = object.layouts();
    assert!(bounded(others.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn stream_goes_on_with_the_object_that_a_resume_has_made_again() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default().resume(ResumePolicy::by_hand())).await;
    let object = object(&engine, &session).await;
    engine.expect("GetLayout").on(2).answer(layout(1));
    let mut layouts = object.layouts_into::<Number>();
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 1 });
    engine.expect("GetLayout").on(2).never();
    engine.change(&[2]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(layouts.next().now_or_never().is_none());
    bounded(engine.settled()).await;
    bounded(session.suspend()).await.unwrap();
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap_err().kind(), ErrorKind::Suspended);
    assert!(layouts.next().now_or_never().is_none());
    engine.expect("GetActiveDoc").any_times().find_nothing();
    engine.expect("OpenDoc").open(7, "Doc");
    engine.expect("GetObject").on(7).open(8, "GenericObject");
    engine.expect("GetLayout").on(8).answer(layout(3));
    bounded(session.resume()).await.unwrap();
    assert_eq!(bounded(layouts.next()).await.unwrap().unwrap(), Number { n: 3 });
    assert!(layouts.next().now_or_never().is_none());
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn apps_have_layouts_too_and_they_are_streams() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    let doc = doc(&engine, &session).await;
    engine.expect("GetAppLayout").times(2).answer(json!({"qLayout": {"qTitle": "Sales"}}));
    let mut layouts = doc.layouts().delta(true);
    assert_eq!(bounded(StreamExt::next(&mut layouts)).await.unwrap().unwrap().title, "Sales");
    engine.change(&[1]);
    let next = bounded(StreamExt::next(&mut layouts)).await.unwrap().unwrap();
    assert_eq!(next.title, "Sales");
    assert!(engine.calls().iter().filter(|call| call.method == "GetAppLayout").all(|call| call.delta));
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_thousand_notices_of_a_thousand_objects_pile_up_nowhere_and_every_last_state_is_seen() {
    const OBJECTS: usize = 1000;
    const NOTICES: usize = 100_000;
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    let doc = doc(&engine, &session).await;
    let version = std::sync::Arc::new(std::sync::Mutex::new(vec![0usize; OBJECTS]));
    let state = version.clone();
    engine.expect("GetObject").times(OBJECTS).answer_with(|call| {
        let handle: i32 = call.params[0].as_str().and_then(|id| id.parse().ok()).unwrap();
        json!({"qReturn": {"qType": "GenericObject", "qHandle": handle, "qGenericId": call.params[0]}})
    });
    engine.expect("GetLayout").any_times().answer_with(
        move |call| json!({"qLayout": {"n": state.lock().unwrap()[call.handle.get() as usize - 10]}}),
    );
    let mut readers = Vec::new();
    for at in 0..OBJECTS {
        let object = bounded(doc.get_object(&format!("{}", at + 10))).await.unwrap();
        let mut layouts = object.layouts_into::<Number>();
        readers.push(tokio::spawn(async move {
            let mut seen = 0;
            while seen < (NOTICES / OBJECTS) as i32 {
                seen = layouts.next().await.unwrap().unwrap().n;
            }
            seen
        }));
    }
    for notice in 0..NOTICES {
        let at = notice * 7919 % OBJECTS;
        version.lock().unwrap()[at] += 1;
        engine.change(&[at as i32 + 10]);
        if notice % 512 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        assert_eq!(bounded(reader).await.unwrap() as usize, NOTICES / OBJECTS);
    }
    // Fetches are coalesced: at most one for each notice, and far fewer while notices come in bursts.
    let fetches = engine.calls().iter().filter(|call| call.method == "GetLayout").count();
    assert!(fetches <= NOTICES + OBJECTS, "{fetches}");
}
