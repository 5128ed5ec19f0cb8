//! `redrive`: exit codes, the first line, the report.

use std::path::{Path, PathBuf};

use qix_client::transport::{CloseCode, Connect, Endpoint, Message, SocketExt, WsConnect};
use qix_proxy::record::{RecordConnect, Recorder, RecorderConfig};
use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json};

use crate::support::*;

/// Records what a client says to a fake engine: lists, layouts, a session object, a save.
async fn recorded(dir: &Path) -> PathBuf {
    let engine = engine(|_| {}).await;
    let file = dir.join("redrive.qixrec");
    let recorder = Recorder::create(&file, RecorderConfig::default()).unwrap();
    let url = Endpoint::parse(&engine.base_url()).unwrap().with_path("/app/Sales.qvf").unwrap();
    let connect = WsConnect::builder(url).build().unwrap();
    let connect = RecordConnect::new(connect, recorder.clone()).url("/app/Sales.qvf");
    let mut socket = bounded(connect.connect()).await.unwrap();
    let calls = [
        (-1, "GetDocList", json!([])),
        (-1, "OpenDoc", json!(["Sales.qvf"])),
        (1, "GetObject", json!(["LB01"])),
        (2, "GetLayout", json!([])),
        (1, "GetObject", json!(["CH01"])),
        (3, "GetLayout", json!([])),
        (1, "CreateSessionObject", json!([{"qInfo": {"qType": "x"}}])),
        (1, "DoSave", json!([])),
    ];
    for (id, (handle, method, params)) in (1..).zip(calls) {
        let request =
            json!({"jsonrpc": "2.0", "id": id, "handle": handle, "method": method, "params": params});
        bounded(socket.send_text(request.to_string())).await.unwrap();
        loop {
            let Message::Text(text) = bounded(socket.receive()).await.unwrap() else { continue };
            let said: Value = serde_json::from_slice(&text).unwrap();
            if said["id"] == id {
                break;
            }
        }
    }
    bounded(socket.close(CloseCode::NORMAL, "")).await;
    bounded(recorder.seal()).await;
    file
}

async fn redrive(file: &Path, to: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let file = file.to_str().unwrap();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_qix-proxy"));
    command.args(["redrive", file, "--to", to]).args(more).env_remove("CI").kill_on_drop(true);
    let output = bounded(command.output()).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

async fn engine(change: impl FnOnce(&mut FakeEngineConfig)) -> FakeEngine {
    let mut config = FakeEngineConfig::default();
    change(&mut config);
    bounded(FakeEngine::start(config)).await.unwrap()
}

#[tokio::test]
async fn equal_answers_exit_with_0_different_ones_with_1_and_the_report_names_them() {
    let dir = tempfile::tempdir().unwrap();
    let file = recorded(dir.path()).await;
    let same = engine(|_| {}).await;
    let (code, out, err) = redrive(&file, &same.base_url(), &[]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("making 1 connection with 8 calls again at ws://127.0.0.1:"), "{out}");
    assert!(out.contains("; 1 call will not be sent, as they write (--allow-writes)"), "{out}");
    assert!(out.contains("p95 live") && out.contains("7 equal, 0 different, 1 refused as writes"), "{out}");
    let (report, live) = (dir.path().join("report.json"), dir.path().join("live.qixrec"));
    let other = engine(|config| config.otherwise.sales = Some((0, 90_000))).await;
    let more = ["--allow-writes", "--report", report.to_str().unwrap(), "--record", live.to_str().unwrap()];
    let (code, out, err) = redrive(&file, &other.base_url(), &more).await;
    assert_eq!(code, Some(1), "{out}{err}");
    assert!(out.contains("differs: GetLayout() on OpenDoc(\"Sales.qvf\") / GetObject(\"CH01\")"), "{out}");
    assert!(out.contains("/qMatrix/[North]/1/qNum (number)\n    - "), "{out}");
    let report: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert_eq!((&report["verdict"], &report["counts"]["refused"]), (&"different".into(), &0.into()));
    let (code, out, _) = redrive(&live, &other.base_url(), &["--allow-writes"]).await;
    assert_eq!(code, Some(0), "{out}");
}

#[tokio::test]
async fn no_engine_is_3_no_recording_4_and_wrong_usage_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = recorded(dir.path()).await;
    let gone = engine(|_| {}).await;
    let url = gone.base_url();
    bounded(gone.shutdown()).await;
    let (code, out, _) = redrive(&file, &url, &[]).await;
    assert_eq!(code, Some(3), "{out}");
    let (code, _, err) = redrive(Path::new("Cargo.toml"), &url, &[]).await;
    assert_eq!((code, err.contains("is no recording")), (Some(4), true), "{err}");
    for wrong in [["--app", "x"], ["--tolerance", "2"], ["--only", "["], ["--ignore", "x"]] {
        let (code, _, err) = redrive(&file, &url, &wrong).await;
        assert_eq!(code, Some(2), "{wrong:?}: {err}");
    }
    let (code, _, err) = redrive(&file, "ftp://x", &[]).await;
    assert_eq!(code, Some(2), "{err}");
}
