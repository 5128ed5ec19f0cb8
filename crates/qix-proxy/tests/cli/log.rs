//! `--log` and `--log-format`.

use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::support::*;

/// Records two calls and a client that speaks no HTTP. Returns the lines of the log.
async fn logged(more: &[&str]) -> Vec<String> {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let upstream = engine.base_url();
    let args =
        ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", path.to_str().unwrap()];
    let server = Server::start(&[more, &args].concat()).await;
    let mut client = RawClient::connect(server.address).await;
    client.call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await;
    client.call(2, 1, "NoSuchMethod", json!([])).await;
    client.close().await;
    let mut stream = bounded(TcpStream::connect(server.address)).await.unwrap();
    stream.write_all(b"\x16\x03\x01 no HTTP\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = bounded(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest)).await;
    server.terminate().await.stderr.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn json_log_has_an_object_a_line_and_completed_calls_with_their_parts_as_fields() {
    let lines = logged(&["--log-format", "json", "--log", "warn,qix_proxy::calls=info"]).await;
    let events: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let calls: Vec<_> = events.iter().filter(|event| event["target"] == "qix_proxy::calls").collect();
    assert_eq!(calls.len(), 2, "{lines:#?}");
    let done = calls[0];
    assert_eq!(
        (&done["method"], &done["object"], &done["connection"]),
        (&json!("OpenDoc"), &json!("global"), &json!(1))
    );
    assert!(done["latency_ms"].is_f64() && done["bytes"].is_u64() && done.get("error").is_none(), "{done}");
    let failed = calls[1];
    assert_eq!(
        (&failed["object"], &failed["id"], &failed["code"]),
        (&json!("app Sales"), &json!("Sales"), &json!(-32601))
    );
    assert!(failed["error"].as_str().unwrap().contains("METHOD_NOT_FOUND"), "{failed}");
    let warned = events.iter().any(|event| {
        event["level"] == "WARN" && event["message"].as_str().unwrap().contains("spoke no HTTP")
    });
    assert!(warned, "{lines:#?}");
}

#[tokio::test]
async fn log_says_as_much_as_it_is_asked_to() {
    let lines = logged(&["--log", "off"]).await;
    assert!(lines.is_empty(), "{lines:?}");
    let lines = logged(&[]).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines[1].contains("stopping") && lines[0].contains("WARN") && lines[0].contains("spoke no HTTP"),
        "{lines:?}"
    );
}
