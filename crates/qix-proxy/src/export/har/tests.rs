use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::Value;

use crate::{
    export::{ExportAs, ExportError, ExportSettings, export},
    import::{ImportSettings, import},
    record::{EntryKind, RecordingParts},
};

/// What is said in a recording, without what a HAR cannot have and what numbers it.
fn said(path: &Path) -> (String, String, Vec<String>) {
    let parts = RecordingParts::open([path]).unwrap();
    let header = parts.header().clone();
    let mut numbers = std::collections::BTreeMap::new();
    let mut entries = Vec::new();
    for entry in parts {
        let mut entry = entry.unwrap();
        // An import adds the host of the URL where headers have none.
        if let EntryKind::Open(opening) | EntryKind::Refused(opening) = &mut entry.kind {
            opening.request.retain(|(name, _)| name != "host");
        }
        if matches!(
            entry.kind,
            EntryKind::Note(_) | EntryKind::Gap(_) | EntryKind::Unknown(_) | EntryKind::End
        ) {
            continue;
        }
        let next = numbers.len();
        let conn = entry.conn.map(|conn| *numbers.entry(conn).or_insert(next));
        entries.push(format!("{:?} {conn:?} {:?}", entry.at, entry.kind));
    }
    // What happens at one time in several connections has no order in a HAR.
    entries.sort();
    (header.started, header.upstream, entries)
}

fn settings() -> ExportSettings {
    ExportSettings::new(ExportAs::Har)
}

/// Exports and imports a recording, and returns the HAR and the new recording.
fn round(dir: &Path, recording: &Path) -> (Value, PathBuf) {
    let (har, back) = (dir.join("a.har"), dir.join("back.qixrec"));
    export(&[recording.to_owned()], &har, &settings()).unwrap();
    let all = ImportSettings { all_sockets: true, ..ImportSettings::default() };
    import(&har, &back, &all).unwrap();
    (serde_json::from_slice(&std::fs::read(&har).unwrap()).unwrap(), back)
}

#[test]
fn recordings_come_back_as_they_were() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["assets/demo.qixrec", "../../tests/recordings/v1_0/conversation.qixrec"] {
        let dir = tempfile::tempdir().unwrap();
        let recording = root.join(name);
        let (har, back) = round(dir.path(), &recording);
        assert_eq!(said(&recording), said(&back), "{name}");
        for entry in har["log"]["entries"].as_array().unwrap() {
            for array in [
                "/request/headers",
                "/request/cookies",
                "/request/queryString",
                "/response/headers",
                "/response/cookies",
            ] {
                assert!(entry.pointer(array).is_some_and(Value::is_array), "{name}: {array}");
            }
            for number in [
                "/time",
                "/timings/send",
                "/timings/wait",
                "/timings/receive",
                "/response/status",
                "/response/bodySize",
            ] {
                assert!(entry.pointer(number).is_some_and(Value::is_number), "{name}: {number}");
            }
            for text in ["/request/url", "/request/method", "/startedDateTime", "/response/redirectURL"] {
                assert!(entry.pointer(text).is_some_and(Value::is_string), "{name}: {text}");
            }
        }
    }
}

#[test]
fn what_a_har_cannot_have_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().unwrap();
    let har = dir.path().join("a.har");
    let every = root.join("../../tests/recordings/v1_0/every_kind.qixrec");
    let report = export(std::slice::from_ref(&every), &har, &settings()).unwrap();
    assert!(report.left_out.iter().any(|left| left.starts_with("a note")), "{report:?}");
    let again = export(&[every], &har, &settings());
    assert!(matches!(again, Err(ExportError::Write(crate::record::WriteError::Exists { .. }))));
}

/// Exports lines behind a header, one connection if it is said, and returns the HAR and what was left out.
fn exported(header: &str, lines: &str, connection: Option<u64>) -> Result<(Value, Vec<String>), ExportError> {
    let dir = tempfile::tempdir().unwrap();
    let (recording, har) = (dir.path().join("a.qixrec"), dir.path().join("a.har"));
    std::fs::write(&recording, format!("{header}\n{lines}")).unwrap();
    let report = export(&[recording], &har, &ExportSettings { connection, ..settings() })?;
    Ok((serde_json::from_slice(&std::fs::read(&har).unwrap()).unwrap(), report.left_out))
}

const HEADER: &str = r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05.678901Z","upstream":"ws://e/"}"#;
const LINES: &str = r#"{"seq":1,"t":1,"conn":4,"kind":"open","url":"/app/a","status":101,"request":[],"response":[]}
{"seq":2,"t":2,"conn":4,"kind":"frame","from":"client","json":{}}
"#;

#[test]
fn connection_that_is_not_there_is_an_error_that_names_those_that_are() {
    let error = exported(HEADER, LINES, Some(9)).unwrap_err().to_string();
    assert_eq!(error, "the recording has no connection 9; it has 4 (/app/a, 1 message)");
}

