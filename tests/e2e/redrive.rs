//! Recordings made again at an engine: what differs is named, and nothing else.

use std::{future::pending, path::Path};

use qix_client::{Doc, GenericObject, transport::Endpoint};
use qix_proxy::{
    record::RecordConnect,
    redrive::{Concurrency, DifferenceKind, Only, Redrive, RedriveReport, RedriveSettings, Verdict},
    replay::ReplayConnect,
};
use qix_tests::{
    FakeEngine,
    fake_engine::{AnswerOrder, Direction, Otherwise},
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

async fn call(doc: &Doc, method: &str, params: Value) -> Value {
    bounded(doc.call::<Value>(method, &params).into_future()).await.unwrap()
}

async fn layout(object: &GenericObject) -> Value {
    bounded(object.get_layout()).await.unwrap()
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
    bounded(session.global().call::<Value>("GetDocList", &[(); 0]).into_future()).await.unwrap();
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
    let text = std::fs::read_to_string(&recording.path).unwrap().replace("Sum(Sales)", "Fake('close', 4003)");
    let path = recording.path.with_file_name("closing.qixrec");
    std::fs::write(&path, text).unwrap();
    let report = redrive(&path, &engine().await, RedriveSettings::default()).await;
    assert_eq!(report.verdict(), Verdict::Different, "{}", report.text(false));
    assert_eq!((report.counts.not_answered, report.counts.skipped), (1, 4), "{}", report.text(false));
    assert!(report.text(false).contains("4003"), "{}", report.text(false));
}
