//! What is not in a recording comes from an engine, and is in the recording from then on.

use std::{path::Path, time::Duration};

use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};
use qix_proxy::{
    ListenOn,
    record::{Appender, EntryKind, RecordingReader, Redaction, check},
    replay::{Miss, OnMiss, ReplayServer, ReplaySettings, ReplaySummary, Tapes, Upstream},
};
use qix_tests::{FakeEngine, fake_engine::Direction};
use serde_json::{Value, json};
use tokio::{sync::oneshot, task::JoinHandle};

use crate::support::*;

/// A replay that asks an engine.
struct Asking {
    url: String,
    stop: oneshot::Sender<()>,
    running: JoinHandle<(ReplaySummary, Vec<Miss>)>,
    upstream: Upstream,
}

impl Asking {
    async fn start(path: &Path, engine: &str) -> Self {
        Self::with(path, engine, Duration::from_secs(30)).await
    }

    async fn with(path: &Path, engine: &str, patience: Duration) -> Self {
        let engine = Endpoint::parse(engine).unwrap();
        let connect = move |path: &str| {
            WsConnect::builder(engine.with_path(path).unwrap()).build().map_err(|error| error.to_string())
        };
        let appender = Appender::open([path], &Redaction::standard()).unwrap();
        let upstream = Upstream::new(connect).append_to(appender).patience(patience);
        let (tapes, _) = Tapes::open(path).unwrap();
        let settings = ReplaySettings::default().on_miss(OnMiss::Upstream(upstream.clone()));
        let server = ReplayServer::bind_with(tapes, &[ListenOn::Tcp(ANY_PORT)], &settings).await.unwrap();
        let url = format!("ws://{}/app/Sales.qvf/identity/me", server.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let mut misses = Vec::new();
            let summary = server.run(async { _ = stopped.await }, |miss| misses.push(miss)).await;
            (summary, misses)
        });
        Self { url, stop, running, upstream }
    }

    async fn finish(self) -> (ReplaySummary, Vec<Miss>, u64) {
        _ = self.stop.send(());
        let (summary, misses) = bounded(self.running).await.unwrap();
        (summary, misses, bounded(self.upstream.finish()).await.unwrap())
    }
}

/// What the recording has: an object and a selection.
async fn recorded_part(session: &Session) -> Value {
    let doc = sales(session).await;
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    bounded(list.select_list_object_values("/qListObjectDef", &[1], false)).await.unwrap();
    bounded(list.get_layout().call_into::<Value>()).await.unwrap()
}

/// What it does not have: an object that hangs from a recorded one, one of its own, and an error.
async fn new_part(session: &Session) -> Vec<Value> {
    let doc = sales(session).await;
    let mut seen = vec![json!(evaluate(&doc, "Sum(Sales)").await.unwrap())];
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    seen.push(bounded(list.call::<Value>("GetProperties", &[(); 0]).into_future()).await.unwrap());
    let chart = bounded(doc.create_session_object(&cube("new"))).await.unwrap();
    seen.push(json!(rows(&bounded(chart.get_layout().call_into::<Value>()).await.unwrap())));
    let error = bounded(doc.get_object("nowhere")).await.unwrap_err();
    seen.push(json!(format!("{:?}", error.kind())));
    seen
}

async fn recording(engine: &FakeEngine) -> Recording {
    let recorder = Recorder::start(engine).await;
    let session = session(&recorder.url("Sales.qvf/identity/me")).await;
    recorded_part(&session).await;
    bounded(session.close()).await;
    recorder.finish().await
}

/// What an engine says to all of it.
async fn direct() -> Vec<Value> {
    let engine = engine().await;
    let session = session(&engine.url("Sales.qvf/identity/me")).await;
    recorded_part(&session).await;
    let seen = new_part(&session).await;
    bounded(session.close()).await;
    seen
}