#[test]
fn gaps_and_messages_of_connections_that_were_never_opened_are_named() {
    let more = r#"{"seq":3,"t":3,"kind":"gap","since":2,"frames":3,"others":0,"reason":"disk full"}
{"seq":4,"t":4,"conn":5,"kind":"frame","from":"client","json":{}}
"#;
    let left = exported(HEADER, &format!("{LINES}{more}"), None).unwrap().1;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left[0].contains("3 entries are missing") && left[1].starts_with("1 messages of"), "{left:?}");
    let left = exported(HEADER, &format!("{LINES}{more}"), Some(4)).unwrap().1;
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn times_that_are_missing_or_out_of_all_bounds_leave_a_har_with_dates() {
    let far = LINES.replace("\"t\":2", "\"t\":18446744073709551615");
    for (header, lines, says) in [
        (r#"{"qixrec":[1,1]}"#, LINES, "does not say when"),
        (r#"{"qixrec":[1,1],"started":"1960-01-02T03:04:05Z"}"#, LINES, "before 1970"),
        (r#"{"qixrec":[1,1],"started":"1970-01-01T00:00:00Z"}"#, LINES, "taken for none"),
        (HEADER, &far.replace("\"t\":1,", "\"t\":18446744073709551614,"), ""),
    ] {
        let (har, left) = exported(header, lines, None).unwrap();
        assert!(left.iter().any(|left| left.contains(says)) || says.is_empty(), "{left:?}");
        let date = har["log"]["entries"][0]["startedDateTime"].as_str().unwrap();
        assert!(date.parse::<jiff::Timestamp>().is_ok(), "{date}");
    }
}

#[test]
fn recording_with_nothing_in_it_makes_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (recording, har) = (dir.path().join("a.qixrec"), dir.path().join("a.har"));
    std::fs::write(&recording, "{\"qixrec\":[1,1]}\n").unwrap();
    assert!(matches!(export(&[recording], &har, &settings()), Err(ExportError::Nothing { .. })));
    assert!(!har.exists());
}

/// Lines of a recording, behind their number and time.
fn line() -> impl Strategy<Value = (bool, String)> {
    let text = || "[ -~é\n\u{1F600}]{0,12}".prop_map(|text| serde_json::to_string(&text).unwrap());
    let side = prop_oneof![Just("client"), Just("engine")];
    prop_oneof![
        4 => (side.clone(), "[a-z]{0,5}", any::<i64>()).prop_map(|(from, name, number)| {
            (true, format!(r#""kind":"frame","from":"{from}","json":{{"jsonrpc":"2.0","m": "{name}","n":{number}}}"#))
        }),
        1 => (side.clone(), text()).prop_map(|(from, text)| (true, format!(r#""kind":"frame","from":"{from}","text":{text}"#))),
        1 => side.clone().prop_map(|from| (true, format!(r#""kind":"frame","from":"{from}","base64":"/wA=","opcode":2"#))),
        1 => (side, 1u32..99).prop_map(|(from, bytes)| (true, format!(r#""kind":"frame","from":"{from}","bytes":{bytes}"#))),
        // 304 has no text but what a HAR tells of the cache, for which an import says 200.
        1 => (text(), (200u16..599).prop_filter("304", |status| *status != 304), 0u32..5000, any::<bool>()).prop_map(|(body, status, took, cut)| {
            let cut = if cut { r#""cut":true,"# } else { "" };
            let bytes = body.len() + 20;
            let decoded = r#""decoded":"gzip","#;
            (false, format!(r#""kind":"http","method":"POST","url":"/a?b=c%20d","status":{status},"request":[["host","e:1"],["x","1"]],"response":[["content-encoding","gzip"]],"wait":0,"took":{took},"request_body":{{"bytes":2,"json":{{}}}},"response_body":{{"bytes":{bytes},{cut}{decoded}"text":{body}}}"#))
        }),
        1 => Just((false, r#""kind":"refused","url":"/app/x","status":403,"request":[["host","e:1"]],"response":[["a","b"]],"body":"no""#.to_owned())),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_recording_comes_back_as_it_was(
        lines in proptest::collection::vec((line(), 1u64..4, 1u64..100_000), 1..24),
        code in proptest::option::of(1000u16..4999),
        clean: bool,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let recording = dir.path().join("a.qixrec");
        let mut text = r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05.678901Z","tool":"t","upstream":"ws://e:1/"}"#.to_owned();
        let (mut seq, mut t) = (0, 500_000);
        let mut push = |conn: Option<u64>, t: u64, rest: &str| {
            seq += 1;
            let conn = conn.map(|conn| format!(r#""conn":{conn},"#)).unwrap_or_default();
            text.push_str(&format!("\n{{\"seq\":{seq},\"t\":{t},{conn}{rest}}}"));
        };
        for conn in 1..4 {
            push(Some(conn), conn, r#""kind":"open","url":"/app/a?x=1","status":101,"request":[["host","e:1"]],"response":[["upgrade","websocket"]]"#);
        }
        for ((of_connection, line), conn, later) in lines {
            t += later;
            push(of_connection.then_some(conn), t, &line);
        }
        let code = code.map(|code| format!(r#""code":{code},"reason":"é","#)).unwrap_or_default();
        push(Some(2), t + 1, &format!(r#""kind":"close","by":"engine",{code}"clean":{clean}"#));
        push(Some(3), t + 2, r#""kind":"close","by":"proxy","clean":false"#);
        text.push('\n');
        std::fs::write(&recording, text).unwrap();
        let (_, back) = round(dir.path(), &recording);
        prop_assert_eq!(said(&recording), said(&back));
    }
}
