//! `qix-proxy call`.

use futures_util::{SinkExt, StreamExt};
use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_tungstenite::{accept_async, tungstenite::Message};

use crate::support::{Ended, bounded, command, run};

async fn engine() -> (FakeEngine, String) {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let url = format!("{}/app/", engine.base_url().trim_end_matches('/'));
    (engine, url)
}

fn json(ended: &Ended) -> Value {
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

#[tokio::test]
async fn one_call_prints_the_result_on_one_line_pretty_or_as_it_came() {
    let (_engine, url) = engine().await;
    let ended = run(&["call", &url, "Global.EngineVersion"]).await;
    assert!(json(&ended)["qVersion"]["qComponentVersion"].is_string());
    assert_eq!(ended.stdout.lines().count(), 1);
    let pretty = run(&["call", &url, "EngineVersion", "--format", "pretty"]).await;
    assert_eq!(json(&pretty), json(&ended));
    assert!(pretty.stdout.lines().count() > 3);
    let raw = run(&["call", &url, "EngineVersion", "--raw"]).await;
    assert_eq!(json(&raw)["jsonrpc"], "2.0");
    assert_eq!(json(&raw)["result"], json(&ended));
}

#[tokio::test]
async fn methods_of_apps_fields_and_objects_open_what_they_need() {
    let (_engine, url) = engine().await;
    let layout = json(&run(&["call", &url, "Doc.GetAppLayout", "--app", "Sales.qvf"]).await);
    assert!(layout["qLayout"]["qTitle"].is_string());
    let named = format!("{url}Sales.qvf");
    let sum = json(&run(&["call", &named, "Doc.Evaluate", "qExpression=Sum(Sales)"]).await);
    assert!(sum["qReturn"].as_str().unwrap().parse::<f64>().unwrap() > 0.0);
    let field = json(&run(&["call", &named, "Field.GetCardinal", "--object", "Region"]).await);
    assert_eq!(field["qReturn"], 4);
    let missing = run(&["call", &named, "GenericObject.GetLayout", "--object", "nobody"]).await;
    assert_eq!(missing.code, 3);
    assert!(
        missing.stderr.contains("GetObject \"nobody\": the engine has no such object"),
        "{}",
        missing.stderr
    );
}

#[tokio::test]
async fn what_is_typed_wrongly_is_said_before_anything_is_connected() {
    // Nobody listens there.
    let url = "ws://127.0.0.1:9/app/";
    for (args, says) in [
        (&["Global.EngineVersoin"][..], "did you mean Global.EngineVersion?"),
        (&["GetLayout"], "several classes have a method GetLayout"),
        (&["OpenDoc", "qDocNam=x"], "did you mean qDocName?"),
        (&["OpenDoc"], "qDocName is missing"),
        (&["OpenDoc", "[\"x\""], "no JSON"),
        (&["Doc.Nonsense"], "--unchecked sends it"),
        (&["--file", "/nowhere"], "--file names it"),
        (&["EngineVersion", "--file", "-"], "cannot be used with"),
        (&[], "required"),
        (&["EngineVersion", "--app", "Sales.qvf"], "--app is of no use"),
        (&["EngineVersion", "--object", "x"], "--object is of no use"),
        (&["Doc.GetAppLayout", "--app", "Sales.qvf", "--object", "x"], "--object is of no use"),
    ] {
        let ended = run(&[&["call", url], args].concat()).await;
        assert_eq!(ended.code, 2, "{ended:?}");
        assert!(ended.stderr.contains(says), "{}", ended.stderr);
    }
    let ended = run(&["call", url, "EngineVersion", "--timeout", "5s"]).await;
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("qix-proxy doctor"), "{}", ended.stderr);
}

#[tokio::test]
async fn writes_are_refused_until_they_are_allowed() {
    let (engine, url) = engine().await;
    let args = ["call", &format!("{url}Sales.qvf"), "Doc.SetScript", "qScript=LOAD 1 AUTOGENERATE 1;"];
    let ended = run(&args).await;
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("SetScript may change what outlives the session"), "{}", ended.stderr);
    assert!(ended.stderr.contains("--allow-writes"), "{}", ended.stderr);
    let sent = |method: &str| engine.log().iter().any(|entry| entry.text.contains(method));
    assert!(!sent("\"SetScript\""));
    let ended = run(&[&args[..], &["--allow-writes"]].concat()).await;
    assert!(sent("\"SetScript\""), "{ended:?}");
}

