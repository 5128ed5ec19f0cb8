//! Recordings made again at an engine: what differs is named, and nothing else.

use std::{future::pending, path::Path};

use qix_client::{
    Doc, GenericObject,
    protocol::Handle,
    transport::{CloseCode, Endpoint, SocketExt},
};
use qix_proxy::{
    record::{RecordConnect, RecorderConfig},
    redrive::{Concurrency, DifferenceKind, Only, Redrive, RedriveReport, RedriveSettings, Verdict},
    replay::ReplayConnect,
};
use qix_tests::{
    FakeEngine,
    fake_engine::{Direction, Otherwise},
};
use serde_json::{Value, json};

use crate::support::*;

/// Makes a recording again at an engine.
async fn redrive(path: &Path, engine: &FakeEngine, settings: RedriveSettings) -> RedriveReport {
    redrive_all(&[path], engine, settings).await
}

async fn redrive_all(paths: &[&Path], engine: &FakeEngine, settings: RedriveSettings) -> RedriveReport {
    let redrive = Redrive::open(paths, settings).unwrap();
    let url = Endpoint::parse(&engine.base_url()).unwrap();
    let connect = |path: &str| Ok(connector(&url.with_path(path).unwrap().to_string()));
    bounded(redrive.run(connect, pending(), |_| {})).await
}

/// An engine that differs in what should make no difference, or should.
async fn other(change: impl FnOnce(&mut Otherwise)) -> FakeEngine {
    engine_with(|config| change(&mut config.otherwise)).await
}

#[track_caller]
fn assert_equal(report: &RedriveReport) {
    let blocks: String = report.different.iter().map(|answer| answer.block(false)).collect();
    assert_eq!(report.verdict(), Verdict::Equal, "{blocks}{}", report.text(false));
    assert!(report.counts.compared > 0 && report.notices.is_empty(), "{}", report.text(false));
}

/// The places that differ, with their methods.
fn places(report: &RedriveReport) -> Vec<String> {
    let places = report.different.iter().flat_map(|answer| {
        answer.differences.iter().map(|found| format!("{} {}", answer.call.method, found.place))
    });
    places.collect()
}

async fn call(doc: &Doc, method: &'static str, params: Value) -> Value {
    bounded(doc.call::<Value>(method, &params).into_future()).await.unwrap()
}

async fn layout(object: &GenericObject) -> Value {
    bounded(object.get_layout().call_into::<Value>()).await.unwrap()
}

/// What most clients do: lists, objects of the app, session objects with and without an id of their own, selections, data.
async fn typical(doc: &Doc) {
    call(doc, "GetAllInfos", json!([])).await;
    call(doc, "GetObjects", json!([{"qTypes": ["sheet"], "qData": {"rank": "/rank"}}])).await;
    for list in ["qAppObjectListDef", "qDimensionListDef", "qMeasureListDef", "qFieldListDef"] {
        let definition = json!({"qInfo": {"qType": "list"}, (list): {"qType": "sheet"}});
        let object = bounded(doc.create_session_object(&definition)).await.unwrap();
        let layout = layout(&object).await;
        // An id that the engine has made up, in the parameters of a later call.
        let id = layout["qInfo"]["qId"].as_str().unwrap();
        bounded(doc.get_object(id)).await.unwrap();
    }
    let chart = bounded(doc.create_session_object(&cube("mine"))).await.unwrap();
    // Nobody would wait for the answer to its end.
    chart.keep();
    layout(&chart).await;
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    layout(&list).await;
    bounded(list.select_list_object_values("/qListObjectDef", &[0, 2], false)).await.unwrap();
    layout(&list).await;
    layout(&chart).await;
    call(doc, "ClearAll", json!([])).await;
    let page = json!(["/qHyperCubeDef", [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 10}]]);
    bounded(chart.call::<Value>("GetHyperCubeData", &page).into_future()).await.unwrap();
    let kpi = bounded(doc.get_object("CH12")).await.unwrap();
    layout(&kpi).await;
    call(doc, "GetAppLayout", json!([])).await;
    bounded(doc.get_object("nowhere")).await.unwrap_err();
    evaluate(doc, "Sum(Sales)").await.unwrap();
}

