//! Requests in every dialect, answers in every order.

use serde_json::{Value, json};

use super::super::{AnswerOrder, Direction, FakeEngineConfig, NoDoc, Reopen};
use super::client::{Client, engine};

#[tokio::test]
async fn ids_and_members_in_every_dialect() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::connect(&engine, "/app/engineData").await;
    client.read().await;
    for id in ["0", "\"a\\\"b\"", "9007199254740993", "-1", "null", "1.5", "[1]"] {
        client
            .send(format!(r#"{{"method":"EngineVersion","outKey":-1,"id":{id},"cont":false,"handle":-1}}"#))
            .await;
        let text = client.read_text().await;
        assert!(text.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result""#)), "{text}");
    }
    // Without an id there is no answer; without a handle it is for Global.
    client.send(r#"{"method":"EngineVersion","handle":-1,"params":[]}"#).await;
    client.send(r#"{"id":1,"method":"EngineVersion","params":{}}"#).await;
    assert_eq!(client.read().await["id"], 1);
    // No two requests need different ids.
    client.send(r#"{"id":1,"method":"OSName"}"#).await;
    assert_eq!(client.read().await["result"]["qReturn"], "Linux");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_the_socket_lives_on() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::connect(&engine, "/app/engineData").await;
    client.read().await;
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    for (text, code) in
        [("<html>", -32700), ("", -32700), ("[]", -32600), ("7", -32600), (deep.as_str(), -32700)]
    {
        client.send(text).await;
        let answer = client.read().await;
        assert_eq!(answer["error"]["code"], code, "{text:.20}");
        assert!(answer.get("id").is_none());
    }
    client.send(r#"{"id":1}"#).await;
    assert_eq!(client.read().await["error"]["code"], -32600);
    for handle in ["0", "7", "\"1\"", "1.5", "99999999999999999999", "null"] {
        client.send(format!(r#"{{"id":2,"method":"GetLayout","handle":{handle}}}"#)).await;
        assert_eq!(client.read().await["error"]["code"], -32602, "{handle}");
    }
    assert_eq!(client.code(-1, "getDocList", json!([])).await, -32601);
    assert_eq!(client.code(-1, "OpenDoc", json!("Sales.qvf")).await, -32602);
}

#[tokio::test]
async fn requests_without_id_can_be_answered_as_some_engines_do() {
    let engine = engine(FakeEngineConfig { answer_missing_id: true, ..FakeEngineConfig::default() }).await;
    let mut client = Client::connect(&engine, "/app/engineData").await;
    client.read().await;
    client.send(r#"{"method":"OpenDoc","handle":-1,"params":{"qDocName":"Sales"}}"#).await;
    let answer = client.read().await;
    assert_eq!((&answer["id"], &answer["result"]["qReturn"]["qHandle"]), (&json!(0), &json!(1)));
}

#[tokio::test]
async fn what_is_not_found_is_a_null_reference() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    for method in ["GetObject", "GetField", "GetDimension", "GetMeasure", "GetBookmark", "GetVariableById"] {
        let answer = client.call(1, method, json!(["nope"])).await;
        assert_eq!(answer["result"]["qReturn"]["qHandle"], Value::Null, "{method}");
        assert!(answer["result"]["qReturn"].as_object().unwrap().contains_key("qType"));
    }
    let chart = client.call(1, "GetObject", json!(["CH01"])).await["result"]["qReturn"]["qHandle"].clone();
    assert_eq!(client.call(1, "GetObject", json!(["CH01"])).await["result"]["qReturn"]["qHandle"], chart);
    let answer = client.call(chart.as_i64().unwrap(), "GetParent", json!([])).await;
    assert_eq!(answer["result"]["qReturn"]["qType"], Value::Null);
}

#[tokio::test]
async fn opening_and_the_choices_about_it() {
    let plain = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&plain, "/app/Sales.qvf").await;
    assert_eq!(client.call(-1, "OpenDoc", json!(["Sales.qvf"])).await["result"]["qReturn"]["qHandle"], 1);
    assert_eq!(client.code(-1, "OpenDoc", json!(["Empty.qvf"])).await, 1002);
    assert_eq!(client.code(-1, "OpenDoc", json!(["Sales.qvf", "", "", "", true])).await, 1009);
    assert_eq!(client.code(-1, "CreateSessionApp", json!([])).await, 1002);
    let strict = engine(FakeEngineConfig {
        reopen: Reopen::AlreadyOpen,
        no_doc: NoDoc::NullReference,
        ..FakeEngineConfig::default()
    })
    .await;
    let mut client = Client::connect(&strict, "/app/x").await;
    client.read().await;
    assert_eq!(client.call(-1, "GetActiveDoc", json!([])).await["result"]["qReturn"]["qType"], Value::Null);
    client.call(-1, "OpenDoc", json!(["C:\\Apps\\Sales.qvf"])).await;
    assert_eq!(client.code(-1, "OpenDoc", json!(["Sales.qvf"])).await, 1002);
    assert_eq!(client.call(-1, "GetActiveDoc", json!([])).await["result"]["qReturn"]["qHandle"], 1);
}

#[tokio::test]
async fn slow_calls_are_overtaken_and_hanging_ones_cancelled() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let slow = client.request(1, "Evaluate", json!(["Slow(2)"])).await;
    let hang = client.request(1, "Evaluate", json!(["Hang()"])).await;
    client.call(1, "Evaluate", json!(["1"])).await;
    client.call(1, "Evaluate", json!(["2"])).await;
    assert_eq!(client.read().await["id"], slow);
    let cancel = client.request(-1, "CancelRequest", json!([hang])).await;
    let aborted = client.read().await;
    assert_eq!((&aborted["id"], &aborted["error"]["code"]), (&json!(hang), &json!(15)));
    let answer = client.read().await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!(cancel), &json!({})));
    // A cancel of what is finished or unknown is ignored.
    assert_eq!(client.call(-1, "CancelRequest", json!([hang])).await["result"], json!({}));
    client.request(1, "Evaluate", json!(["Hang()"])).await;
    client.request(1, "Evaluate", json!(["Hang()"])).await;
    client.request(-1, "AbortAll", json!([])).await;
    for _ in 0..2 {
        assert_eq!(client.read().await["error"]["code"], 15);
    }
    assert_eq!(client.read().await["result"], json!({}));
}

#[tokio::test]
async fn a_selection_aborts_a_held_layout() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    let def = json!({"qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}], "qMeasures": [{"qDef": {"qDef": "Slow(1)"}}]});
    let props = json!([{"qInfo": {"qId": "slow", "qType": "x"}, "qHyperCubeDef": def}]);
    client.call(1, "CreateSessionObject", props).await;
    client.call(1, "GetField", json!(["Region"])).await;
    let layout = client.request(2, "GetLayout", json!([])).await;
    let select = client.request(3, "Select", json!(["North"])).await;
    let aborted = client.read().await;
    assert_eq!((&aborted["id"], &aborted["error"]["code"]), (&json!(layout), &json!(15)));
    // The layout had validated the object, so the error tells of the change.
    assert_eq!(aborted["change"], json!([2]));
    assert_eq!(client.read().await["id"], select);
    let layout = client.request(2, "GetLayout", json!([])).await;
    client.call(-1, "OSName", json!([])).await;
    assert_eq!(client.read().await["id"], layout);
}

#[tokio::test]
async fn answers_overtake_by_configuration() {
    let order = AnswerOrder::Overtaken { methods: vec!["GetDocList".into()], by: 1 };
    let engine = engine(FakeEngineConfig { order, ..FakeEngineConfig::default() }).await;
    let mut client = Client::connect(&engine, "/app/x").await;
    client.read().await;
    // Alone it is not held for ever: it leaves once there is nothing more to read.
    client.call(-1, "GetDocList", json!([])).await;
}

#[tokio::test]
async fn a_reload_sleeps_tells_progress_and_can_be_cancelled() {
    let engine = engine(FakeEngineConfig::default()).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    client.call(1, "SetScript", json!(["Sleep 9; LOAD * FROM x;"])).await;
    let reload = client.request(1, "DoReload", json!([])).await;
    assert_eq!(client.code(1, "DoReloadEx", json!([])).await, 11000);
    let progress = client.call(-1, "GetProgress", json!([reload])).await;
    assert_eq!(progress["result"]["qProgressData"]["qFinished"], false);
    client.request(-1, "CancelReload", json!([])).await;
    let answer = client.read().await;
    assert_eq!((&answer["id"], &answer["result"]["qReturn"]), (&json!(reload), &json!(false)));
    client.read().await;
    let reload = client.request(1, "DoReloadEx", json!([{}])).await;
    client.request(-1, "CancelRequest", json!([reload])).await;
    assert_eq!(client.read().await["error"]["code"], 15);
    client.read().await;
    client.call(1, "SetScript", json!(["LOAD * INLINE [\nA\n1\n2\n];"])).await;
    client.call(1, "GetAppLayout", json!([])).await;
    assert_eq!(client.call(1, "DoReload", json!([])).await["result"]["qReturn"], true);
    assert_eq!(client.read().await, json!({"jsonrpc": "2.0", "change": [1]}));
    assert_eq!(client.call(1, "Evaluate", json!(["Sum(A)"])).await["result"]["qReturn"], "3");
}

#[tokio::test]
async fn pages_have_a_limit() {
    let engine =
        engine(FakeEngineConfig { rows: 5000, cell_limit: 100_000, ..FakeEngineConfig::default() }).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    client.call(1, "GetObject", json!(["CH01"])).await;
    let page =
        |height: i64| json!(["/qHyperCubeDef", [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": height}]]);
    assert!(client.call(2, "GetHyperCubeData", page(50_000)).await.get("result").is_some());
    assert_eq!(client.code(2, "GetHyperCubeData", page(50_001)).await, 7009);
    assert_eq!(client.code(2, "GetHyperCubeData", page(i64::MAX)).await, 7009);
    assert_eq!(client.code(2, "GetHyperCubeData", json!(["/nope", []])).await, 4);
}

#[tokio::test]
async fn a_burst_and_a_big_answer() {
    let engine = engine(FakeEngineConfig { fragment: Some(1000), ..FakeEngineConfig::default() }).await;
    let mut client = Client::open(&engine, "/app/Sales.qvf").await;
    for n in 0..1000 {
        client.request(1, "Evaluate", json!([format!("{n}")])).await;
    }
    for n in 0..1000 {
        assert_eq!(client.read().await["result"]["qReturn"], n.to_string());
    }
    let answer = client.call(1, "Evaluate", json!(["Big(11000000)"])).await;
    assert_eq!(answer["result"]["qReturn"].as_str().unwrap().len(), 11_000_000);
}

#[tokio::test]
async fn the_same_script_leads_to_the_same_bytes() {
    let mut logs = Vec::new();
    for _ in 0..2 {
        let engine = engine(FakeEngineConfig::default()).await;
        let mut client = Client::open(&engine, "/app/Sales.qvf/identity/a").await;
        client
            .call(1, "CreateSessionObject", json!([{"qInfo": {"qType": "x"}, "qSelectionObjectDef": {}}]))
            .await;
        client.call(1, "GetObject", json!(["CH01"])).await;
        client.call(1, "GetField", json!(["Product"])).await;
        for handle in [2, 3] {
            client.delta(handle, "GetLayout", json!([])).await;
        }
        client.call(4, "Select", json!(["*e*"])).await;
        for handle in [2, 3] {
            client.delta(handle, "GetLayout", json!([])).await;
        }
        client.call(-1, "GetUniqueID", json!([])).await;
        client.call(1, "StoreTempSelectionState", json!([])).await;
        client.call(1, "GetAppLayout", json!([])).await;
        let log = engine.log();
        assert_eq!(log.iter().filter(|entry| entry.direction == Direction::Received).count(), 12);
        assert_eq!(log.iter().filter(|entry| entry.direction == Direction::Sent).count(), 13);
        logs.push(log);
    }
    assert_eq!(logs[0], logs[1]);
}
