//! Sessions that are shared, suspended and resumed, over real sockets.

use std::time::Duration;

use qix_client::{
    Doc, ErrorKind, ResumePolicy, Selections, Session, State,
    transport::{CloseCode, Endpoint},
};
use qix_tests::{
    FakeEngine, FakeEngineConfig,
    fake_engine::{Direction, NoDoc, Reopen},
};
use serde_json::{Value, json};

use crate::support::*;

/// A session that resumes by itself, and soon.
async fn resuming(url: &str) -> Session {
    let policy = ResumePolicy::automatic()
        .pauses(Duration::from_millis(5), Duration::from_millis(20))
        .restore_selections(Duration::from_secs(600));
    let endpoint = Endpoint::parse(url).unwrap();
    bounded(Session::builder(endpoint).resume(policy).connect()).await.unwrap()
}

/// What clients have asked for, in order.
fn asked(engine: &FakeEngine, method: &str) -> Vec<Value> {
    let log = engine.log();
    let received = log.iter().filter(|entry| entry.direction == Direction::Received);
    let requests = received.map(|entry| serde_json::from_str::<Value>(&entry.text).unwrap());
    requests.filter(|request| request["method"] == method).collect()
}

async fn report(session: &Session) -> std::sync::Arc<qix_client::ResumeReport> {
    let mut states = session.states();
    loop {
        if let State::Open { report: Some(report), .. } = bounded(states.next()).await.expect("open") {
            return report;
        }
    }
}

fn cube() -> Value {
    json!({"qInfo": {"qId": "cube", "qType": "test"}, "qHyperCubeDef": {
        "qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}],
        "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
        "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 50}],
    }})
}

async fn rows(object: &qix_client::GenericObject) -> usize {
    let layout: Value = bounded(object.get_layout().call_into::<Value>()).await.unwrap();
    layout["qHyperCube"]["qDataPages"][0]["qMatrix"].as_array().unwrap().len()
}

async fn select_one(doc: &Doc) {
    let list = bounded(doc.get_object("LB01")).await.unwrap();
    assert!(bounded(list.select_list_object_values("/qListObjectDef", &[0], false)).await.unwrap());
}