#[tokio::test]
async fn refusals_of_the_engine_are_said_in_words_and_end_with_3() {
    let (_engine, url) = engine().await;
    let ended = run(&["call", &url, "OpenDoc", "qDocName=Nothing.qvf"]).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (3, ""));
    assert!(ended.stderr.starts_with("error: OpenDoc: "), "{}", ended.stderr);
    let ended = run(&["call", &url, "Global.NoSuchMethod", "--unchecked", "--allow-writes"]).await;
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("-32601"), "{}", ended.stderr);
}

#[tokio::test]
async fn pretty_answers_have_digits_and_order_as_the_engine_wrote_them() {
    let listener = bounded(TcpListener::bind("127.0.0.1:0")).await.unwrap();
    let url = format!("ws://{}/app/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut socket = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            let Ok(text) = message.to_text() else { continue };
            let Ok(request) = serde_json::from_str::<Value>(text) else { continue };
            let answer =
                format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"b":1.10e5,"a":[]}}}}"#, request["id"]);
            socket.send(Message::text(answer)).await.unwrap();
        }
    });
    let ended = run(&["call", &url, "EngineVersion", "--format", "pretty"]).await;
    assert_eq!((ended.code, &*ended.stdout), (0, "{\n  \"b\": 1.10e5,\n  \"a\": []\n}\n"), "{ended:?}");
}

#[tokio::test]
async fn object_is_opened_as_what_each_step_needs() {
    let (engine, url) = engine().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("steps.jsonl");
    let steps = [
        r#"{"method":"Field.GetCardinal"}"#,
        r#"{"handle":"$object","method":"Field.GetCardinal"}"#,
        r#"{"method":"GenericObject.GetLayout"}"#,
    ];
    std::fs::write(&file, steps.join("\n")).unwrap();
    let named = format!("{url}Sales.qvf");
    let ended = run(&["call", &named, "--object", "Region", "--file", file.to_str().unwrap()]).await;
    assert!(ended.code == 3 && ended.stderr.contains("GetObject \"Region\""), "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), 2);
    assert_eq!(engine.log().iter().filter(|entry| entry.text.contains("\"GetField\"")).count(), 1);
}

#[tokio::test]
async fn steps_of_a_pipeline_use_what_earlier_ones_have_opened() {
    let (_engine, url) = engine().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("steps.jsonl");
    let steps = [
        r#"{"method":"OpenDoc","params":["Sales.qvf"],"as":"doc"}"#,
        r#"{"handle":"$doc","method":"GetField","params":{"qFieldName":"Region"},"as":"region"}"#,
        r#"{"handle":"$region","method":"Field.GetCardinal"}"#,
        r#"{"handle":-1,"method":"GetActiveDoc"}"#,
    ];
    std::fs::write(&file, steps.join("\n")).unwrap();
    let ended = run(&["call", &url, "--file", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!((&lines[0]["method"], &lines[0]["as"]), (&"OpenDoc".into(), &"doc".into()));
    assert_eq!(lines[2]["result"]["qReturn"], 4);
    assert!(lines[2]["took"].is_u64());
    std::fs::write(&file, format!("{}\n{}", steps[3], steps[2])).unwrap();
    let ended = run(&["call", &url, "--file", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, 2);
    assert!(
        ended.stderr.contains("line 2: no step before this one has \"as\":\"region\""),
        "{}",
        ended.stderr
    );
}

#[tokio::test]
async fn pipeline_comes_by_standard_input_and_ends_at_the_first_refusal() {
    use tokio::io::AsyncWriteExt;
    let (_engine, url) = engine().await;
    let mut child =
        command(&["call", &url, "--file", "-"]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    let steps = "{\"method\":\"EngineVersion\"}\n{\"method\":\"OpenDoc\",\"params\":[\"None\"]}\n{\"method\":\"EngineVersion\"}\n";
    let mut input = child.stdin.take().unwrap();
    bounded(input.write_all(steps.as_bytes())).await.unwrap();
    drop(input);
    let ended = Ended::from(bounded(child.wait_with_output()).await.unwrap());
    assert_eq!((ended.code, ended.stdout.lines().count()), (3, 1), "{ended:?}");
    assert!(ended.stderr.starts_with("error: line 2: OpenDoc: "), "{}", ended.stderr);
}
