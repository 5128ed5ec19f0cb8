//! What is sent to an engine, what is not, and what is said of it: against engines that answer as the test says.

use std::{
    future::pending,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use qix_transport::{MemoryConnect, Message, SocketExt};
use serde_json::{Value, json};

use super::*;

/// Writes a recording of one connection to `path`, of lines such as `> {…}`, said by the client, and `< {…}`, by the engine.
fn record(dir: &Path, name: &str, url: &str, script: &[Value]) -> PathBuf {
    let mut lines = vec![
        json!({"qixrec": [1, 1], "started": "1970-01-01T00:00:00.000000Z"}).to_string(),
        json!({"seq": 1, "t": 0, "conn": 1, "kind": "open", "url": url, "status": 101, "request": [], "response": []})
            .to_string(),
    ];
    for (at, said) in script.iter().enumerate() {
        let from = if said.get("method").is_some() { "client" } else { "engine" };
        let seq = at + 2;
        lines.push(
            json!({"seq": seq, "t": seq, "conn": 1, "kind": "frame", "from": from, "json": said}).to_string(),
        );
    }
    let path = dir.join(name);
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    path
}

/// A request and its answer.
fn call(id: u64, handle: i64, method: &str, params: Value, result: Value) -> [Value; 2] {
    [json!({"id": id, "handle": handle, "method": method, "params": params}), answer(id, result)]
}

fn answer(id: u64, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn object(class: &str, handle: i64, id: &str) -> Value {
    json!({"qReturn": {"qType": class, "qHandle": handle, "qGenericId": id}})
}

fn open(app: &str) -> [Value; 2] {
    call(1, -1, "OpenDoc", json!([app]), object("Doc", 1, app))
}

/// Makes recordings again at an engine that answers each request as `engine` does, and returns what it was asked, too.
async fn redrive(
    files: &[PathBuf],
    settings: RedriveSettings,
    engine: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
) -> (RedriveReport, Vec<Value>) {
    let (connect, mut acceptor) = MemoryConnect::new();
    let (asked, engine) = (Arc::new(Mutex::new(Vec::new())), Arc::new(engine));
    let log = asked.clone();
    let serving = tokio::spawn(async move {
        while let Some(mut socket) = acceptor.accept().await {
            while let Ok(Message::Text(text)) = socket.receive().await {
                let request: Value = serde_json::from_slice(&text).unwrap();
                log.lock().unwrap().push(request.clone());
                if let Some(answer) = engine(&request) {
                    socket.send_text(answer.to_string()).await.unwrap();
                }
            }
        }
    });
    let redrive = Redrive::open(files, settings).unwrap();
    let report = redrive.run(|_: &str| Ok(connect.clone()), pending(), |_| {}).await;
    serving.abort();
    let asked = asked.lock().unwrap().clone();
    (report, asked)
}

/// Makes one recording again at an engine that gives each call the recorded result, unless `other` has another answer.
async fn again(
    script: &[[Value; 2]],
    settings: RedriveSettings,
    other: impl Fn(&Value) -> Option<Value> + Send + Sync + 'static,
) -> (RedriveReport, Vec<Value>) {
    let dir = tempfile::tempdir().unwrap();
    let file = record(dir.path(), "a.qixrec", "/app/x", &script.concat());
    let known = script.to_vec();
    redrive(&[file], settings, move |request| Some(other(request).unwrap_or_else(|| echo(&known, request))))
        .await
}

/// The recorded answer to a request.
fn echo(script: &[[Value; 2]], request: &Value) -> Value {
    let same = script.iter().find(|[asked, _]| {
        ["method", "params", "handle"].iter().all(|member| asked[*member] == request[*member])
    });
    match same {
        Some([_, answer]) => {
            let mut answer = answer.clone();
            answer["id"] = request["id"].clone();
            answer
        }
        None => json!({"id": request["id"], "error": {"code": -32601, "message": "Method not found"}}),
    }
}

fn methods(asked: &[Value]) -> Vec<&str> {
    asked.iter().map(|request| request["method"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn secrets_that_the_recording_does_not_have_are_never_sent_in_their_place() {
    let connection = json!(["c1", {"qConnectionString": "CUSTOM CONNECT TO \"host=h\"", "qUserName": "u", "qPassword": "***"}, true]);
    let script = [
        call(1, -1, "OpenDoc", json!(["x", "me", "***", ""]), object("Doc", 1, "x")),
        call(2, 1, "ModifyConnection", connection, json!({})),
        call(3, 1, "SetScript", json!(["***"]), json!({})),
        call(
            4,
            -1,
            "IsValidConnectionString",
            json!([{"qConnectionString": "pwd=***"}]),
            json!({"qReturn": true}),
        ),
        call(5, 1, "GetAppLayout", json!([]), json!({"qLayout": {}})),
    ];
    let settings = RedriveSettings::default().allow_writes(true);
    let opened = |request: &Value| (request["method"] == "OpenDoc").then(|| answer(1, object("Doc", 1, "x")));
    let (report, asked) = again(&script, settings, opened).await;
    assert!(!asked.iter().any(|request| request.to_string().contains("***")), "{asked:#?}");
    assert_eq!(methods(&asked), ["OpenDoc", "GetAppLayout"]);
    assert_eq!((report.counts.skipped, report.counts.skipped_by_choice), (3, 3), "{}", report.text(false));
}

#[tokio::test(start_paused = true)]
async fn what_was_a_session_app_and_is_another_app_now_is_not_written_to() {
    let script = [
        open("SessionApp_1"),
        call(2, 1, "SetScript", json!(["x"]), json!({})),
        call(3, 1, "DoReload", json!([]), json!({"qReturn": true})),
    ];
    let (_, asked) = again(&script, RedriveSettings::default(), |_| None).await;
    assert_eq!(methods(&asked), ["OpenDoc", "SetScript", "DoReload"]);
    let mapped = RedriveSettings::default().app("SessionApp_1", "Sales");
    let sales =
        |request: &Value| (request["method"] == "OpenDoc").then(|| answer(1, object("Doc", 1, "Sales")));
    let (report, asked) = again(&script, mapped, sales).await;
    assert_eq!((methods(&asked), report.counts.refused), (vec!["OpenDoc"], 2));
    // Whatever the engine opens instead.
    let (report, asked) = again(&script, RedriveSettings::default(), sales).await;
    assert_eq!((methods(&asked), report.counts.refused), (vec!["OpenDoc"], 2));
}

#[tokio::test(start_paused = true)]
async fn object_of_an_app_is_no_session_object_for_having_the_id_of_one_in_another_app() {
    let set = |id, handle| call(id, handle, "SetProperties", json!([{"title": "x"}]), json!({}));
    let script = [
        open("x"),
        call(
            2,
            1,
            "CreateSessionObject",
            json!([{"qInfo": {"qId": "mine"}}]),
            object("GenericObject", 2, "mine"),
        ),
        call(3, -1, "OpenDoc", json!(["y"]), object("Doc", 3, "y")),
        call(4, 3, "GetObject", json!(["mine"]), object("GenericObject", 4, "mine")),
        set(5, 4),
        call(6, 1, "GetObject", json!(["mine"]), object("GenericObject", 2, "mine")),
        set(7, 2),
    ];
    let (report, asked) = again(&script, RedriveSettings::default(), |_| None).await;
    let set: Vec<_> = asked.iter().filter(|request| request["method"] == "SetProperties").collect();
    assert_eq!((set.len(), report.counts.refused), (1, 1), "{}", report.text(false));
    assert_eq!(set[0]["handle"], 2);
}

#[tokio::test(start_paused = true)]
async fn secrets_of_a_live_answer_are_not_shown_where_an_error_was_recorded() {
    let mut script = [open("x"), call(2, 1, "GetConnection", json!(["c1"]), json!({}))];
    script[1][1] = json!({"id": 2, "error": {"code": 2000, "message": "not found"}});
    let live = json!({"qConnection": {"qId": "c1", "qUserName": "u", "qPassword": "s3cret"}});
    let connection =
        move |request: &Value| (request["method"] == "GetConnection").then(|| answer(2, live.clone()));
    let (report, _) = again(&script, RedriveSettings::default(), connection).await;
    assert_eq!(report.counts.different, 1);
    assert!(!report.json().to_string().contains("s3cret"), "{}", report.json());
}

#[tokio::test(start_paused = true)]
async fn write_to_an_object_that_was_not_sent_is_named_as_the_reason_of_what_differs_elsewhere() {
    let script = [
        open("x"),
        call(2, 1, "GetObject", json!(["a"]), object("GenericObject", 2, "a")),
        call(3, 2, "SetProperties", json!([{"title": "new"}]), json!({})),
        call(4, 1, "GetAppLayout", json!([]), json!({"qLayout": {"title": "new"}})),
    ];
    let old = |request: &Value| {
        let id = request["id"].as_u64().unwrap();
        (request["method"] == "GetAppLayout").then(|| answer(id, json!({"qLayout": {"title": "old"}})))
    };
    let (report, _) = again(&script, RedriveSettings::default(), old).await;
    let after = report.different[0].after.as_deref();
    assert_eq!(after, Some(r#"SetProperties on OpenDoc("x") / GetObject("a")"#));
    assert_eq!(report.verdict(), Verdict::Different);
}

#[tokio::test(start_paused = true)]
async fn recordings_that_began_at_the_same_time_are_made_again_each() {
    // Whatever has no times is imported as of the same time.
    let dir = tempfile::tempdir().unwrap();
    let script = [open("x"), call(2, 1, "GetAppLayout", json!([]), json!({"qLayout": {}}))];
    let files = ["a", "b"].map(|name| record(dir.path(), name, "/app/x", &script.concat()));
    let (report, asked) =
        redrive(&files, RedriveSettings::default(), move |request| Some(echo(&script, request))).await;
    assert_eq!((report.verdict(), report.counts.equal), (Verdict::Equal, 4), "{}", report.text(false));
    assert_eq!(methods(&asked).len(), 4);
    // The same one twice is a slip.
    let twice = [files[0].clone(), files[0].clone()];
    let (report, _) = redrive(&twice, RedriveSettings::default(), |_| None).await;
    assert_eq!((report.counts.calls, report.faults.len()), (2, 1), "{}", report.text(false));
}

#[tokio::test(start_paused = true)]
async fn engine_that_says_nothing_any_more_is_given_up_in_time() {
    let mut script = vec![open("x")];
    script.extend((2..200).map(|id| call(id, 1, "GetAppLayout", json!([]), json!({"qLayout": {}}))));
    let dir = tempfile::tempdir().unwrap();
    let file = record(dir.path(), "a.qixrec", "/app/x", &script.concat());
    let began = tokio::time::Instant::now();
    let first = script[0].clone();
    let engine =
        move |request: &Value| (request["id"] == 1).then(|| echo(std::slice::from_ref(&first), request));
    let (report, _) = redrive(&[file], RedriveSettings::default(), engine).await;
    assert!(began.elapsed() < Duration::from_secs(600), "{:?}", began.elapsed());
    assert_eq!(report.verdict(), Verdict::Different);
    assert_eq!(report.counts.not_answered + report.counts.skipped, 198, "{}", report.text(false));
}

#[tokio::test(start_paused = true)]
async fn times_that_no_clock_takes_are_long_and_no_panic() {
    let script = [open("x"), call(2, 1, "GetAppLayout", json!([]), json!({"qLayout": {}}))];
    for speed in [1e-21, 1e-300] {
        let settings = RedriveSettings::default().speed(speed).timeout(Duration::MAX);
        let began = tokio::time::Instant::now();
        let (report, _) = again(&script, settings, |_| None).await;
        assert_eq!(report.verdict(), Verdict::Equal);
        assert!(began.elapsed() > Duration::from_secs(24 * 3600), "{:?}", began.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_given_up_count_as_unanswered() {
    let notify = json!({"handle": -1, "method": "GetUniqueID", "params": []});
    let dir = tempfile::tempdir().unwrap();
    let file = record(dir.path(), "a.qixrec", "/app/x", &vec![notify; 300]);
    let engine = |request: &Value| Some(answer(request["id"].as_u64().unwrap(), json!({"qUniqueID": 1})));
    let (report, asked) = redrive(&[file], RedriveSettings::default(), engine).await;
    assert_eq!((report.counts.unanswered, asked.len()), (300, 300), "{}", report.text(false));
}

#[test]
fn ids_of_requests_do_not_keep_the_recording_in_memory() {
    let mut lane = lane::Lane::new(0, Err("nobody is there".into()));
    let text = bytes::Bytes::from(vec![b'1'; 1000]);
    lane.knows(&text.slice(..2), 1);
    assert!(text.is_unique());
    for _ in 0..100_000 {
        let id = lane.next_id();
        lane.knows(id.to_string().as_bytes(), id);
    }
    assert!(lane.request_ids.len() <= 1 << 15);
    assert_eq!(lane.request_ids.get(&b"100000"[..]), Some(&100_000));
}
