//! Requests that a recording does not have: what is printed, and how long the answer takes.

use std::{path::Path, time::Instant};

use qix_client::{
    Session,
    transport::{CloseCode, Connect, Endpoint, Message, SocketExt, WsConnect},
};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome,
    proxy::{self, Proxy},
    say,
};

/// Slower ones are none that a developer would call at once.
const AT_ONCE_MS: f64 = 100.0;

/// Records a little, and asks for something else.
pub(super) async fn run(recordings: &Path) -> Outcome {
    let file = recordings.join("misses.qixrec");
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let mut command = proxy::command("record");
    command.args(["--live", "never", "--upstream", &engine.base_url(), "--out"]).arg(&file);
    let proxy = Proxy::start_quietly(command).await?;
    let connect = |proxy: &Proxy| -> Outcome<WsConnect> {
        let endpoint = Endpoint::parse(&format!("{}/app/Sales.qvf", proxy.url("ws")))?;
        Ok(WsConnect::builder(endpoint).build()?)
    };
    let session = Session::connect(&connect(&proxy)?).await?;
    let doc = session.global().open_doc("Sales.qvf").await?;
    let _: Value = doc.get_object("LB01").await?.get_layout().call_into::<Value>().await?;
    doc.get_object("CH01").await?;
    let cube = json!({"qInfo": {"qId": "cube", "qType": "table"}, "qHyperCubeDef": {"qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}]}});
    doc.create_session_object(&cube).await?;
    session.close().await;
    proxy.stop().await?;
    engine.shutdown().await;

    let mut command = proxy::command("replay");
    command.arg(&file);
    let proxy = Proxy::start_quietly(command).await?;
    let mut socket = connect(&proxy)?.connect().await?;
    let mut last = 0;
    let mut slowest: f64 = 0.0;
    let other = json!({"qInfo": {"qId": "cube", "qType": "table"}, "qHyperCubeDef": {"qMeasures": [{"qDef": {"qDef": "Avg(Sales)"}}]}});
    let cases = [
        ("", "OpenDoc", -1, json!(["Sales.qvf"])),
        ("", "GetObject", 1, json!(["CH01"])),
        ("another object", "GetLayout", 2, json!([])),
        ("another parameter", "CreateSessionObject", 1, json!([other])),
        ("another method", "DoSave", 1, json!([])),
        ("an app that was not recorded", "OpenDoc", -1, json!(["Other.qvf"])),
        ("text that is no request", "", 0, json!(null)),
    ];
    for (kind, method, handle, params) in cases {
        last += 1;
        let text = match method {
            "" => json!({"id": last, "hello": true}).to_string(),
            _ => json!({"id": last, "method": method, "handle": handle, "params": params}).to_string(),
        };
        let begun = Instant::now();
        socket.send_text(text).await?;
        let answer: Value = loop {
            let Message::Text(text) = timeout(LIMIT, socket.receive()).await?? else { continue };
            let answer: Value = serde_json::from_slice(&text)?;
            if answer["id"] == last {
                break answer;
            }
        };
        let took = begun.elapsed().as_secs_f64() * 1e3;
        let is_miss = answer["error"]["code"] == -32099;
        if is_miss == kind.is_empty() {
            return Err(format!("{method}: {answer}").into());
        }
        if is_miss {
            slowest = slowest.max(took);
            say(&format!(
                "{kind}: answered in {took:.2} ms: {}",
                answer["error"]["parameter"].as_str().unwrap_or_default()
            ));
        }
    }
    socket.close(CloseCode::NORMAL, "").await;
    if proxy.end().await? != Some(1) {
        return Err("misses should make exit code 1".into());
    }
    if slowest > AT_ONCE_MS {
        return Err(format!("a miss took {slowest:.0} ms").into());
    }
    say(&format!("misses: five kinds, the slowest answered in {slowest:.2} ms"));
    Ok(())
}