#[tokio::test]
async fn upstream_answers_in_the_state_of_the_session_and_the_next_replay_does_without() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let expected = direct().await;

    let asking = Asking::start(&recording.path, &engine.base_url()).await;
    let live = session(&asking.url).await;
    recorded_part(&live).await;
    assert_eq!(new_part(&live).await, expected);
    bounded(live.close()).await;
    let (summary, misses, added) = asking.finish().await;
    assert_eq!((summary.missed, added), (0, 1));
    assert_eq!(summary.upstream, misses.len() as u64);
    assert!(misses.iter().all(|miss| miss.upstream == Some(Ok(()))), "{misses:#?}");
    engine.shutdown().await;

    assert!(check(&recording.path).unwrap().is_whole());
    let replay = recording.replay().await;
    let live = session(&replay.url("Sales.qvf/identity/me")).await;
    recorded_part(&live).await;
    assert_eq!(new_part(&live).await, expected);
    bounded(live.close()).await;
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn what_the_client_has_opened_and_changed_is_done_again_once_and_in_its_order() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let asking = Asking::start(&recording.path, &engine.base_url()).await;
    let known = engine.log().len();
    let live = session(&asking.url).await;
    recorded_part(&live).await;
    assert_eq!(engine.log().len(), known, "nothing is asked before something is missing");
    let doc = sales(&live).await;
    evaluate(&doc, "1+1").await.unwrap();
    evaluate(&doc, "2+2").await.unwrap();
    bounded(live.close()).await;
    asking.finish().await;
    let log = engine.log();
    let methods: Vec<String> = log[known..]
        .iter()
        .filter(|entry| entry.direction == Direction::Received)
        .map(|entry| {
            serde_json::from_str::<Value>(&entry.text).unwrap()["method"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(methods, ["OpenDoc", "GetObject", "SelectListObjectValues", "Evaluate", "Evaluate"]);
}

#[tokio::test]
async fn change_that_the_recording_does_not_know_makes_the_upstream_answer_what_depends_on_it() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let asking = Asking::start(&recording.path, &engine.base_url()).await;
    let live = session(&asking.url).await;
    let recorded = recorded_part(&live).await;
    let doc = sales(&live).await;
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    let mut changes = list.changes();
    bounded(list.select_list_object_values("/qListObjectDef", &[2], false)).await.unwrap();
    assert_eq!(bounded(changes.next()).await, Some(()), "the client is told that what it has is old");
    let other: Value = bounded(list.get_layout().call_into::<Value>()).await.unwrap();
    assert_ne!(other["qListObject"]["qDataPages"], recorded["qListObject"]["qDataPages"]);
    bounded(live.close()).await;
    let (summary, ..) = asking.finish().await;
    assert_eq!((summary.missed, summary.upstream), (0, 2));
}

#[tokio::test]
async fn answers_come_in_the_dialect_of_the_client() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let asking = Asking::start(&recording.path, &engine.base_url()).await;
    let mut raw = Raw::greeted(&asking.url).await;
    let ask = |id: Value, handle: &Value, method: &str, params: Value| json!({"id": id, "handle": handle, "method": method, "params": params, "delta": true});
    let doc = raw.ask(ask(json!("a"), &json!(-1), "OpenDoc", json!(["Sales.qvf"]))).await;
    let handle = &doc["result"]["qReturn"][0]["value"]["qHandle"];
    let answer = raw.ask(ask(json!(0), handle, "GetField", json!({"qFieldName": "Year"}))).await;
    assert_eq!(answer["delta"], true);
    let field = &answer["result"]["qReturn"][0]["value"];
    assert_eq!((&field["qType"], field["qHandle"] == *handle), (&json!("Field"), false));
    let answer = raw.ask(ask(json!(0), &field["qHandle"], "GetCardinal", json!([]))).await;
    assert_eq!(answer["result"]["qReturn"][0], json!({"op": "add", "path": "/", "value": 3}));
    raw.bye().await;
    let (summary, ..) = asking.finish().await;
    assert_eq!((summary.missed, summary.upstream), (0, 2));
}

