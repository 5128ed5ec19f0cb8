//! `qix-proxy import` and `export` of traffic logs.

use std::{fs, net::SocketAddr, path::Path};

use futures_util::{SinkExt, StreamExt};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use serde_json::{Value, json, value::RawValue};
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::support::*;

/// A client that writes as enigma-go does, and keeps its log.
struct EnigmaGo {
    socket: WebSocketStream<TcpStream>,
    id: u64,
    /// `Sent` or `Received`, and the message.
    log: Vec<(&'static str, String)>,
}

impl EnigmaGo {
    async fn connect(address: SocketAddr) -> Self {
        let stream = bounded(TcpStream::connect(address)).await.unwrap();
        let socket = bounded(client_async(format!("ws://{address}/app/Sales.qvf"), stream)).await.unwrap().0;
        let mut client = Self { socket, id: 0, log: Vec::new() };
        client.receive().await;
        client
    }

    async fn receive(&mut self) -> Value {
        let message = bounded(self.socket.next()).await.expect("the connection is open").unwrap();
        let text = message.to_text().unwrap().to_owned();
        let value = serde_json::from_str(&text).unwrap();
        self.log.push(("Received", text));
        value
    }

    async fn call(&mut self, handle: i64, method: &str, params: Value) -> Value {
        self.id += 1;
        let id = self.id;
        let request = format!(
            r#"{{"jsonrpc":"2.0","delta":false,"method":"{method}","handle":{handle},"id":{id},"params":{params}}}"#
        );
        let request = html_escaped(&request);
        self.log.push(("Sent", request.clone()));
        bounded(self.socket.send(Message::text(request))).await.unwrap();
        loop {
            let answer = self.receive().await;
            if answer["id"] == id {
                return answer;
            }
        }
    }

