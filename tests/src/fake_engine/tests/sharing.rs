//! Sessions with several sockets: what is shared, what is told, what is not.

use serde_json::{Value, json};

use super::super::FakeEngineConfig;
use super::client::{Client, engine};

async fn greeting(client: &mut Client) -> Value {
    client.read().await["params"]["qSessionState"].clone()
}

#[tokio::test]
async fn path_identity_and_user_tell_sessions_apart() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut clients = Vec::new();
    let mut states = Vec::new();
    for (path, headers) in [
        ("/app/Sales.qvf", &[][..]),
        ("/app/Sales.qvf?reloadUri=x", &[]),
        ("/app/Sales.qvf/identity/a", &[]),
        ("/vp/app/Sales.qvf/identity/a/ttl/9", &[]),
        ("/app/Sales.qvf", &[("X-Qlik-User", "UserDirectory=A; UserId=b")]),
        ("/app/Sales.qvf", &[("X-Qlik-Session", "b")]),
        ("/", &[]),
        ("/app/", &[]),
    ] {
        let mut client = Client::try_connect(&engine, path, headers).await.unwrap();
        let created = greeting(&mut client).await == "SESSION_CREATED";
        states.push(created);
        clients.push(client);
    }
    assert_eq!(states, [true, false, true, false, true, true, true, false]);
    assert_eq!((engine.open_sockets(), engine.sessions()), (8, 5));
}

#[tokio::test]
async fn selections_are_shared_handles_and_baselines_are_not() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut one = Client::open(&engine, "/app/Sales.qvf").await;
    let mut two = Client::connect(&engine, "/app/Sales.qvf").await;
    assert_eq!(greeting(&mut two).await, "SESSION_ATTACHED");
    two.call(-1, "GetActiveDoc", json!([])).await;
    assert_eq!(one.call(1, "GetObject", json!(["LB01"])).await["change"], json!([2]));
    two.call(1, "GetObject", json!(["CH01"])).await;
    assert_eq!(two.call(1, "GetObject", json!(["LB01"])).await["change"], json!([3]));
    one.delta(2, "GetLayout", json!([])).await;
    let root = two.delta(3, "GetLayout", json!([])).await;
    assert_eq!(root["result"]["qLayout"][0]["path"], "/");
    // The acting socket is told in the answer, the other one by a push; an object that nobody looked at is not told.
    let answer = one.call(2, "SelectListObjectValues", json!(["/qListObjectDef", [1], false])).await;
    assert_eq!(answer["change"], json!([2]));
    assert_eq!(two.read().await, json!({"jsonrpc": "2.0", "change": [3]}));
    // A second change is told to nobody until the layout has been fetched again.
    one.call(2, "SelectListObjectValues", json!(["/qListObjectDef", [2], false])).await;
    assert!(two.settle().await.is_empty());
    let patches = two.delta(3, "GetLayout", json!([])).await;
    assert_eq!(patches["delta"], true);
    let paths = patches["result"]["qLayout"].as_array().unwrap();
    assert!(!paths.is_empty() && paths.iter().all(|patch| patch["path"] != "/"), "{patches}");
    // An app that was looked at is told, too.
    two.call(1, "GetAppLayout", json!([])).await;
    one.call(1, "ClearAll", json!([])).await;
    assert_eq!(two.read().await["change"], json!([1, 3]));
}

#[tokio::test]
async fn destroyed_objects_are_closed_on_every_socket_with_their_children() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut one = Client::open(&engine, "/app/Sales.qvf").await;
    let mut two = Client::open(&engine, "/app/Sales.qvf").await;
    one.call(1, "CreateSessionObject", json!([{"qInfo": {"qId": "p", "qType": "x"}}])).await;
    one.call(2, "CreateChild", json!([{"qInfo": {"qId": "c", "qType": "x"}}])).await;
    two.call(1, "GetObject", json!(["c"])).await;
    two.call(2, "GetLayout", json!([])).await;
    let answer = one.call(1, "DestroySessionObject", json!(["p"])).await;
    assert_eq!((&answer["result"]["qSuccess"], &answer["close"]), (&json!(true), &json!([2, 3])));
    assert_eq!(two.read().await, json!({"jsonrpc": "2.0", "close": [2]}));
    assert_eq!(two.code(2, "GetLayout", json!([])).await, -32602);
    assert_eq!(one.call(1, "DestroySessionObject", json!(["p"])).await["result"]["qSuccess"], false);
}

