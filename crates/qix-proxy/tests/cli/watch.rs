//! `record --live always` without a terminal: one line after the other.

use qix_tests::{FakeEngine, FakeEngineConfig};
use serde_json::json;

use crate::support::*;

/// Records a short conversation, and returns what the recorder wrote besides its first line and its last.
async fn watched(more: &[&str]) -> (Vec<String>, Ended) {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let upstream = engine.base_url();
    let args =
        ["record", "--upstream", &upstream, "--listen", "127.0.0.1:0", "--out", path.to_str().unwrap()];
    let server = Server::start(&[&args, more].concat()).await;
    let mut client = RawClient::connect(server.address).await;
    client.call(1, -1, "OpenDoc", json!(["Sales.qvf"])).await;
    let definition = json!([{"qInfo": {"qType": "sheet", "qId": "s1"}, "qMetaDef": {"title": "Overview"}}]);
    let object = client.call(2, 1, "CreateSessionObject", definition).await;
    let handle = object["result"]["qReturn"]["qHandle"].as_i64().unwrap();
    client.call(3, handle, "GetLayout", json!([])).await;
    client.call(4, 1, "NoSuchMethod", json!(["password=s3cret"])).await;
    client.close().await;
    let mut ended = server.terminate().await;
    let mut lines: Vec<_> = ended.stdout.lines().map(str::to_owned).collect();
    ended.stdout = lines.pop().unwrap();
    assert!(ended.stderr.contains("stopping"), "{}", ended.stderr);
    (lines, ended)
}

/// The words of a line, without the time and the connection's number.
fn words(line: &str) -> String {
    let mut words = line.split_whitespace();
    let time = words.next().unwrap();
    assert!(time.len() == 12 && time.as_bytes()[2] == b':' && time.as_bytes()[8] == b'.', "{line}");
    assert_eq!(words.next(), Some("#1"), "{line}");
    words.collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn calls_are_shown_as_they_are_answered_by_name_with_latency_size_and_error() {
    let (lines, ended) = watched(&["--live", "always"]).await;
    assert!(ended.code == 0 && ended.stderr.lines().count() == 1, "{ended:?}");
    assert!(ended.stdout.starts_with("recorded 1 connection"), "{}", ended.stdout);
    let shown: Vec<_> = lines.iter().map(|line| words(line)).collect();
    let begins = [
        "· connected to /app/Sales.qvf",
        "· OnConnected: a new session",
        "global OpenDoc ",
        "app Sales CreateSessionObject ",
        "sheet Overview GetLayout ",
        "app Sales NoSuchMethod ",
        "· closed by the client with 1005",
    ];
    assert_eq!(shown.len(), begins.len(), "{lines:#?}");
    for (line, begins) in shown.iter().zip(begins) {
        assert!(line.starts_with(begins), "{begins}: {line}");
    }
    assert!(shown[4].contains(" ms ") && shown[4].ends_with('B'), "{}", shown[4]);
    assert!(shown[5].contains("✗ -32601 JSON_RPC_METHOD_NOT_FOUND"), "{}", shown[5]);
    assert!(!lines.concat().contains("s3cret") && !lines.concat().contains('\u{1b}'));
}

#[tokio::test]
async fn conditions_choose_what_is_shown() {
    for (filter, methods) in [
        (&["--method", "get*"][..], &["GetLayout"][..]),
        (&["--object", "Sheet*"], &["GetLayout"]),
        (&["--errors"], &["NoSuchMethod"]),
        (&["--object", "app *", "--method", "Create*"], &["CreateSessionObject"]),
        (&["--slower", "1h"], &[]),
    ] {
        let (lines, _) = watched(&[&["--live", "always"], filter].concat()).await;
        assert_eq!(lines.len(), methods.len(), "{filter:?}: {lines:#?}");
        for (line, method) in lines.iter().zip(methods) {
            assert!(line.contains(method), "{filter:?}: {line}");
        }
    }
}

#[tokio::test]
async fn without_a_terminal_nothing_is_shown_unless_asked_for() {
    for more in [&[][..], &["--live", "never"]] {
        let (lines, ended) = watched(more).await;
        assert!(lines.is_empty() && ended.stderr.lines().count() == 1, "{lines:?} {ended:?}");
    }
}

#[tokio::test]
async fn options_that_cannot_work_are_refused_before_a_file_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.qixrec");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = [
        "record",
        "--upstream",
        "ws://127.0.0.1:1",
        "--listen",
        "127.0.0.1:0",
        "--out",
        path.to_str().unwrap(),
    ];
    for (more, code, says) in [
        (&["--live", "always", "--method", "["][..], 2, "cannot be a pattern"),
        (&["--live", "never", "--errors"], 2, "--live never shows nothing"),
        (&["--log", "loud"], 2, "--log is \"loud\""),
        (&["--metrics", &address], 3, "choose another address or port for --metrics"),
    ] {
        let ended = run(&[&args, more].concat()).await;
        assert_eq!(ended.code, code, "{more:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(says), "{more:?}: {}", ended.stderr);
        assert!(!path.exists(), "{more:?}");
    }
}
