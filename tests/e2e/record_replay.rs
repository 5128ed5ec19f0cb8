//! What was recorded in front of the engine is what the replay answers.

use std::collections::BTreeMap;

use qix_client::protocol::schema::NxPage;
use qix_client::{
    ErrorKind, Session,
    protocol::ErrorCode,
    transport::{CloseCode, ClosedBy},
};
use qix_proxy::{
    record::{EntryKind, FrameText, Side},
    replay::{ReplaySummary, Tapes},
};
use qix_tests::fake_engine::{AnswerOrder, Direction};
use serde_json::{Value, json};

use crate::support::*;

/// Answers by question.
type Answers = BTreeMap<&'static str, Value>;

/// Expressions whose texts put writers of JSON to the test.
const EXPRESSIONS: [&str; 5] = ["'é ☃ 𝄞'", "1/3", "'a\"b\\c'", "Sum(Sales)", "Concat(DISTINCT Region, ', ')"];

/// Asks one question of each kind and closes the session.
async fn script(url: &str) -> Answers {
    let session = session(url).await;
    let mut answers = Answers::new();
    answers.insert("greeting", json!(bounded(session.connected()).await.unwrap()));
    answers.insert("version", json!(bounded(session.global().engine_version()).await.unwrap()));
    let error = bounded(session.global().open_doc("nowhere.qvf")).await.unwrap_err();
    answers.insert("no such app", json!(error.engine().unwrap().code.get()));
    let doc = sales(&session).await;
    answers.insert("app", bounded(doc.get_app_layout().call_into::<Value>()).await.unwrap());
    for expression in EXPRESSIONS {
        answers.insert(expression, json!(evaluate(&doc, expression).await.unwrap()));
    }
    let cube = cube("cube");
    let (regions, chart) =
        tokio::join!(bounded(doc.get_object("LB01")), bounded(doc.create_session_object(&cube)));
    let (regions, chart) = (regions.unwrap(), chart.unwrap());
    let mut changes = chart.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    answers.insert("all regions", bounded(chart.get_layout().call_into::<Value>()).await.unwrap());
    answers.insert("list", bounded(regions.get_layout().call_into::<Value>()).await.unwrap());
    let selected = bounded(regions.select_list_object_values("/qListObjectDef", &[1], false)).await.unwrap();
    answers.insert("selected", json!(selected));
    assert_eq!(bounded(changes.next()).await, Some(()));
    answers.insert("one region", bounded(chart.get_layout().call_into::<Value>()).await.unwrap());
    let page = NxPage { width: 2, height: 1, ..NxPage::default() };
    let data =
        bounded(chart.get_hypercube_data("/qHyperCubeDef", &[page]).call_into::<Value>()).await.unwrap();
    answers.insert("page", json!(data));
    let missing = bounded(doc.get_object("nowhere")).await.unwrap_err();
    answers.insert("missing", json!(missing.kind() == ErrorKind::NotFound));
    bounded(doc.clear_all()).await.unwrap();
    assert_eq!(bounded(changes.next()).await, Some(()));
    answers.insert("all again", bounded(chart.get_layout().call_into::<Value>()).await.unwrap());
    assert!(bounded(doc.destroy_session_object("cube")).await.unwrap());
    bounded(chart.closed()).await;
    answers.insert("end of changes", json!(bounded(changes.next()).await));
    bounded(session.close()).await;
    answers
}

/// Records one run of `script`; returns the recording and the answers.
async fn recorded() -> (Recording, Answers) {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let answers = script(&recorder.url("Sales.qvf")).await;
    let recording = recorder.finish().await;
    recording.assert_same_as(&engine.log());
    (recording, answers)
}

#[tokio::test]
async fn recorder_changes_no_answer_and_the_replay_gives_the_same_ones() {
    let direct = engine().await;
    let direct = script(&direct.url("Sales.qvf")).await;
    let (recording, through) = recorded().await;
    assert_eq!(through, direct);
    assert_ne!(direct["all regions"], direct["one region"]);
    let closing = recording.closing(1);
    assert_eq!((closing.by, closing.code, closing.clean), (Some(Side::Client), Some(1000), true));

    let (tapes, report) = Tapes::open(&recording.path).unwrap();
    assert_eq!((report.unanswered, report.torn, report.left_out.len()), (0, None, 0));
    let calls = recording.said(1, Side::Client).len() as u64;
    assert_eq!((tapes.connections() as u64, tapes.calls() as u64), (1, calls));
    let replay = Replay::start(tapes).await;
    assert_eq!(script(&replay.url("Sales.qvf")).await, direct);
    let summary = replay.finish_without_miss().await;
    assert_eq!((summary.connections, summary.answered, summary.missed), (1, calls, 0));
}