#[tokio::test]
async fn lists_are_told_of_new_and_lost_objects() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let def = json!({"qInfo": {"qType": "l"}, "qAppObjectListDef": {"qType": "sheet", "qData": {"title": "/qMetaDef/title"}}});
    client.call(1, "CreateSessionObject", json!([def])).await;
    client.call(2, "GetLayout", json!([])).await;
    let sheet = json!([{"qInfo": {"qId": "new", "qType": "sheet"}, "qMetaDef": {"title": "New"}}]);
    let answer = client.call(1, "CreateObject", sheet).await;
    assert_eq!((&answer["result"]["qInfo"]["qId"], &answer["change"]), (&json!("new"), &json!([2, 3])));
    let layout = client.call(2, "GetLayout", json!([])).await;
    let items = layout["result"]["qLayout"]["qAppObjectList"]["qItems"].clone();
    assert_eq!(items[2]["qData"], json!({"title": "New"}));
    let answer = client.call(1, "DestroyObject", json!(["new"])).await;
    assert_eq!((&answer["change"], &answer["close"]), (&json!([2]), &json!([3])));
    assert_eq!(
        client.code(1, "CreateObject", json!([{"qInfo": {"qId": "SH01", "qType": "sheet"}}])).await,
        3
    );
}

#[tokio::test]
async fn deltas_do_not_depend_on_parameters_and_restart_after_a_plain_answer() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let first = client.delta(1, "GetObject", json!(["LB01"])).await;
    assert_eq!(first["result"]["qReturn"][0]["value"]["qHandle"], 2);
    let second = client.delta(1, "GetObject", json!(["CH01"])).await;
    assert_eq!(second["result"]["qReturn"][0], json!({"op": "replace", "path": "/qHandle", "value": 3}));
    assert_eq!(client.delta(1, "GetObject", json!(["CH01"])).await["result"]["qReturn"], json!([]));
    client.call(1, "GetObject", json!(["CH01"])).await;
    assert_eq!(client.delta(1, "GetObject", json!(["CH01"])).await["result"]["qReturn"][0]["path"], "/");
    let not_found = client.delta(1, "GetObject", json!(["x"])).await;
    assert_eq!(not_found["result"]["qReturn"][0], json!({"op": "replace", "path": "/qType", "value": null}));
    // Errors are never deltas and leave the baseline alone.
    let error = client.delta(1, "GetObject", json!([])).await;
    assert!(error.get("delta").is_none());
    let text = client.delta(1, "Evaluate", json!(["1+1"])).await;
    assert_eq!(text["result"]["qReturn"], json!([{"op": "add", "path": "/", "value": "2"}]));
}

#[tokio::test]
async fn saving_brings_changes_to_other_sessions_and_session_apps_refuse() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut one = Client::open(&engine, "/app/Sales.qvf/identity/1").await;
    one.call(1, "CreateObject", json!([{"qInfo": {"qId": "mine", "qType": "sheet"}}])).await;
    let mut two = Client::open(&engine, "/app/Sales.qvf/identity/2").await;
    assert_eq!(two.call(1, "GetObject", json!(["mine"])).await["result"]["qReturn"]["qHandle"], Value::Null);
    one.call(1, "DoSave", json!([])).await;
    let mut three = Client::open(&engine, "/app/Sales.qvf/identity/3").await;
    assert_eq!(three.call(1, "GetObject", json!(["mine"])).await["result"]["qReturn"]["qHandle"], 2);
    let mut four = Client::connect(&engine, "/app/SessionApp_1?from=Sales.qvf").await;
    four.read().await;
    four.call(-1, "GetActiveDoc", json!([])).await;
    assert_eq!(four.call(1, "GetObject", json!(["SH01"])).await["result"]["qReturn"]["qHandle"], 2);
    assert_eq!(four.call(1, "Evaluate", json!(["Sum(Sales)"])).await["result"]["qReturn"], "0");
    assert_eq!(four.code(1, "DoSave", json!([])).await, 9009);
}

#[tokio::test]
async fn modal_selections_shut_others_out() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut one = Client::open(&engine, "/app/Sales.qvf").await;
    let mut two = Client::open(&engine, "/app/Sales.qvf").await;
    one.call(1, "GetObject", json!(["LB01"])).await;
    two.call(1, "GetObject", json!(["CH01"])).await;
    two.call(1, "GetField", json!(["Year"])).await;
    one.call(2, "BeginSelections", json!([["/qListObjectDef"]])).await;
    assert_eq!(two.code(2, "SelectHyperCubeValues", json!(["/qHyperCubeDef", 0, [0], false])).await, 6003);
    assert_eq!(two.code(3, "Select", json!(["2024"])).await, 6003);
    one.call(2, "SelectListObjectValues", json!(["/qListObjectDef", [0], true])).await;
    one.call(2, "EndSelections", json!([true])).await;
    assert_eq!(two.call(3, "Select", json!(["2024"])).await["result"]["qReturn"], true);
}