async fn record(engine: &FakeEngine, path: &str, work: impl AsyncFnOnce(&Doc)) -> Recording {
    let recorder = Recorder::start(engine).await;
    let session = session(&recorder.url(path)).await;
    bounded(session.call::<Value>(Handle::GLOBAL, "GetDocList", &[(); 0]).into_future()).await.unwrap();
    work(&sales(&session).await).await;
    bounded(session.close()).await;
    recorder.finish().await
}

#[tokio::test]
async fn same_engine_gives_no_difference() {
    let engine = engine().await;
    let recording = record(&engine, "Sales.qvf/identity/me", typical).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_equal(&report);
    assert_eq!((report.counts.connected, report.counts.calls), (1, report.counts.compared));
    // Nobody else is in its session.
    assert!(engine.upgrades()[1].target.contains("/identity/redrive-"));
}

#[tokio::test]
async fn other_handles_made_up_ids_and_order_of_lists_are_no_difference() {
    let recording = record(&engine().await, "Sales.qvf", typical).await;
    let otherwise = Otherwise {
        first_handle: 501,
        handle_step: 3,
        id_seed: 7,
        reversed_lists: true,
        ..Otherwise::default()
    };
    let engine = other(|config| *config = otherwise).await;
    assert_equal(&redrive(&recording.path, &engine, RedriveSettings::default()).await);
}

#[tokio::test]
async fn changed_row_of_data_is_named_with_what_depends_on_it_and_nothing_else() {
    let recording = record(&engine().await, "Sales.qvf", async |doc| {
        let chart = bounded(doc.create_session_object(&cube("mine"))).await.unwrap();
        layout(&chart).await;
        layout(&bounded(doc.get_object("LB01")).await.unwrap()).await;
        call(doc, "GetAppLayout", json!([])).await;
        evaluate(doc, "Sum(Quantity)").await.unwrap();
    })
    .await;
    let engine = other(|config| config.sales = Some((0, 90_000))).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_eq!(report.verdict(), Verdict::Different);
    let cube = "GetLayout /qLayout/qHyperCube";
    let places = places(&report);
    let row = format!("{cube}/qDataPages/0/qMatrix/[North]/1/qNum");
    let mut expected =
        vec![row, format!("{cube}/qGrandTotalRow/0/qNum"), format!("{cube}/qMeasureInfo/0/qMax")];
    expected.sort();
    let mut found = places.clone();
    found.retain(|place| !place.ends_with("qApprMaxGlyphCount"));
    found.sort();
    assert_eq!(found, expected);
    assert!(report.different.iter().all(|answer| answer.differences[0].kind == DifferenceKind::Number));
}