#[tokio::test]
async fn one_replay_serves_the_script_again_and_to_two_clients_at_once() {
    let (recording, answers) = recorded().await;
    let replay = recording.replay().await;
    let url = replay.url("Sales.qvf");
    assert_eq!(script(&url).await, answers);
    assert_eq!(script(&url).await, answers);
    let (one, two) = tokio::join!(script(&url), script(&url));
    assert_eq!(one, answers);
    assert_eq!(two, answers);
    // A path that nobody recorded is served as well.
    assert_eq!(script(&replay.url("Sales.qvf/identity/another")).await, answers);
    assert_eq!(replay.finish_without_miss().await.connections, 5);
}

#[tokio::test]
async fn questions_may_come_in_another_order_than_recorded() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let objects = ["SH01", "LB01", "CH01", "CH12", "SH02"];
    let ask = async |url: String, reversed: bool| {
        let session = session(&url).await;
        let doc = sales(&session).await;
        let mut answers = Answers::new();
        let mut ids = objects.to_vec();
        if reversed {
            ids.reverse();
            for expression in EXPRESSIONS.iter().rev() {
                answers.insert(expression, json!(evaluate(&doc, expression).await.unwrap()));
            }
        }
        let mut opened = Vec::new();
        for id in &ids {
            opened.push(bounded(doc.get_object(id)).await.unwrap());
        }
        // The layouts come in the opposite order of the objects.
        for (id, object) in ids.iter().zip(&opened).rev() {
            answers.insert(id, bounded(object.get_layout().call_into::<Value>()).await.unwrap());
        }
        if !reversed {
            for expression in EXPRESSIONS {
                answers.insert(expression, json!(evaluate(&doc, expression).await.unwrap()));
            }
        }
        bounded(session.close()).await;
        answers
    };
    let answers = ask(recorder.url("Sales.qvf"), false).await;
    let recording = recorder.finish().await;
    let replay = recording.replay().await;
    assert_eq!(ask(replay.url("Sales.qvf"), true).await, answers);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn white_space_numbers_escapes_and_member_order_are_recorded_as_they_were_sent() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let mut raw = Raw::greeted(&recorder.url("Sales.qvf")).await;
    for frame in [
        r#" {"jsonrpc" : "2.0","id":1,"handle":-1,"method":"OpenDoc","params":[ "Sales.qvf" ]} "#,
        "{\"method\":\"Evaluate\",\t\"handle\":1,\"id\":2,\"params\":[\"'\\u00e9 \\ud834\\udd1e é 𝄞 \\/'\"]}",
        "{\r\n  \"id\": 3,\r\n  \"handle\": 1,\r\n  \"method\": \"Evaluate\", \"params\": [\"1\"]\r\n}",
        r#"{"id":4,"handle":1,"method":"GetObject","params":["LB01"],"qExtra":[1e400,-0.0,1E+2,0.10,12345678901234567890]}"#,
        r#"{"id":5,"handle":2.0,"method":"GetLayout","params":{}}"#,
        r#"{"id":6,"handle":1,"method":"Evaluate","params":["Raw(  { \"a\" : 1.00 ,\"b\":\"\u00e9\u0000\" } )"]}"#,
        r#"{"id":7,"handle":1,"method":"Evaluate","params":["Raw(no json)"]}"#,
        "no json either, with \u{2028} and \u{0} in it",
        "",
        "[1,2",
        r#"{"id":8,"handle":-1,"method":"EngineVersion","params":[]}"#,
    ] {
        raw.say(frame.to_owned()).await;
    }
    // Everything is answered once the last request is.
    while raw.text().await.windows(6).all(|window| window != br#""id":8"#) {}
    raw.bye().await;
    let recording = recorder.finish().await;
    let log = engine.log();
    assert_eq!(log.iter().filter(|entry| entry.direction == Direction::Received).count(), 11);
    recording.assert_same_as(&log);
}