#[tokio::test]
async fn session_within_its_ttl_is_attached_with_selections_and_session_objects() {
    let engine = engine().await;
    let session = resuming(&engine.url("Sales.qvf/ttl/60")).await;
    let doc = bounded(session.open_app("Sales.qvf")).await.unwrap();
    let chart = bounded(doc.create_session_object(&cube())).await.unwrap();
    select_one(&doc).await;
    assert_eq!(rows(&chart).await, 1);
    let mut changes = chart.changes();
    bounded(changes.next()).await;
    engine.close_all(4003, r#"{"code":"QEP-104"}"#);
    let report = report(&session).await;
    assert!(report.attached && report.lost.is_empty() && report.rebuilt.is_empty(), "{report:?}");
    assert_eq!((report.selections, report.kept.len()), (Selections::Kept, 2));
    assert_eq!(bounded(changes.next()).await, Some(()));
    assert_eq!(rows(&chart).await, 1);
    assert_eq!((asked(&engine, "OpenDoc").len(), asked(&engine, "CreateSessionObject").len()), (1, 1));
}

#[tokio::test]
async fn session_after_its_ttl_is_made_again_with_its_objects_and_selections() {
    for no_doc in [NoDoc::Invalid, NoDoc::NotOpen, NoDoc::NullReference] {
        let mut config = FakeEngineConfig::default();
        config.no_doc = no_doc;
        let engine = bounded(FakeEngine::start(config)).await.unwrap();
        let session = resuming(&engine.url("Sales.qvf")).await;
        let doc = bounded(session.open_app("Sales.qvf").no_data(false)).await.unwrap();
        let chart = bounded(doc.create_session_object(&cube())).await.unwrap();
        let all = rows(&chart).await;
        select_one(&doc).await;
        assert_eq!(rows(&chart).await, 1);
        // The engine is asked to keep the selections once they have settled.
        bounded(async {
            while asked(&engine, "StoreTempSelectionState").is_empty() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        bounded(session.global().engine_version()).await.unwrap();
        engine.abort_all();
        let report = report(&session).await;
        assert!(!report.attached && report.lost.is_empty(), "{report:?}");
        assert_eq!(report.rebuilt.len(), 2, "{report:?}");
        let opened = asked(&engine, "OpenDoc");
        assert_eq!(opened[0]["params"], opened[1]["params"]);
        let rows = rows(&chart).await;
        match report.selections {
            Selections::Restored => assert_eq!(rows, 1),
            _ => assert_eq!(rows, all),
        }
        assert_eq!(report.selections, Selections::Restored);
    }
}

#[tokio::test]
async fn reload_in_flight_is_never_sent_twice() {
    let engine = engine().await;
    let session = resuming(&engine.url("Sales.qvf/ttl/60")).await;
    let doc = bounded(session.open_app("Sales.qvf")).await.unwrap();
    let hanging = doc.evaluate("Hang()").into_future();
    let script = "Sleep";
    bounded(doc.set_script(script)).await.unwrap();
    let (hanging, reload, ()) = bounded(async {
        let reload = doc.do_reload().into_future();
        let cut = async {
            while asked(&engine, "DoReload").is_empty() || asked(&engine, "Evaluate").is_empty() {
                tokio::task::yield_now().await;
            }
            engine.close_all(4003, "");
        };
        tokio::join!(tokio::time::timeout(Duration::from_millis(300), hanging), reload, cut)
    })
    .await;
    assert!(hanging.is_err(), "it was sent again, and hangs again");
    if let Err(error) = reload {
        assert_eq!(error.kind(), ErrorKind::OutcomeUnknown);
    }
    assert_eq!(asked(&engine, "DoReload").len(), 1);
    let ids: Vec<Value> = asked(&engine, "Evaluate").iter().map(|request| request["id"].clone()).collect();
    assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
}

#[tokio::test]
async fn suspended_by_hand_and_resumed_by_hand() {
    let engine = engine().await;
    let endpoint = Endpoint::parse(&engine.url("Sales.qvf/ttl/60")).unwrap();
    let session = bounded(Session::builder(endpoint).connect()).await.unwrap();
    let doc = bounded(session.open_app("Sales.qvf")).await.unwrap();
    bounded(session.suspend()).await.unwrap();
    assert_eq!(bounded(doc.get_app_layout()).await.unwrap_err().kind(), ErrorKind::Suspended);
    let report = bounded(session.resume_if_attached()).await.unwrap();
    assert!(report.attached);
    assert_eq!(bounded(doc.get_app_layout()).await.unwrap().title, "Sales");
    bounded(session.close()).await;
    assert_eq!(session.has_closed_with(), CloseCode::NORMAL);
}

/// How a session has ended.
trait Ended {
    fn has_closed_with(&self) -> CloseCode;
}

impl Ended for Session {
    fn has_closed_with(&self) -> CloseCode {
        match self.state() {
            State::Closed(error) => error.closing().expect("a close code").code,
            state => panic!("{state:?}"),
        }
    }
}

#[tokio::test]
async fn sessions_of_one_identity_share_app_and_selections() {
    let mut config = FakeEngineConfig::default();
    config.reopen = Reopen::AlreadyOpen;
    let engine = bounded(FakeEngine::start(config)).await.unwrap();
    let url = engine.url("Sales.qvf/identity/shared");
    let (one, two) = (session(&url).await, session(&url).await);
    let first = bounded(one.open_app("Sales.qvf")).await.unwrap();
    let second = bounded(two.open_app("Sales.qvf")).await.unwrap();
    assert_eq!((first.id(), second.id()), (Some("Sales.qvf"), Some("Sales.qvf")));
    let chart = bounded(second.create_session_object(&cube())).await.unwrap();
    assert!(rows(&chart).await > 1);
    let mut changes = chart.changes();
    bounded(changes.next()).await;
    select_one(&first).await;
    assert_eq!(bounded(changes.next()).await, Some(()));
    assert_eq!(rows(&chart).await, 1);
    // The other mode needs another session.
    let error = bounded(two.open_app("Sales.qvf").no_data(true)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyOpen, "{error:?}");
}
