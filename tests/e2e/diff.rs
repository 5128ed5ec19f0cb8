//! Recordings of two engines beside each other: what differs is named in the words of the app, and nothing else.

use qix_client::{Doc, GenericObject, protocol::Handle};
use qix_proxy::diff::{DiffReport, DiffSettings, diff};
use qix_tests::{FakeEngine, fake_engine::Otherwise};
use serde_json::{Value, json};

use crate::support::*;

async fn layout(object: &GenericObject) -> Value {
    bounded(object.get_layout().call_into::<Value>()).await.unwrap()
}

/// Lists, charts of the app and of the session, selections, data, and an error.
async fn typical(doc: &Doc) {
    let list = json!({"qInfo": {"qType": "list"}, "qAppObjectListDef": {"qType": "sheet"}});
    let made = bounded(doc.create_session_object(&list)).await.unwrap();
    let id = layout(&made).await["qInfo"]["qId"].as_str().unwrap().to_owned();
    bounded(doc.get_object(&id)).await.unwrap();
    let chart = bounded(doc.create_session_object(&cube("mine"))).await.unwrap();
    layout(&chart).await;
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    bounded(list.select_list_object_values("/qListObjectDef", &[0, 2], false)).await.unwrap();
    layout(&list).await;
    layout(&chart).await;
    let page = json!(["/qHyperCubeDef", [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 10}]]);
    bounded(chart.call::<Value>("GetHyperCubeData", &page).into_future()).await.unwrap();
    bounded(doc.call::<Value>("ClearAll", &json!([])).into_future()).await.unwrap();
    let kpi = bounded(doc.get_object("CH12")).await.unwrap();
    layout(&kpi).await;
    layout(&kpi).await;
    bounded(doc.get_object("nowhere")).await.unwrap_err();
}

async fn record(engine: &FakeEngine) -> Recording {
    let recorder = Recorder::start(engine).await;
    let session = session(&recorder.url("Sales.qvf")).await;
    bounded(session.call::<Value>(Handle::GLOBAL, "GetDocList", &[(); 0]).into_future()).await.unwrap();
    typical(&sales(&session).await).await;
    bounded(session.close()).await;
    recorder.finish().await
}

async fn compared(otherwise: Otherwise) -> DiffReport {
    let before = record(&engine().await).await;
    let after = record(&engine_with(|config| config.otherwise = otherwise).await).await;
    diff(&before.path, &after.path, &DiffSettings::default(), &|_| ()).unwrap()
}

#[tokio::test]
async fn other_handles_made_up_ids_and_order_of_lists_are_no_difference() {
    let otherwise = Otherwise {
        first_handle: 501,
        handle_step: 3,
        id_seed: 7,
        reversed_lists: true,
        ..Otherwise::default()
    };
    let report = compared(otherwise).await;
    assert!(report.is_equal(), "{}", report.text(false));
    assert!(report.compared > 10 && report.compared == report.equal, "{}", report.text(false));
}

#[tokio::test]
async fn measure_with_another_definition_is_named_and_nothing_else() {
    let measure = Some("Sum(Sales)*2".to_owned());
    let report = compared(Otherwise { id_seed: 3, measure, ..Otherwise::default() }).await;
    let text = report.text(false);
    assert_eq!(report.measures().into_iter().collect::<Vec<_>>(), ["Total sales"], "{text}");
    let [object] = &report.objects[..] else { panic!("{text}") };
    assert!(object.id == "CH12" && object.object.starts_with("kpi Sales of"), "{text}");
    assert_eq!((object.differences.len(), object.differences[0].calls), (1, 2), "{text}");
    assert!(report.errors.is_empty() && report.only.iter().all(Vec::is_empty), "{text}");
    assert!(report.headline().starts_with("1 measure differs in 1 object;"), "{text}");
}

#[tokio::test]
async fn value_that_changed_is_named_by_the_measures_that_show_it() {
    let report = compared(Otherwise { sales: Some((0, 9)), ..Otherwise::default() }).await;
    let text = report.text(false);
    assert!(!report.is_equal() && report.objects.len() == 2, "{text}");
    assert_eq!(report.measures().into_iter().collect::<Vec<_>>(), ["Sum(Sales)", "Total sales"], "{text}");
}