#[tokio::test]
async fn failure_of_the_upstream_is_told_by_the_step_that_failed() {
    let engine = engine().await;
    let made = session(&engine.url("Sales.qvf/identity/maker")).await;
    let doc = sales(&made).await;
    let mine = definition("mine", json!({}));
    bounded(doc.call::<Value>("CreateObject", &[mine]).into_future()).await.unwrap();
    bounded(doc.call::<Value>("DoSave", &[(); 0]).into_future()).await.unwrap();
    let recorder = Recorder::start(&engine).await;
    let recorded = session(&recorder.url("Sales.qvf/identity/me")).await;
    bounded(sales(&recorded).await.get_object("mine")).await.unwrap();
    bounded(recorded.close()).await;
    let recording = recorder.finish().await;
    // An engine without this object.
    let other = engine_with(|_| {}).await;
    let asking = Asking::start(&recording.path, &other.base_url()).await;
    let live = session(&asking.url).await;
    let mine = bounded(sales(&live).await.get_object("mine")).await.unwrap();
    let error = bounded(mine.get_layout().call_into::<Value>()).await.unwrap_err();
    let error = error.engine().unwrap().clone();
    assert_eq!(error.code.get(), Miss::CODE);
    let says = r#"; upstream: GetObject on OpenDoc("Sales.qvf") opens nothing there"#;
    assert!(error.parameter.ends_with(says), "{}", error.parameter);
    bounded(live.close()).await;
    let (summary, ..) = asking.finish().await;
    assert_eq!((summary.missed, summary.upstream), (1, 0));

    let before = std::fs::read(&recording.path).unwrap();
    other.shutdown().await;
    let asking = Asking::start(&recording.path, "ws://127.0.0.1:1").await;
    let live = session(&asking.url).await;
    let doc = sales(&live).await;
    let error = evaluate(&doc, "1+1").await.unwrap_err();
    assert!(
        error.engine().unwrap().parameter.contains("; upstream: cannot open a connection to "),
        "{error:?}"
    );
    bounded(live.close()).await;
    let (_, misses, added) = asking.finish().await;
    assert!(added == 0 && matches!(misses[0].upstream, Some(Err(_))));
    assert!(std::fs::read(&recording.path).unwrap() == before, "nothing is added where nothing was said");
}

#[tokio::test]
async fn engine_that_does_not_answer_costs_one_question_and_not_the_session() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let asking = Asking::with(&recording.path, &engine.base_url(), Duration::from_millis(300)).await;
    let live = session(&asking.url).await;
    let doc = sales(&live).await;
    let error = evaluate(&doc, "Hang()").await.unwrap_err();
    let parameter = &error.engine().unwrap().parameter;
    assert!(parameter.ends_with("; upstream: it did not answer within 300ms"), "{parameter}");
    assert_eq!(evaluate(&doc, "4*4").await.unwrap(), "16");
    let error = evaluate(&doc, "Close(4003)").await.unwrap_err();
    assert!(error.engine().unwrap().parameter.contains("; upstream: it hung up: "), "{error:?}");
    assert_eq!(evaluate(&doc, "5*5").await.unwrap(), "25");
    bounded(live.close()).await;
    let (summary, _, added) = asking.finish().await;
    assert_eq!((summary.missed, summary.upstream, added), (2, 2, 3));
    assert!(check(&recording.path).unwrap().is_whole());
}

#[tokio::test]
async fn passwords_go_to_the_upstream_and_not_into_the_recording() {
    let engine = engine().await;
    let recording = recording(&engine).await;
    let asking = Asking::start(&recording.path, &engine.base_url()).await;
    let mut raw = Raw::greeted(&asking.url).await;
    let open = json!({"id": 1, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf", "me", "s3cret"]});
    let opened = raw.ask(open).await;
    let handle = &opened["result"]["qReturn"]["qHandle"];
    raw.ask(json!({"id": 2, "handle": handle, "method": "Evaluate", "params": ["3*3"]})).await;
    raw.bye().await;
    asking.finish().await;
    assert!(engine.log().iter().any(|entry| entry.text.contains("s3cret")));
    let text = std::fs::read_to_string(&recording.path).unwrap();
    assert!(!text.contains("s3cret") && text.contains("3*3"));
    let added = RecordingReader::open(&recording.path)
        .unwrap()
        .filter(|entry| matches!(&entry.as_ref().unwrap().kind, EntryKind::Open(opening) if opening.added));
    assert_eq!(added.count(), 1);
}
