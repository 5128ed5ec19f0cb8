//! Connections cut at will, reloads that stand still or fail, and what tests can count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use super::super::{Cut, FakeEngineConfig, Observer};
use super::client::{Client, engine};

#[tokio::test]
async fn connections_are_cut_one_by_one_in_every_way() {
    let engine = engine(FakeEngineConfig::default()).await;
    for (cut, end) in [
        (Cut::Drop, None),
        (Cut::MidFrame, None),
        (Cut::Close(4003, "x".into()), Some((4003, "x".to_owned()))),
    ] {
        let mut stays = Client::open(&engine, "/app/Sales.qvf/identity/stays").await;
        let mut client = Client::open(&engine, "/app/Sales.qvf").await;
        let number = *engine.connections().iter().max().unwrap();
        assert!(engine.cut(number, cut));
        assert_eq!(client.end().await, end);
        assert!(!engine.cut(number, Cut::Drop));
        stays.call(-1, "EngineVersion", json!([])).await;
        assert_eq!(engine.cut_all(Cut::Drop), 1);
        assert_eq!(stays.end().await, None);
    }
}

#[tokio::test]
async fn requests_are_seen_and_counted() {
    let seen = Arc::new(AtomicUsize::new(0));
    let count = seen.clone();
    let observer = Observer::new(move |_, text| {
        assert!(text.contains("\"method\""));
        count.fetch_add(1, Ordering::Relaxed);
    });
    let engine = engine(FakeEngineConfig { observer: Some(observer), ..FakeEngineConfig::default() }).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    client.call(1, "CreateSessionObject", json!([{"qInfo": {"qType": "x"}}])).await;
    assert_eq!(seen.load(Ordering::Relaxed), 2);
    assert_eq!((engine.count("OpenDoc"), engine.session_objects()), (1, 1));
    assert_eq!(engine.requests()[0].params, json!(["Sales.qvf"]));
}

#[tokio::test]
async fn a_reload_may_ask_and_goes_on_when_it_is_answered() {
    let engine = engine(FakeEngineConfig { busy_while_reloading: true, ..FakeEngineConfig::default() }).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    client.call(1, "SetScript", json!(["Ask Go on?;"])).await;
    let id = client.request(1, "DoReload", json!([])).await;
    assert_eq!(client.code(1, "GetAppLayout", json!([])).await, 11000);
    assert_eq!(client.code(-1, "GetActiveDoc", json!([])).await, 11000);
    let progress = client.call(-1, "GetProgress", json!([id])).await;
    assert_eq!(progress["result"]["qProgressData"]["qUserInteractionWanted"], true);
    let asked = client.call(-1, "GetInteract", json!([id])).await;
    assert_eq!(
        (&asked["result"]["qReturn"], &asked["result"]["qDef"]["qMsg"]),
        (&json!(true), &json!("Go on?"))
    );
    let done = client.request(-1, "InteractDone", json!([id, {"qResult": 1}])).await;
    let reloaded = client.read().await;
    assert_eq!((&reloaded["id"], &reloaded["result"]["qReturn"]), (&json!(id), &json!(true)));
    assert_eq!(client.read().await["id"], done);
    assert_eq!(client.call(-1, "GetInteract", json!([id])).await["result"]["qReturn"], false);
    client.call(1, "GetAppLayout", json!([])).await;
}

#[tokio::test]
async fn script_errors_are_told_to_those_who_asked() {
    let engine = engine(FakeEngineConfig::default()).await;
    for wants in [false, true] {
        let mut client = Client::open(&engine, "/app/Sales.qvf").await;
        client.call(-1, "ConfigureReload", json!([true, wants, false])).await;
        client.call(1, "SetScript", json!(["Error Table not found;"])).await;
        let reload = client.call(1, "DoReload", json!([])).await;
        assert_eq!(reload["result"]["qReturn"], false);
        let progress = client.call(-1, "GetProgress", json!([reload["id"]])).await;
        let errors = progress["result"]["qProgressData"]["qErrorData"].as_array().unwrap();
        assert_eq!(errors.iter().any(|error| error["qErrorString"] == "Table not found"), wants);
        client.socket.close(None).await.unwrap();
        client.end().await;
    }
}

#[tokio::test]
async fn a_reload_goes_on_when_its_socket_is_gone() {
    let engine = engine(FakeEngineConfig { busy_while_reloading: true, ..FakeEngineConfig::default() }).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf/identity/a/ttl/60").await;
    client.call(1, "SetScript", json!(["Sleep 50;"])).await;
    client.request(1, "DoReload", json!([])).await;
    client.call(-1, "EngineVersion", json!([])).await;
    engine.cut_all(Cut::Drop);
    client.end().await;
    let mut client = Client::connect(&engine, "/app/Sales.qvf/identity/a/ttl/60").await;
    assert_eq!(client.read().await["params"]["qSessionState"], "SESSION_ATTACHED");
    client.call(-1, "GetActiveDoc", json!([])).await;
}