/// Opens a list, reads it before and after a selection, and reads expressions, over frames. With `delta` by patches, as enigma.js does.
async fn frames(url: &str, delta: bool) -> Vec<Value> {
    let mut raw = Raw::greeted(url).await;
    let mut bases: BTreeMap<(i64, String), Value> = BTreeMap::new();
    let mut values = Vec::new();
    let (mut doc, mut list) = (0, 0);
    for (id, (target, method, params)) in [
        ("global", "OpenDoc", json!(["Sales.qvf"])),
        ("doc", "GetObject", json!(["LB01"])),
        ("list", "GetLayout", json!([])),
        ("list", "SelectListObjectValues", json!(["/qListObjectDef", [2], false])),
        ("list", "GetLayout", json!([])),
        ("doc", "Evaluate", json!(["Sum(Sales)"])),
        ("doc", "Evaluate", json!(["Count(Sales)"])),
        ("doc", "ClearAll", json!([])),
        ("list", "GetLayout", json!([])),
    ]
    .into_iter()
    .enumerate()
    {
        let handle = match target {
            "doc" => doc,
            "list" => list,
            _ => -1,
        };
        let mut frame =
            json!({"jsonrpc": "2.0", "id": id + 1, "handle": handle, "method": method, "params": params});
        if delta {
            frame["delta"] = json!(true);
        }
        let answer = raw.ask(frame).await;
        assert_eq!(answer.get("delta").is_some(), delta, "{answer}");
        let mut result = answer["result"].clone();
        if delta {
            for (name, patches) in result.as_object_mut().unwrap() {
                let base = bases.entry((handle, format!("{method}/{name}"))).or_default();
                patched(base, patches);
                *patches = base.clone();
            }
        }
        match method {
            "OpenDoc" => doc = result["qReturn"]["qHandle"].as_i64().unwrap(),
            "GetObject" => list = result["qReturn"]["qHandle"].as_i64().unwrap(),
            _ => values.push(result),
        }
    }
    raw.bye().await;
    values
}

/// Applies patches as far as the engines use them: add, replace and remove by JSON pointer.
fn patched(base: &mut Value, patches: &Value) {
    for patch in patches.as_array().unwrap() {
        let path = patch["path"].as_str().unwrap();
        if path == "/" {
            *base = patch["value"].clone();
            continue;
        }
        let (parent, name) = path.rsplit_once('/').unwrap();
        let name = name.replace("~1", "/").replace("~0", "~");
        match base.pointer_mut(parent).unwrap() {
            Value::Object(members) if patch["op"] == "remove" => _ = members.remove(&name).unwrap(),
            Value::Object(members) => _ = members.insert(name, patch["value"].clone()),
            Value::Array(items) => match (patch["op"].as_str().unwrap(), name.parse::<usize>()) {
                ("remove", Ok(at)) => _ = items.remove(at),
                ("replace", Ok(at)) => items[at] = patch["value"].clone(),
                ("add", Ok(at)) => items.insert(at, patch["value"].clone()),
                ("add", Err(_)) => items.push(patch["value"].clone()),
                other => panic!("{other:?}"),
            },
            other => panic!("{path} in {other}"),
        }
    }
}

#[tokio::test]
async fn recording_of_a_delta_client_serves_a_plain_one_and_the_other_way_round() {
    let direct = engine().await;
    let values = frames(&direct.url("Sales.qvf"), false).await;
    assert_ne!(values[0], values[2]);
    for recorded_with_delta in [true, false] {
        let engine = engine().await;
        let recorder = Recorder::start(&engine).await;
        assert_eq!(frames(&recorder.url("Sales.qvf"), recorded_with_delta).await, values);
        let recording = recorder.finish().await;
        recording.assert_same_as(&engine.log());
        let replay = recording.replay().await;
        for asked_with_delta in [true, false] {
            let replayed = frames(&replay.url("Sales.qvf"), asked_with_delta).await;
            assert_eq!(replayed, values, "recorded {recorded_with_delta}, asked {asked_with_delta}");
        }
        replay.finish_without_miss().await;
    }
}