    /// Does what a program would, and returns the log.
    async fn converse(mut self) -> Vec<(&'static str, String)> {
        let handle = |answer: Value| answer["result"]["qReturn"]["qHandle"].as_i64().unwrap();
        let app = handle(self.call(-1, "OpenDoc", json!(["Sales.qvf", "", "", "", false])).await);
        let list = handle(self.call(app, "GetObject", json!(["LB01"])).await);
        self.call(list, "GetLayout", json!([])).await;
        let cube = json!({"qInfo": {"qType": "t"}, "qHyperCubeDef": {
            "qMeasures": [{"qDef": {"qDef": "Sum({<Region={'x & y'}>} Sales)"}}],
            "qInitialDataFetch": [{"qWidth": 1, "qHeight": 1}]}});
        let cube = handle(self.call(app, "CreateSessionObject", json!([cube])).await);
        self.call(cube, "GetLayout", json!([])).await;
        let field = handle(self.call(app, "GetField", json!(["Region", "$"])).await);
        self.call(field, "Select", json!(["Nord<&>\u{2028}", false, 0])).await;
        self.call(cube, "GetLayout", json!([])).await;
        let refused = self.call(app, "NoSuchMethod", json!([])).await;
        assert!(refused["error"].is_object());
        bounded(self.socket.close(None)).await.unwrap();
        self.log
    }
}

/// What Go's encoder makes of a text of JSON.
fn html_escaped(json: &str) -> String {
    let pairs = [
        ("<", r"\u003c"),
        (">", r"\u003e"),
        ("&", r"\u0026"),
        ("\u{2028}", r"\u2028"),
        ("\u{2029}", r"\u2029"),
    ];
    pairs.iter().fold(json.to_owned(), |json, (character, escape)| json.replace(character, escape))
}

/// Writes the log as enigma-go does when the session is closed.
fn written(log: &[(&str, String)]) -> String {
    let rows: Vec<Value> = log
        .iter()
        .map(|(name, message)| json!({ *name: serde_json::from_str::<Value>(message).unwrap() }))
        .collect();
    let mut out = Vec::new();
    let tabs = serde_json::ser::PrettyFormatter::with_indent(b"\t");
    serde::Serialize::serialize(&rows, &mut serde_json::Serializer::with_formatter(&mut out, tabs)).unwrap();
    html_escaped(&String::from_utf8(out).unwrap())
}

async fn recorded_by_enigma_go() -> Vec<(&'static str, String)> {
    let engine = bounded(FakeEngine::start(FakeEngineConfig::default())).await.unwrap();
    EnigmaGo::connect(engine.addr()).await.converse().await
}

async fn done(args: &[&str]) -> Ended {
    let ended = run(args).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    ended
}

fn name(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[cfg(unix)]
#[tokio::test]
async fn log_of_enigma_go_is_imported_replayed_and_exported_again_the_same() {
    let log = recorded_by_enigma_go().await;
    let text = written(&log);
    assert!(text.contains(r"{\u003cRegion") && text.contains("\"params\": []"));
    let dir = tempfile::tempdir().unwrap();
    let [traffic, recording, again] =
        ["socket.traffic", "socket.qixrec", "again"].map(|name| dir.path().join(name));
    fs::write(&traffic, &text).unwrap();
    let ended = done(&["import", name(&traffic)]).await;
    let expected = format!(
        "{}: 1 connection with {} messages from a traffic log of enigma-go\n",
        recording.display(),
        log.len()
    );
    assert_eq!(ended.stdout, expected);
    assert!(ended.stderr.contains("durations mean nothing"), "{}", ended.stderr);

    // The client says the same to the replay, and hears the same.
    let replay = Server::replay(&recording).await;
    let replayed = EnigmaGo::connect(replay.address).await.converse().await;
    let values = |log: &[(&'static str, String)]| -> Vec<(&'static str, Value)> {
        log.iter().map(|(name, text)| (*name, serde_json::from_str(text).unwrap())).collect()
    };
    assert_eq!(values(&replayed), values(&log));
    assert_eq!(replay.terminate().await.code, 0);

    let ended = done(&["export", "--as", "enigma-go", "--out", name(&again), name(&recording)]).await;
    assert_eq!(ended.stdout, format!("{}: {} messages\n", again.display(), log.len()));
    assert_eq!(fs::read_to_string(&again).unwrap(), text);
}

#[tokio::test]
async fn output_of_traffic_gives_the_same_recording_as_the_log() {
    let log = recorded_by_enigma_go().await;
    let mut printed = "INFO: connected\n".to_owned();
    for (side, message) in &log {
        let arrow = if *side == "Sent" { "-->" } else { "<--" };
        printed += &format!("{arrow} {message}\nReloading 10 %\r");
    }
    printed += "\n+----+\n| id |\n";
    let dir = tempfile::tempdir().unwrap();
    let [text, recording, again] = ["out.txt", "out.qixrec", "again"].map(|name| dir.path().join(name));
    fs::write(&text, printed).unwrap();
    let ended = done(&["import", name(&text)]).await;
    assert!(ended.stdout.ends_with("messages from the output of --traffic\n"), "{ended:?}");
    done(&["export", "--as", "enigma-go", "--out", name(&again), name(&recording)]).await;
    assert_eq!(fs::read_to_string(&again).unwrap(), written(&log));
}

/// enigma-go's mock: it expects what was sent, in order and to the letter but for white space, and then says what was received.
struct Mock {
    expected: std::collections::VecDeque<(String, Vec<String>)>,
    /// What is said before anything was sent.
    first: Vec<String>,
}

impl Mock {
    fn new(log: &str) -> Self {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Row<'a> {
            #[serde(borrow)]
            sent: Option<&'a RawValue>,
            #[serde(borrow)]
            received: Option<&'a RawValue>,
        }

        let mut mock = Self { expected: Default::default(), first: Vec::new() };
        for row in serde_json::from_str::<Vec<Row<'_>>>(log).unwrap() {
            match (row.sent, row.received, mock.expected.back_mut()) {
                (Some(sent), ..) => mock.expected.push_back((compact(sent.get()), Vec::new())),
                (_, Some(received), Some((_, released))) => released.push(compact(received.get())),
                (_, Some(received), None) => mock.first.push(compact(received.get())),
                _ => {}
            }
        }
        mock
    }

    fn write(&mut self, message: &str) -> Vec<String> {
        let (expected, released) = self.expected.pop_front().expect("no more is expected");
        assert_eq!(expected, compact(message));
        released
    }
}

/// `json.Compact`, which leaves texts and numbers as they are.
fn compact(json: &str) -> String {
    let mut in_text = false;
    let mut is_escaped = false;
    let keep = |character: &char| {
        let kept = in_text || !character.is_ascii_whitespace();
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => in_text = !in_text,
            _ => {}
        }
        kept
    };
    json.chars().filter(keep).collect()
}