#[tokio::test]
async fn changed_measure_is_named_and_nothing_else() {
    let recording = record(&engine().await, "Sales.qvf", async |doc| {
        let measure = call(doc, "GetMeasure", json!(["MEA01"])).await;
        assert_eq!(measure["qReturn"]["qType"], "GenericMeasure");
        layout(&bounded(doc.get_object("LB01")).await.unwrap()).await;
        layout(&bounded(doc.get_object("CH12")).await.unwrap()).await;
        layout(&bounded(doc.get_object("CH01")).await.unwrap()).await;
    })
    .await;
    let engine = other(|config| config.measure = Some("Sum(Quantity)".to_owned())).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_eq!(report.different.len(), 1, "{:#?}", report.different);
    assert!(report.different[0].call.object.to_string().ends_with(r#"GetObject("CH12")"#));
    let total = |place: &String| place == "GetLayout /qLayout/qHyperCube/qGrandTotalRow/0/qNum";
    assert!(places(&report).iter().any(total), "{:#?}", places(&report));
    let block = report.different[0].block(false);
    assert!(block.contains(r#"differs: GetLayout() on OpenDoc("Sales.qvf") / GetObject("CH12")"#), "{block}");
}

/// Properties of an object of the app, of a session object, a soft patch, a save, and an object that is made and used.
async fn writing(doc: &Doc) {
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    let mut properties =
        bounded(list.call::<Value>("GetProperties", &[(); 0]).into_future()).await.unwrap()["qProp"].take();
    properties["title"] = json!("changed");
    bounded(list.call::<Value>("SetProperties", &[&properties]).into_future()).await.unwrap();
    layout(&list).await;
    let mine = bounded(doc.create_session_object(&cube("mine"))).await.unwrap();
    bounded(mine.call::<Value>("SetProperties", &[cube("mine")]).into_future()).await.unwrap();
    layout(&mine).await;
    let patch = json!([[{"qOp": "add", "qPath": "/title", "qValue": "\"soft\""}], true]);
    bounded(mine.call::<Value>("ApplyPatches", &patch).into_future()).await.unwrap();
    layout(&mine).await;
    let made = call(doc, "CreateObject", json!([{"qInfo": {"qType": "kpi"}}])).await;
    let made = bounded(doc.get_object(made["qInfo"]["qId"].as_str().unwrap())).await.unwrap();
    layout(&made).await;
    call(doc, "DoSave", json!([])).await;
}

fn received(engine: &FakeEngine, method: &str) -> usize {
    let asked = |entry: &&qix_tests::fake_engine::LogEntry| {
        entry.direction == Direction::Received && entry.text.contains(&format!("\"{method}\""))
    };
    engine.log().iter().filter(asked).count()
}

#[tokio::test]
async fn writes_are_refused_and_what_needs_them_is_skipped() {
    let recording = record(&engine().await, "Sales.qvf", writing).await;
    let engine = engine().await;
    let redrive_of = Redrive::open([&recording.path], RedriveSettings::default()).unwrap();
    assert_eq!(redrive_of.refused(), 3);
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_eq!(report.verdict(), Verdict::Equal, "{}", report.text(false));
    let refused: Vec<&str> = report.refused.keys().map(|call| call.split(' ').next().unwrap()).collect();
    assert_eq!(refused, ["CreateObject", "DoSave", "SetProperties"]);
    // The layout of what was not changed, the object that was not made, and its layout.
    assert_eq!((report.counts.skipped, report.counts.skipped_by_choice), (3, 3), "{}", report.text(false));
    assert_eq!(
        ["DoSave", "CreateObject", "SetProperties"].map(|method| received(&engine, method)),
        [0, 0, 1]
    );
    assert_eq!(report.counts.calls, report.counts.sent + report.counts.skipped + report.counts.refused);
}

#[tokio::test]
async fn writes_are_sent_if_that_is_asked_for() {
    let recording = record(&engine().await, "Sales.qvf", writing).await;
    let engine = other(|config| config.id_seed = 9).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default().allow_writes(true)).await;
    assert_equal(&report);
    assert_eq!((report.counts.refused, received(&engine, "DoSave")), (0, 1));
}

#[tokio::test]
async fn app_that_is_not_there_is_named_and_another_can_be_taken() {
    let recording = record(&engine().await, "Sales.qvf", typical).await;
    let engine = engine().await;
    // As if it had another name there.
    let text = std::fs::read_to_string(&recording.path).unwrap().replace("Sales.qvf", "Gone.qvf");
    let path = recording.path.with_file_name("gone.qixrec");
    std::fs::write(&path, text).unwrap();
    let report = redrive(&path, &engine, RedriveSettings::default()).await;
    assert_eq!(report.verdict(), Verdict::Different);
    let text = report.text(false);
    assert!(text.contains("Gone.qvf") && text.contains("--app Gone.qvf=OTHER"), "{text}");
    assert!(report.counts.compared >= 1 && report.counts.skipped > 10, "{text}");
    let report = redrive(&path, &engine, RedriveSettings::default().app("Gone.qvf", "Sales.qvf")).await;
    let blocks: String = report.different.iter().map(|answer| answer.block(false)).collect();
    // The list of apps alone has no app of that name.
    assert!(report.different.iter().all(|answer| answer.call.method == "GetDocList"), "{blocks}");
    assert_eq!(report.counts.skipped, 0);
}

#[tokio::test]
async fn engine_that_closes_in_the_middle_fails_what_was_left() {
    let recording = record(&engine().await, "Sales.qvf", async |doc| {
        evaluate(doc, "Sum(Sales)").await.unwrap();
        let list = bounded(doc.get_object("LB01")).await.unwrap();
        for _ in 0..3 {
            layout(&list).await;
        }
    })
    .await;
    // The engine that is asked now hangs up when it is asked for the sum.
    let text = std::fs::read_to_string(&recording.path).unwrap().replace("Sum(Sales)", "Close(4003)");
    let path = recording.path.with_file_name("closing.qixrec");
    std::fs::write(&path, text).unwrap();
    let report = redrive(&path, &engine().await, RedriveSettings::default()).await;
    assert_eq!(report.verdict(), Verdict::Different, "{}", report.text(false));
    assert_eq!((report.counts.not_answered, report.counts.skipped), (1, 4), "{}", report.text(false));
    assert!(report.text(false).contains("4003"), "{}", report.text(false));
}

#[tokio::test]
async fn replay_can_be_the_target_and_the_live_side_be_recorded() {
    let recording = record(&engine().await, "Sales.qvf", typical).await;
    let replay = ReplayConnect::from_file(&recording.path).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("live.qixrec");
    let recorder = qix_proxy::record::Recorder::create(&out, RecorderConfig::default()).unwrap();
    let redrive = Redrive::open([&recording.path], RedriveSettings::default()).unwrap();
    let connect = |path: &str| Ok(RecordConnect::new(replay.clone(), recorder.clone()).url(path));
    let report = bounded(redrive.run(connect, pending(), |_| {})).await;
    assert_equal(&report);
    let sealed = bounded(recorder.seal()).await;
    assert_eq!((sealed.connections, sealed.fault.is_none()), (1, true));
    // What was recorded is as good as the first one.
    assert_equal(&self::redrive(&out, &engine().await, RedriveSettings::default()).await);
}

/// Pipelined calls on two sockets of a session, in the dialect of enigma.js: deltas, and an answer that is overtaken.
async fn two_sockets(engine: &FakeEngine) -> Recording {
    let recorder = Recorder::start(engine).await;
    let url = recorder.url("Sales.qvf/identity/both/ttl/60");
    let mut one = Raw::greeted(&url).await;
    let open = json!({"id": 1, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf"], "delta": true});
    one.ask(open).await;
    let mut two = Raw::greeted(&url).await;
    two.ask(json!({"id": 1, "handle": -1, "method": "GetActiveDoc", "params": []})).await;
    one.ask(json!({"id": 2, "handle": 1, "method": "GetObject", "params": ["LB01"], "delta": true})).await;
    two.ask(json!({"id": 2, "handle": 1, "method": "GetObject", "params": {"qId": "LB01"}})).await;
    let layout = |id: u64| {
        json!({"id": id, "handle": 2, "method": "GetLayout", "params": [], "delta": true}).to_string()
    };
    let slow =
        json!({"id": 3, "handle": 1, "method": "Evaluate", "params": ["Slow(2)"], "delta": true}).to_string();
    for text in [slow, layout(4), layout(5)] {
        one.say(text).await;
    }
    for _ in 0..3 {
        one.json().await;
    }
    let select = json!({"id": 3, "handle": 2, "method": "SelectListObjectValues", "params": ["/qListObjectDef", [1], false]});
    two.ask(select).await;
    // The other socket is told.
    assert!(one.json().await["change"].is_array());
    one.ask(serde_json::from_str(&layout(6)).unwrap()).await;
    two.bye().await;
    one.bye().await;
    recorder.finish().await
}

#[tokio::test]
async fn deltas_pipelined_calls_and_two_sockets_of_a_session_are_made_again() {
    let recording = two_sockets(&engine().await).await;
    let engine = other(|config| config.first_handle = 9).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_equal(&report);
    assert_eq!((report.counts.connected, engine.upgrades().len()), (2, 2));
    let targets: Vec<String> = engine.upgrades().into_iter().map(|upgrade| upgrade.target).collect();
    assert_eq!(targets[0], targets[1], "they share a session, which keeps its time to live");
    assert!(targets[0].ends_with("/ttl/60") && !targets[0].contains("both"));
    // All of a burst is on its way before the first of it is answered.
    let log = engine.log();
    let slow = log.iter().position(|entry| entry.text.contains("Slow(2)")).unwrap();
    let received = log[slow..].iter().take(3).all(|entry| entry.direction == Direction::Received);
    assert!(received, "{:#?}", &log[slow..slow + 3]);
    assert!(!log.iter().any(|entry| entry.text.contains("\"delta\":true")), "answers are compared plain");
}

#[tokio::test]
async fn client_that_suspended_and_resumed_does_so_again() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let url = recorder.url("Sales.qvf/identity/kept/ttl/60");
    let open = json!({"id": 1, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf"]});
    let mine = json!({"id": 2, "handle": 1, "method": "CreateSessionObject", "params": [{"qInfo": {"qType": "x"}, "title": "mine"}]});
    let mut first = Raw::greeted(&url).await;
    first.ask(open).await;
    let id = first.ask(mine).await["result"]["qReturn"]["qGenericId"].take();
    bounded(first.0.close(CloseCode::new(4000), "")).await;
    let mut second = Raw::greeted(&url).await;
    second.ask(json!({"id": 3, "handle": -1, "method": "GetActiveDoc", "params": []})).await;
    second.ask(json!({"id": 4, "handle": 1, "method": "GetObject", "params": [id]})).await;
    second.ask(json!({"id": 5, "handle": 2, "method": "GetLayout", "params": []})).await;
    // It is a session object still, however it was opened.
    let set = json!({"id": 6, "handle": 2, "method": "SetProperties", "params": [{"qInfo": {"qId": id, "qType": "x"}}]});
    second.ask(set).await;
    second.bye().await;
    let recording = recorder.finish().await;
    let engine = other(|config| config.id_seed = 3).await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_equal(&report);
    assert_eq!((report.counts.compared, report.counts.refused), (6, 0));
}

#[tokio::test]
async fn cancelled_and_unanswered_calls_are_sent_and_not_compared() {
    let recorded = engine().await;
    let recorder = Recorder::start(&recorded).await;
    let mut raw = Raw::greeted(&recorder.url("Sales.qvf")).await;
    raw.ask(json!({"id": 11, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf"]})).await;
    raw.say(json!({"id": 12, "handle": 1, "method": "Evaluate", "params": ["Hang()"]}).to_string()).await;
    raw.say(json!({"id": 13, "handle": -1, "method": "CancelRequest", "params": [12]}).to_string()).await;
    for _ in 0..2 {
        raw.json().await;
    }
    raw.say(json!({"id": 14, "handle": 1, "method": "Evaluate", "params": ["Hang()"]}).to_string()).await;
    raw.ask(json!({"id": 15, "handle": 1, "method": "Evaluate", "params": ["1+1"]})).await;
    raw.bye().await;
    let recording = recorder.finish().await;
    let engine = engine().await;
    let report = redrive(&recording.path, &engine, RedriveSettings::default()).await;
    assert_equal(&report);
    assert_eq!((report.counts.sent, report.counts.compared, report.counts.unanswered), (5, 4, 1));
    // The id is the one that the request has now.
    assert!(engine.log().iter().any(|entry| entry.text.contains("\"CancelRequest\",\"params\":[2]")));
}

#[tokio::test]
async fn recordings_of_different_apps_and_files_that_are_none_are_each_told_of_and_the_rest_made_again() {
    let engine = engine().await;
    let sales = record(&engine, "Sales.qvf", typical).await;
    let dir = tempfile::tempdir().unwrap();
    let foreign = dir.path().join("foreign.qixrec");
    std::fs::write(&foreign, "hello").unwrap();
    let gone = dir.path().join("gone.qixrec");
    let text = std::fs::read_to_string(&sales.path).unwrap().replace("Sales.qvf", "Gone.qvf");
    std::fs::write(&gone, text.replacen("\"started\":\"20", "\"started\":\"19", 1)).unwrap();
    let settings = RedriveSettings::default;
    let report = redrive_all(&[&foreign, &gone, &sales.path], &engine, settings()).await;
    assert_eq!((report.counts.connected, report.faults.len()), (2, 1), "{}", report.text(false));
    assert!(report.faults[0].contains("foreign.qixrec is no recording"));
    let skipped: Vec<&String> = report.skipped.keys().collect();
    assert!(skipped.iter().all(|why| why.contains("Gone.qvf")), "{skipped:#?}");
    let report = redrive_all(&[&foreign, &sales.path], &engine, settings()).await;
    assert_eq!((report.verdict(), report.counts.different), (Verdict::Unreadable, 0));
    assert!(Redrive::open([&foreign], settings()).is_err());
}

#[tokio::test]
async fn torn_tail_and_gap_are_told_of_and_the_rest_is_made_again() {
    let engine = engine().await;
    let recording = record(&engine, "Sales.qvf", typical).await;
    let text = std::fs::read_to_string(&recording.path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let torn = recording.path.with_file_name("torn.qixrec");
    std::fs::write(
        &torn,
        format!("{}\n{}", lines[..lines.len() / 2].join("\n"), &lines[lines.len() / 2][..20]),
    )
    .unwrap();
    let report = redrive(&torn, &engine, RedriveSettings::default()).await;
    assert_equal(&report);
    assert!(report.notes[0].contains("was cut after 20 bytes"), "{:?}", report.notes);
    // Without the answer that opened an object, nobody knows what its handle was.
    let at = lines.iter().position(|line| line.contains("\"qGenericId\":\"LB01\"")).unwrap();
    let gap = format!(r#"{{"seq":{},"t":9,"kind":"gap","frames":1,"reason":"disk full"}}"#, at);
    let gapped: Vec<&str> =
        lines.iter().enumerate().map(|(here, line)| if here == at { &gap } else { *line }).collect();
    let path = recording.path.with_file_name("gap.qixrec");
    std::fs::write(&path, gapped.join("\n") + "\n").unwrap();
    let report = redrive(&path, &engine, RedriveSettings::default()).await;
    assert!(report.notes.iter().any(|note| note.contains("1 messages are missing")), "{:?}", report.notes);
    // The selection in it could not be made again, and its data are those of another selection.
    assert_eq!(report.counts.different, 1, "{}", report.text(false));
    assert!(report.different[0].after.as_ref().unwrap().starts_with("SelectListObjectValues"));
    let why = "the recording does not say how its object was opened";
    assert_eq!(report.skipped.get(why), Some(&3), "{}", report.text(false));
}

#[tokio::test]
async fn only_one_call_at_a_time_only_some_calls_and_no_more_differences_than_asked_for() {
    let recording = two_sockets(&engine().await).await;
    let engine = engine().await;
    let report = redrive(
        &recording.path,
        &engine,
        RedriveSettings::default()
            .concurrency(Concurrency::One)
            .timeout(std::time::Duration::from_millis(300)),
    )
    .await;
    assert_eq!(report.counts.different, 0, "{}", report.text(false));
    let recording = record(&engine, "Sales.qvf", typical).await;
    let other = other(|config| config.sales = Some((0, 90_000))).await;
    let only = RedriveSettings::default().only(Only::new(["*LB01*"]).unwrap());
    let report = redrive(&recording.path, &other, only).await;
    assert_equal(&report);
    assert!(report.counts.left_out > 3 && report.counts.compared == 3, "{}", report.text(false));
    let few = redrive(&recording.path, &other, RedriveSettings::default().max_differences(1)).await;
    assert_eq!((few.counts.different, few.cut), (1, true));
}

#[tokio::test]
async fn stopped_run_reports_what_was_compared_so_far_and_no_engine_is_said_at_once() {
    let recording = record(&engine().await, "Sales.qvf", typical).await;
    let redrive = Redrive::open([&recording.path], RedriveSettings::default()).unwrap();
    let engine = engine().await;
    let url = Endpoint::parse(&engine.base_url()).unwrap();
    let connect = |path: &str| Ok(connector(&url.with_path(path).unwrap().to_string()));
    let report = bounded(redrive.run(connect, std::future::ready(()), |_| {})).await;
    assert!(report.interrupted && report.counts.compared == 0);
    engine.shutdown().await;
    let report = bounded(redrive.run(connect, pending(), |_| {})).await;
    assert_eq!(report.verdict(), Verdict::Unreachable);
}