#[tokio::test]
async fn question_that_was_not_recorded_gets_an_error_that_names_the_nearest_one() {
    let (recording, _) = recorded().await;
    let replay = recording.replay().await;
    let session = session(&replay.url("Sales.qvf")).await;
    let doc = sales(&session).await;
    for (expression, nearest) in
        [("Sum(Quantity)", r#"Evaluate("Sum(Sales)")"#), ("1/7", r#"Evaluate("1/3")"#)]
    {
        let error = evaluate(&doc, expression).await.unwrap_err();
        let engine = error.engine().unwrap();
        assert_eq!((error.kind(), engine.code), (ErrorKind::Engine, ErrorCode::new(-32099)));
        let words = format!("{engine:?}");
        assert!(words.contains("nearest recorded call") && words.contains("Not in the recording"), "{words}");
        assert!(engine.parameter.contains(nearest), "{}", engine.parameter);
    }
    // The session goes on.
    assert_eq!(evaluate(&doc, "1/3").await.unwrap().get(..4), Some("0.33"));
    let error = bounded(session.call::<Value>(doc.handle(), "NeverCalled", &json!([])).into_future()).await;
    assert!(error.unwrap_err().engine().unwrap().parameter.contains("the method was not recorded"));
    let (summary, misses) = replay.finish().await;
    assert_eq!(summary, ReplaySummary { connections: 1, answered: 2, upstream: 0, exchanges: 0, missed: 3 });
    assert!(misses[0].starts_with(r#"Evaluate("Sum(Quantity)") on "#), "{misses:?}");
}

#[tokio::test]
async fn pipelined_questions_find_answers_that_came_in_another_order_under_other_ids_and_handles() {
    let engine = engine_with(|config| {
        // A is answered behind C, and B behind both.
        config.order = AnswerOrder::Overtaken { methods: vec!["GetLayout".to_owned()], by: 2 };
    })
    .await;
    let recorder = Recorder::start(&engine).await;
    let opened =
        |id: u64, object: &str| json!({"id": id, "method": "GetObject", "handle": 1, "params": [object]});
    let asked = |ids: [u64; 3], handles: [&Value; 3]| {
        let [list, chart, sheet] = handles;
        [
            json!({"id": ids[0], "method": "GetLayout", "handle": list, "params": []}),
            json!({"id": ids[1], "method": "GetLayout", "handle": chart, "params": []}),
            json!({"id": ids[2], "method": "GetInfo", "handle": sheet, "params": []}),
        ]
    };
    let run =
        async |url: String, objects: [&str; 3], ids: [u64; 3]| -> (Vec<Value>, BTreeMap<String, Value>) {
            let mut raw = Raw::greeted(&url).await;
            raw.ask(json!({"id": 900, "method": "OpenDoc", "handle": -1, "params": ["Sales.qvf"]})).await;
            let mut handles = BTreeMap::new();
            for (id, object) in (901..).zip(objects) {
                let answer = raw.ask(opened(id, object)).await;
                handles.insert(object, answer["result"]["qReturn"]["qHandle"].clone());
            }
            let questions = asked(ids, ["LB01", "CH01", "SH01"].map(|object| &handles[object]));
            for question in &questions {
                raw.say(question.to_string()).await;
            }
            let (mut order, mut answers) = (Vec::new(), BTreeMap::new());
            while order.len() < questions.len() {
                let answer = raw.json().await;
                if let Some(at) = ids.iter().position(|id| answer["id"] == *id) {
                    order.push(json!(["A", "B", "C"][at]));
                    answers.insert(["A", "B", "C"][at].to_owned(), answer["result"].clone());
                }
            }
            raw.bye().await;
            (order, answers)
        };
    let (order, recorded) = run(recorder.url("Sales.qvf"), ["LB01", "CH01", "SH01"], [1, 2, 3]).await;
    assert_eq!(order[0], "C", "{order:?}");
    let recording = recorder.finish().await;
    let replay = recording.replay().await;
    let (_, replayed) = run(replay.url("Sales.qvf"), ["SH01", "CH01", "LB01"], [71, 7, 13]).await;
    assert_eq!(replayed, recorded);
    replay.finish_without_miss().await;
}

/// Two clients of one session: the first selects, the second hears of it.
async fn shared(url: &str) -> (Value, Value) {
    let (one, two) = (session(url).await, session(url).await);
    let regions = bounded(sales(&one).await.get_object("LB01")).await.unwrap();
    let chart = bounded(sales(&two).await.get_object("CH01")).await.unwrap();
    let mut changes = chart.changes();
    assert_eq!(bounded(changes.next()).await, Some(()));
    let before = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    let selected = bounded(regions.select_list_object_values("/qListObjectDef", &[0], false)).await.unwrap();
    assert!(selected);
    assert_eq!(bounded(changes.next()).await, Some(()));
    let after = bounded(chart.get_layout().call_into::<Value>()).await.unwrap();
    bounded(one.close()).await;
    bounded(two.close()).await;
    (before, after)
}

#[tokio::test]
async fn change_by_one_socket_of_a_session_is_replayed_to_the_other() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let path = "Sales.qvf/identity/shared";
    let layouts = shared(&recorder.url(path)).await;
    assert_ne!(layouts.0, layouts.1);
    let recording = recorder.finish().await;
    recording.assert_same_as(&engine.log());
    let replay = recording.replay().await;
    for _ in 0..3 {
        assert_eq!(shared(&replay.url(path)).await, layouts);
    }
    assert_eq!(replay.finish_without_miss().await.connections, 6);
}

/// Pulls a trigger that ends the connection: how it ended.
async fn ending(url: &str, trigger: &str) -> (CloseCode, String, ClosedBy) {
    let session = session(url).await;
    let doc = sales(&session).await;
    evaluate(&doc, trigger).await.unwrap_err();
    let end = bounded(session.closed()).await;
    let closed = end.closing().unwrap();
    (closed.code, closed.reason.to_string(), closed.by)
}

#[tokio::test]
async fn close_code_reason_and_cut_of_the_engine_are_replayed() {
    let reason = r#"{"code":"QEP-104","traceId":"00000000000000000000000000000001"}"#;
    for (trigger, code, reason, by) in [
        ("Close(4204)", CloseCode::new(4204), reason, ClosedBy::Peer),
        (
            "Close(1001,gone for lunch – später)",
            CloseCode::GOING_AWAY,
            "gone for lunch – später",
            ClosedBy::Peer,
        ),
        ("Close(1000,)", CloseCode::NORMAL, "", ClosedBy::Peer),
        ("Drop()", CloseCode::ABNORMAL, "", ClosedBy::Connection),
    ] {
        let engine = engine().await;
        let recorder = Recorder::start(&engine).await;
        let expected = (code, reason.to_owned(), by);
        assert_eq!(ending(&recorder.url("Sales.qvf"), trigger).await, expected, "recorded {trigger}");
        let recording = recorder.finish().await;
        let closing = recording.closing(1);
        assert_eq!((closing.by, closing.clean), (Some(Side::Engine), by == ClosedBy::Peer), "{trigger}");
        assert_eq!(closing.reason, reason);
        let replay = recording.replay().await;
        for _ in 0..2 {
            assert_eq!(ending(&replay.url("Sales.qvf"), trigger).await, expected, "replayed {trigger}");
        }
        replay.finish_without_miss().await;
    }
}

#[tokio::test]
async fn unasked_messages_are_replayed_where_they_came() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let ask = async |url: String| {
        let mut raw = Raw::greeted(&url).await;
        let mut heard = Vec::new();
        raw.say(r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales.qvf"]}"#).await;
        heard.push(raw.json().await);
        for (id, trigger, frames) in [
            (2, "Notify(OnNews)", 2),
            (3, "Push()", 3),
            (4, "Suspend()", 2),
            (5, r#"Raw({"jsonrpc":"2.0","method":"OnLogout","params":{"n":1.50}})"#, 2),
            (6, "Raw(not json)", 2),
        ] {
            let request = json!({"id": id, "handle": 1, "method": "Evaluate", "params": [trigger]});
            raw.say(request.to_string()).await;
            for _ in 0..frames {
                let text = raw.text().await;
                let text = String::from_utf8(text.to_vec()).unwrap();
                heard.push(serde_json::from_str(&text).unwrap_or(Value::String(text)));
            }
        }
        raw.bye().await;
        heard
    };
    let heard = ask(recorder.url("Sales.qvf")).await;
    assert_eq!(heard.len(), 12);
    let recording = recorder.finish().await;
    let replay = recording.replay().await;
    assert_eq!(ask(replay.url("Sales.qvf")).await, heard);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn recorder_that_is_stopped_in_the_middle_leaves_a_recording_that_can_be_replayed() {
    let engine = engine().await;
    let recorder = Recorder::with(&engine.base_url(), |config| config.grace(std::time::Duration::ZERO)).await;
    let client = session(&recorder.url("Sales.qvf")).await;
    let doc = sales(&client).await;
    assert_eq!(evaluate(&doc, "1+1").await.unwrap(), "2");
    let recording = recorder.finish().await;
    assert_eq!(recording.closing(1).by, None);
    assert_eq!(bounded(client.closed()).await.kind(), ErrorKind::Closed);
    let replay = recording.replay().await;
    let client: Session = session(&replay.url("Sales.qvf")).await;
    assert_eq!(evaluate(&sales(&client).await, "1+1").await.unwrap(), "2");
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn replay_can_itself_be_recorded_and_replayed() {
    let (recording, answers) = recorded().await;
    let replay = recording.replay().await;
    let recorder = Recorder::with(&format!("ws://{}", replay.address), |config| config).await;
    assert_eq!(script(&recorder.url("Sales.qvf")).await, answers);
    let second = recorder.finish().await;
    replay.finish_without_miss().await;
    let replay = second.replay().await;
    assert_eq!(script(&replay.url("Sales.qvf")).await, answers);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn replay_that_is_stopped_ends_its_connections() {
    let (recording, _) = recorded().await;
    let replay = recording.replay().await;
    let client = session(&replay.url("Sales.qvf")).await;
    sales(&client).await;
    replay.finish_without_miss().await;
    assert_eq!(bounded(client.closed()).await.kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn secrets_reach_the_engine_but_no_recording_and_others_open_the_replay() {
    let engine = engine().await;
    let recorder = Recorder::start(&engine).await;
    let open = async |url: String, [user, password, serial]: [&str; 3]| {
        let mut raw = Raw::greeted(&url).await;
        let params = format!(r#"["Sales.qvf","{user}","{password}","{serial}",false]"#);
        raw.say(format!(r#"{{"id":1,"handle":-1,"method":"OpenDoc","params":{params}}}"#)).await;
        let answer = raw.json().await;
        raw.bye().await;
        answer
    };
    let answer = open(recorder.url("Sales.qvf?qlikTicket=s3cret"), ["me", "s3cret", "s3rial"]).await;
    assert_eq!(answer["result"]["qReturn"]["qHandle"], 1);
    assert!(engine.log().iter().any(|entry| entry.text.contains("s3cret")), "the engine gets the secret");
    let recording = recorder.finish().await;
    let text = std::fs::read_to_string(&recording.path).unwrap();
    assert!(!text.contains("s3cret") && !text.contains("s3rial"), "{text}");
    assert_eq!(
        recording.said(1, Side::Client),
        [FrameText::Text(
            r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Sales.qvf","***","***","***",false]}"#
                .into()
        )]
    );
    let opened = recording.entries.iter().find_map(|entry| match &entry.kind {
        EntryKind::Open(opening) => Some(opening.url.clone()),
        _ => None,
    });
    assert_eq!(opened.unwrap(), "/app/Sales.qvf?qlikTicket=***");
    let replay = recording.replay().await;
    assert_eq!(open(replay.url("Sales.qvf?qlikTicket=other"), ["you", "other", "0"]).await, answer);
    replay.finish_without_miss().await;
}

#[tokio::test]
async fn miss_shows_no_secret() {
    let (recording, _) = recorded().await;
    let replay = recording.replay().await;
    let mut raw = Raw::greeted(&replay.url("Sales.qvf")).await;
    raw.say(r#"{"id":1,"handle":-1,"method":"OpenDoc","params":["Other.qvf","me","s3cret"]}"#).await;
    let answer = raw.json().await.to_string();
    raw.bye().await;
    let (_, misses) = replay.finish().await;
    assert!(!answer.contains("s3cret") && !misses[0].contains("s3cret"), "{answer} {misses:?}");
}
