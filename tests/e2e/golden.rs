//! Recordings of format 1.0, written by hand from `docs/recording-format.md`. They are read by every later version.

use std::{path::PathBuf, time::Duration};

use qix_client::transport::{CloseCode, ClosedBy, SocketExt};
use qix_proxy::record::{
    Closing, Entry, EntryKind, FrameText, Header, Opening, RecordingReader, Side, TornTail,
};
use serde_json::json;

use crate::support::*;

fn golden(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "recordings", "v1_0", name].iter().collect()
}

fn entries(name: &str) -> (Header, Vec<Entry>, bool) {
    let mut reader = RecordingReader::open(golden(name)).unwrap();
    let entries = reader.by_ref().map(Result::unwrap).collect();
    assert_eq!(reader.torn(), None);
    (reader.header().clone(), entries, reader.is_sealed())
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn opening(url: &str, status: u16, request: &[(&str, &str)], response: &[(&str, &str)]) -> Opening {
    Opening {
        url: url.to_owned(),
        status,
        request: pairs(request),
        response: pairs(response),
        continued: false,
        body: String::new(),
        added: false,
    }
}

fn frame(from: Side, text: FrameText) -> EntryKind {
    EntryKind::Frame { from, text }
}

fn text(text: &'static str) -> FrameText {
    FrameText::Text(text.into())
}

fn closing(by: Option<Side>, code: Option<u16>, reason: &str, clean: bool) -> EntryKind {
    EntryKind::Close(Closing { by, code, reason: reason.to_owned(), clean })
}

/// Compares all members of all entries; sequence numbers count from 1.
fn assert_entries(found: &[Entry], expected: Vec<(u64, Option<u64>, EntryKind)>) {
    assert_eq!(found.len(), expected.len());
    for ((entry, (micros, conn, kind)), seq) in found.iter().zip(expected).zip(1..) {
        let expected = Entry { seq, at: Duration::from_micros(micros), conn, began: None, kind };
        assert_eq!(format!("{entry:?}"), format!("{expected:?}"));
    }
}

#[test]
fn every_kind_of_entry_and_message_is_read_with_all_its_members() {
    use Side::{Client, Engine};
    let (header, found, sealed) = entries("every_kind.qixrec");
    let expected = Header {
        version: (1, 0),
        started: "2026-01-02T03:04:05.678901Z".to_owned(),
        tool: "qix-proxy 0.1.0".to_owned(),
        upstream: "wss://sense.example.com/".to_owned(),
        part: 1,
        continues: None,
    };
    assert_eq!(header, expected);
    let first = opening(
        "/app/Sales.qvf?qlikTicket=***",
        101,
        &[("host", "sense.example.com"), ("x-qlik-user", "***"), ("cookie", "***")],
        &[("connection", "Upgrade"), ("set-cookie", "***"), ("set-cookie", "***")],
    );
    let bare = |url| EntryKind::Open(opening(url, 101, &[], &[]));
    let mut denied = opening(
        "/app/Sales.qvf",
        403,
        &[("host", "sense.example.com")],
        &[("content-type", "application/json"), ("content-length", "14")],
    );
    denied.body = "{\"errors\":[]}\n".to_owned();
    let greeting = r#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;
    let request = r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales.qvf","***","***"]}"#;
    let odd = r#" { "id" : 1e0, "result":{"\u00e9":[1.50,-0.0,1E400,12345678901234567890] } }  "#;
    let hour = 3_600_000_000;
    assert_entries(
        &found,
        vec![
            (0, None, EntryKind::Note("written by hand: é \"quoted\" ☃".to_owned())),
            (1500, Some(1), EntryKind::Open(first)),
            (1600, Some(1), frame(Engine, text(greeting))),
            (1700, Some(1), frame(Client, text(request))),
            (1800, Some(1), frame(Engine, text(odd))),
            (1900, Some(1), frame(Client, text("\"a string is JSON, too\""))),
            (1900, Some(1), frame(Client, text("null"))),
            (2000, Some(1), frame(Engine, text("<html>\n\0 é ☃ 𝄞</html>"))),
            (2000, Some(1), frame(Engine, text(""))),
            (2100, Some(1), frame(Client, FrameText::Binary(b"\xff\0"[..].into()))),
            (2100, Some(1), frame(Client, FrameText::Text(b"\xff\0"[..].into()))),
            (2100, Some(1), frame(Engine, FrameText::Binary(b""[..].into()))),
            (2200, Some(1), frame(Engine, FrameText::Omitted(300_000_000))),
            (
                2200,
                Some(1),
                EntryKind::Note("a message of 300000000 bytes was too large to be kept".to_owned()),
            ),
            (hour, Some(1), closing(Some(Engine), Some(4204), r#"{"code":"QEP-104"}"#, true)),
            (hour + 1, Some(2), bare("/app/engineData")),
            (hour + 2, Some(2), closing(Some(Client), None, "", true)),
            (hour + 3, Some(3), bare("/")),
            (hour + 4, Some(3), closing(Some(Engine), None, "", false)),
            (hour + 5, Some(4), bare("/")),
            (hour + 6, Some(4), closing(None, None, "", false)),
            (hour + 7, None, EntryKind::Refused(denied)),
            (hour + 8, None, EntryKind::Refused(opening("/", 502, &[], &[]))),
            (hour + 9, None, EntryKind::End),
        ],
    );
    assert!(sealed);
}

#[test]
fn later_minor_version_is_read_without_what_it_has_added() {
    let (header, found, sealed) = entries("later_minor.qixrec");
    assert_eq!((header.version, header.tool.as_str()), ((1, 7), "qix-proxy 9.9.9"));
    assert_entries(
        &found,
        vec![
            (5, Some(1), EntryKind::Open(opening("/app/x", 101, &[], &[]))),
            (6, Some(1), EntryKind::Unknown("ping".to_owned())),
            (7, None, EntryKind::Unknown("clock".to_owned())),
            (8, Some(1), frame(Side::Engine, text(r#"{"json":{"json":1}}"#))),
            (9, Some(1), closing(Some(Side::Engine), Some(1001), "", true)),
            (10, None, EntryKind::End),
        ],
    );
    assert!(sealed);
}

#[test]
fn recording_cut_at_any_byte_is_read_up_to_its_last_whole_line() {
    let bytes = std::fs::read(golden("every_kind.qixrec")).unwrap();
    let head = bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    for length in head..bytes.len() {
        let cut = &bytes[..length];
        let mut reader = RecordingReader::new(cut, "cut").unwrap();
        let read = reader.by_ref().map(Result::unwrap).count();
        let lines = cut.iter().filter(|byte| **byte == b'\n').count();
        let rest = cut.iter().rev().take_while(|byte| **byte != b'\n').count() as u64;
        assert_eq!(read, lines - 1, "of {length} bytes");
        let torn = (rest > 0).then_some(TornTail { line: lines as u64 + 1, bytes: rest });
        assert_eq!(reader.torn(), torn);
        assert!(!reader.is_sealed());
    }
}

#[tokio::test]
async fn recorded_conversation_is_replayed_to_both_of_its_clients() {
    let (replay, report) = Replay::open(&golden("conversation.qixrec")).await;
    assert_eq!((report.unanswered, report.torn, report.left_out.len()), (1, None, 0));
    let mut one = Raw::connect(&replay.url("Sales.qvf")).await;
    assert_eq!(one.json().await["params"]["qSessionState"], "SESSION_CREATED");
    let mut two = Raw::connect(&replay.url("Sales.qvf")).await;
    assert_eq!(two.json().await["params"]["qSessionState"], "SESSION_ATTACHED");

    let answer = one.ask(json!({"id": 1, "handle": -1, "method": "OpenDoc", "params": ["Sales.qvf"]})).await;
    let doc = answer["result"]["qReturn"]["qHandle"].clone();
    assert_eq!(answer["change"], json!([doc]));
    let answer = one.ask(json!({"id": 2, "handle": doc, "method": "GetObject", "params": ["LB01"]})).await;
    let list = answer["result"]["qReturn"]["qHandle"].clone();
    assert_ne!(doc, list);
    one.say(format!(r#"{{"id":3,"handle":{list},"method":"GetLayout","params":[]}}"#)).await;
    let layout =
        r#"{"jsonrpc":"2.0","id":3,"result":{"qLayout":{"title":"Region","n":1.50,"rows":["a","b"]}}}"#;
    assert_eq!(one.text().await, layout);

    let answer = two.ask(json!({"id": "a", "handle": -1, "method": "GetActiveDoc", "params": []})).await;
    let theirs = answer["result"]["qReturn"]["qHandle"].clone();
    let answer = two.ask(json!({"id": "b", "handle": theirs, "method": "ClearAll", "params": []})).await;
    assert_eq!(answer["change"], json!([theirs]));
    assert_eq!(one.json().await, json!({"jsonrpc": "2.0", "change": [list, doc]}));

    let answer = one.ask(json!({"id": 4, "handle": list, "method": "GetLayout", "params": []})).await;
    assert_eq!(answer["result"]["qLayout"]["rows"], json!(["a", "é", "c"]));
    let answer = one.ask(json!({"id": 5, "handle": doc, "method": "NoSuchMethod", "params": []})).await;
    assert_eq!(answer["error"], json!({"code": -32601, "parameter": "", "message": "Method not found"}));
    one.say(format!(r#"{{"id":6,"handle":{doc},"method":"DoSave","params":[]}}"#)).await;
    let closed = bounded(one.0.receive()).await.unwrap_err();
    assert_eq!((closed.code, &*closed.reason, closed.by), (CloseCode::new(1012), "restart", ClosedBy::Peer));
    two.bye().await;
    let summary = replay.finish_without_miss().await;
    assert_eq!((summary.connections, summary.answered), (2, 7));
}
