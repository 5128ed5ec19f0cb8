//! Calls: what is sent, what is returned, and what becomes of those that are given up.

use std::time::Duration;

use futures_util::FutureExt as _;
use qix_client::{ErrorKind, Session, SessionConfig, protocol::Handle, testing::ScriptedEngine};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use crate::support::{bounded, doc, engine, object, sales, scripted, session};

async fn start() -> (ScriptedEngine, Session) {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default()).await;
    (engine, session)
}

#[tokio::test(start_paused = true)]
async fn optional_parameters_are_sent_by_name_once_one_before_them_is_left_out() {
    let (engine, session) = start().await;
    engine.expect("OpenDoc").any_times().open(1, "Doc");
    let global = session.global();
    bounded(global.open_doc("Sales").no_data(false)).await.unwrap();
    bounded(global.open_doc("Sales").user_name("me")).await.unwrap();
    let sent: Vec<Value> = engine.calls().into_iter().map(|call| call.params).collect();
    assert_eq!(sent, [json!({"qDocName": "Sales", "qNoData": false}), json!(["Sales", "me"])]);
}

#[tokio::test(start_paused = true)]
async fn id_is_known_before_the_call_is_sent_so_that_progress_can_be_asked_for() {
    let (engine, session) = start().await;
    let doc = doc(&engine, &session).await;
    let reload = doc.do_reload();
    let id = reload.request_id();
    engine.expect("DoReload").after(Duration::from_secs(5)).answer(json!({"qReturn": true}));
    engine.expect("GetProgress").with(json!([id])).answer(json!({"qProgressData": {"qStarted": true}}));
    let progress = async { session.global().get_progress(id).await };
    let (done, progress) = bounded(async { tokio::join!(reload.into_future(), progress) }).await;
    assert!(done.unwrap() && progress.unwrap().started);
    assert_eq!(engine.calls().iter().find(|call| call.method == "DoReload").unwrap().id, id);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn dropped_call_is_cancelled_and_its_late_answer_is_consumed() {
    let (engine, session) = start().await;
    let doc = doc(&engine, &session).await;
    engine.expect("DoReload").never();
    let cancel = engine.expect("CancelRequest").on(-1);
    let call = doc.do_reload();
    let cancel = cancel.with(json!([call.request_id()]));
    let mut call = call.into_future();
    assert!((&mut call).now_or_never().is_none());
    engine.expect("DoSave");
    bounded(doc.do_save()).await.unwrap();
    drop(call);
    // The scripted engine answers the cancelled call with error 15 then.
    bounded(engine.settled()).await;
    engine.expect("DoSave");
    bounded(doc.do_save()).await.unwrap();
    assert_eq!(cancel.met(), 1);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn detached_call_is_not_cancelled_by_being_dropped() {
    let (engine, session) = start().await;
    let doc = doc(&engine, &session).await;
    let reload = engine.expect("DoReload").never();
    let mut call = doc.do_reload().detach().into_future();
    assert!((&mut call).now_or_never().is_none());
    drop(call);
    bounded(engine.settled()).await;
    engine.expect("DoSave");
    bounded(doc.do_save()).await.unwrap();
    assert_eq!(reload.met(), 1);
    assert!(!engine.calls().iter().any(|call| call.method == "CancelRequest"));
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn detached_call_that_was_dropped_in_a_full_queue_is_sent_all_the_same() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default().queue(1)).await;
    let global = session.global();
    let calls = engine.expect("DoThing").times(4).answer(json!({}));
    let calls: (Vec<_>, _) = (
        (0..4).map(|at| Box::pin(global.call::<Value>("DoThing", &[at]).detach().into_future())).collect(),
        calls,
    );
    for mut call in calls.0 {
        // The session's task has had no chance to take anything from the queue yet.
        assert!(call.as_mut().now_or_never().is_none());
    }
    bounded(engine.settled()).await;
    assert_eq!(calls.1.met(), 4);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn timeout_fails_the_call_and_cancels_it_in_the_engine() {
    let (engine, session) = start().await;
    engine.expect("EngineVersion").never();
    let cancel = engine.expect("CancelRequest");
    let call = session.global().engine_version().timeout(Duration::from_secs(9));
    let start = tokio::time::Instant::now();
    assert_eq!(bounded(call).await.unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 9);
    bounded(engine.settled()).await;
    assert_eq!(cancel.met(), 1);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn null_reference_is_a_typed_error() {
    let (engine, session) = start().await;
    let doc = doc(&engine, &session).await;
    engine.expect("GetObject").find_nothing();
    let error = bounded(doc.get_object("nowhere")).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "GetObject: no such object")
    );
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn results_carry_all_out_members() {
    let (engine, session) = start().await;
    let doc = doc(&engine, &session).await;
    engine.expect("CreateDimension").answer(json!({
        "qInfo": {"qId": "D1", "qType": "dimension"},
        "qReturn": {"qType": "GenericDimension", "qHandle": 5, "qGenericId": "D1"},
    }));
    let opened = bounded(doc.create_dimension(&json!({}))).await.unwrap();
    assert_eq!(opened.output.info.id, "D1");
    assert_eq!((opened.object.handle(), opened.object.id()), (Handle::new(5), Some("D1")));
    engine.expect("GetInteract").answer(json!({"qReturn": true, "qDef": {"qTitle": "Stop?"}}));
    let interaction = bounded(session.global().get_interact(doc.do_reload().request_id())).await.unwrap();
    assert!(interaction.return_);
    assert_eq!(interaction.def.title, "Stop?");
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn own_types_dynamic_values_and_borrowed_text_can_be_had_of_any_answer() {
    #[derive(Deserialize)]
    struct Kpi {
        title: String,
    }
    #[derive(Deserialize)]
    struct Out<'a> {
        #[serde(borrow, rename = "qLayout")]
        layout: &'a RawValue,
    }
    let (engine, session) = start().await;
    let object = object(&engine, &session).await;
    let layout = json!({"qInfo": {"qId": "x", "qType": "kpi"}, "title": "Margin", "more": [1.50, null]});
    engine.expect("GetLayout").on(2).times(5).answer(json!({"qOther": [0], "qLayout": layout}));
    assert_eq!(bounded(object.get_layout()).await.unwrap().info.id, "x");
    assert_eq!(bounded(object.get_layout().call_into::<Kpi>()).await.unwrap().title, "Margin");
    assert_eq!(bounded(object.get_layout().call_into::<Value>()).await.unwrap(), layout);
    let answer = bounded(object.get_layout().raw()).await.unwrap();
    let text = answer.text();
    let out: Out<'_> = serde_json::from_slice(&text).unwrap();
    // It lies in the frame itself.
    assert!(answer.frame().as_ptr_range().contains(&out.layout.get().as_ptr()));
    let named: Value = bounded(session.call(Handle::new(2), "GetLayout", &json!([]))).await.unwrap();
    assert_eq!(named["qLayout"], layout);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn delta_is_asked_for_by_call_or_by_session_and_gives_the_same_values() {
    let engine = ScriptedEngine::new();
    let session = scripted(&engine, SessionConfig::default().delta(true)).await;
    engine
        .expect("OpenDoc")
        .patch(json!({"qReturn": [{"op": "add", "path": "/", "value": {"qType": "Doc", "qHandle": 1}}]}));
    let doc = bounded(session.global().open_doc("Sales")).await.unwrap();
    let whole = json!({"qTitle": "a", "qFileName": "f", "big": [1, 2, 3]});
    engine.expect("GetAppLayout").patch(json!({"qLayout": [{"op": "add", "path": "/", "value": whole}]}));
    let first = bounded(doc.get_app_layout().call_into::<Value>()).await.unwrap();
    engine
        .expect("GetAppLayout")
        .patch(json!({"qLayout": [{"op": "replace", "path": "/qTitle", "value": "b"}]}));
    let typed = bounded(doc.get_app_layout()).await.unwrap();
    engine.expect("GetAppLayout").patch(json!({"qLayout": []}));
    let third = bounded(doc.get_app_layout().call_into::<Value>()).await.unwrap();
    engine.expect("GetAppLayout").answer(json!({"qLayout": third}));
    let plain = bounded(doc.get_app_layout().delta(false)).await.unwrap();
    assert_eq!(first, whole);
    assert_eq!(
        (typed.title.as_str(), &third["qTitle"], &third["big"]),
        ("b", &json!("b"), &json!([1, 2, 3]))
    );
    assert_eq!(typed, plain);
    let asked: Vec<bool> = engine.calls().into_iter().map(|call| call.delta).collect();
    assert_eq!(asked, [true, true, true, true, false]);
    engine.finish();
}

#[tokio::test(start_paused = true)]
async fn value_that_a_caller_keeps_is_not_changed_by_later_patches() {
    let (engine, session) = start().await;
    let object = object(&engine, &session).await;
    engine
        .expect("GetLayout")
        .patch(json!({"qLayout": [{"op": "add", "path": "/", "value": {"n": [1, 2]}}]}));
    let kept = bounded(object.get_layout().delta(true).raw()).await.unwrap();
    engine.expect("GetLayout").patch(json!({"qLayout": [{"op": "replace", "path": "/n/0", "value": 9}]}));
    let newer = bounded(object.get_layout().delta(true).raw()).await.unwrap();
    assert_eq!(kept.text(), br#"{"qLayout":{"n":[1,2]}}"#.as_slice());
    assert_eq!(newer.text(), br#"{"qLayout":{"n":[9,2]}}"#.as_slice());
    engine.finish();
}

#[tokio::test]
async fn delta_and_plain_layouts_of_an_engine_are_equal() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    let list = bounded(doc.create_session_object(&json!({
        "qInfo": {"qType": "list"},
        "qListObjectDef": {"qDef": {"qFieldDefs": ["Region"]}, "qInitialDataFetch": [{"qHeight": 10, "qWidth": 1}]},
    })))
    .await
    .unwrap();
    for selected in [vec![0], vec![1, 2], vec![]] {
        bounded(list.select_list_object_values("/qListObjectDef", &selected, false)).await.unwrap();
        let patched: Value = bounded(list.get_layout().delta(true).call_into()).await.unwrap();
        let plain: Value = bounded(list.get_layout().call_into()).await.unwrap();
        assert_eq!(patched, plain);
    }
}

#[tokio::test]
async fn cancelled_and_late_delta_answer_is_still_the_base_of_the_next() {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    bounded(doc.get_app_layout().delta(true)).await.unwrap();
    let mut dropped = doc.get_app_layout().delta(true).into_future();
    assert!((&mut dropped).now_or_never().is_none());
    tokio::task::yield_now().await;
    drop(dropped);
    let after: Value = bounded(doc.get_app_layout().delta(true).call_into()).await.unwrap();
    let plain: Value = bounded(doc.get_app_layout().call_into()).await.unwrap();
    assert_eq!(after, plain);
}