#[tokio::test]
async fn mock_of_enigma_go_takes_an_exported_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let recording = bundled();
    done(&["export", "--as", "enigma-go", "--connection", "1", "--out", name(&log), name(&recording)]).await;
    let mut mock = Mock::new(&fs::read_to_string(&log).unwrap());
    let mut said: std::collections::VecDeque<String> = mock.first.drain(..).collect();
    let mut requests = 0;
    for line in fs::read_to_string(&recording).unwrap().lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        if entry["conn"] != 1 || entry["kind"] != "frame" {
            continue;
        }
        // enigma-go writes requests with Go's encoder.
        let message = html_escaped(&entry["json"].to_string());
        if entry["from"] == "client" {
            requests += 1;
            said.extend(mock.write(&message));
        } else {
            assert_eq!(said.pop_front().unwrap(), message);
        }
    }
    assert!(requests > 3 && said.is_empty() && mock.expected.is_empty());
}

#[tokio::test]
async fn what_cannot_be_imported_or_exported_is_one_sentence_with_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let [empty, other, recording, log] =
        ["empty.json", "other.txt", "two.qixrec", "log"].map(|name| dir.path().join(name));
    fs::write(&empty, "[]").unwrap();
    fs::write(&other, "hello").unwrap();
    let open = |seq: u64| {
        format!(
            "{{\"seq\":{seq},\"t\":0,\"conn\":{seq},\"kind\":\"open\",\"url\":\"/app/{seq}\",\"status\":101,\"request\":[],\"response\":[]}}\n"
        )
    };
    let said = |seq: u64| {
        format!(
            "{{\"seq\":{seq},\"t\":0,\"conn\":{},\"kind\":\"frame\",\"from\":\"client\",\"json\":{{}}}}\n",
            seq - 2
        )
    };
    let header = "{\"qixrec\":[1,1],\"started\":\"2026-01-02T03:04:05.678901Z\"}\n";
    fs::write(&recording, format!("{header}{}{}{}{}", open(1), open(2), said(3), said(4))).unwrap();
    let export = ["export", name(&recording), "--out", name(&log), "--as"];
    for (args, code, says) in [
        (vec!["import", name(&empty)], 4, "closed before anything was said"),
        (vec!["import", name(&other)], 4, "is of no kind that is known here"),
        (vec!["import", name(&other), "--as", "enigma-go"], 4, "is not a traffic log of enigma-go"),
        (
            [&export[..], &["enigma-go"]].concat(),
            2,
            "--connection says which: 1 (/app/1, 1 message), 2 (/app/2, 1 message)",
        ),
        ([&export[..], &["enigma-go", "--connection", "3"]].concat(), 2, "has no connection 3"),
        ([&export[..], &["enigma-go", "--results"]].concat(), 2, "--results is for"),
    ] {
        let ended = run(&args).await;
        assert_eq!((ended.code, &*ended.stdout), (code, ""), "{ended:?}");
        assert!(ended.stderr.contains(says), "{ended:?}");
    }
    assert!(!log.exists() && !empty.with_extension("qixrec").exists());
    done(&[&export[..], &["enigma-go", "--connection", "2"]].concat()).await;
    let again = run(&[&export[..], &["calls"]].concat()).await;
    assert_eq!(again.code, 2, "{again:?}");
    assert!(again.stderr.contains("never overwritten"), "{again:?}");
}
