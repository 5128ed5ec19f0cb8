//! What is shown of conversations that are written down here.

use std::time::Duration;

use serde_json::Value;

use super::{Format, Look, Show, What, World};
use crate::{
    filter::Filter,
    model::tests::{OPENED, recording},
    record::RecordingReader,
};

const TEXT: Format = Format::Text(Look { width: None, colour: false });

/// A selection that changes two objects, one of which is fetched again, and an error.
const SELECTED: [&str; 10] = [
    r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[]}"#,
    r#"1< {"id":4,"result":{"qLayout":{"qMeta":{"title":"Overview"},"qSelectionObject":{"qSelections":[{"qField":"Region","qSelected":"North"}]}}}}"#,
    r#"1> {"id":5,"handle":3,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
    r#"1< {"id":5,"result":{"qSuccess":true},"change":[2,3]}"#,
    r#"1> {"id":6,"handle":2,"method":"GetLayout","params":[],"delta":true}"#,
    r#"1< {"id":6,"result":{"qLayout":[{"op":"add","path":"/","value":{"rows":1.0}}]},"delta":true}"#,
    r#"1> {"id":7,"handle":2,"method":"GetLayout","params":[],"delta":true}"#,
    r#"1< {"id":7,"result":{"qLayout":[{"op":"replace","path":"/rows","value":2.50}]},"delta":true,"close":[3]}"#,
    r#"1> {"id":8,"handle":2,"method":"Nothing","params":["needle"]}"#,
    r#"1< {"id":8,"error":{"code":-32601,"message":"Method not found"}}"#,
];

fn script() -> Vec<&'static str> {
    [&OPENED[..], &SELECTED[..]].concat()
}

fn shown(script: &[&str], filter: Filter, format: Format, bodies: bool) -> String {
    let mut show = Show::new(filter, format, bodies);
    let mut out = Vec::new();
    for entry in RecordingReader::new(&recording(script)[..], "x").unwrap() {
        show.take(entry.unwrap(), &mut out).unwrap();
    }
    show.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn line<'t>(text: &'t str, part: &str) -> &'t str {
    text.lines().find(|line| line.contains(part)).unwrap_or_else(|| panic!("no {part} in {text}"))
}

#[test]
fn call_has_a_line_with_what_it_fetched_and_why_and_what_it_changed() {
    let text = shown(&script(), Filter::default(), TEXT, false);
    assert_eq!(
        line(&text, "SelectListObjectValues  "),
        "     0.009  #1   kpi b                       SelectListObjectValues    1.0 ms      79 B ↑     50 B ↓  changes sheet Overview, kpi b"
    );
    assert!(line(&text, "again, changed by SelectListObjectValues 10").contains("sheet Overview"), "{text}");
    assert!(line(&text, "again, unchanged").ends_with("; closes 1 object"), "{text}");
    assert!(line(&text, "Nothing").contains("✗ -32601 JSON_RPC_METHOD_NOT_FOUND"), "{text}");
    assert!(line(&text, "connected to /app/a").contains("#1"), "{text}");
    assert!(line(&text, "selected: Region = North").contains("· "), "{text}");
    assert!(text.ends_with("open at the end of the recording\n") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn lines_fit_the_width_and_a_pipe_gets_all() {
    for width in [20, 80, 120, 200] {
        let look = Format::Text(Look { width: Some(width), colour: false });
        let text = shown(&script(), Filter::default(), look, false);
        assert!(text.lines().all(|line| crate::live::wide(line) <= width), "{text}");
    }
    let coloured = Format::Text(Look { width: Some(200), colour: true });
    assert!(shown(&script(), Filter::default(), coloured, false).contains("\u{1b}[31m✗ -32601"));
}

#[test]
fn bodies_are_pretty_with_patches_applied_and_digits_as_they_were() {
    let text = shown(&script(), Filter::default(), TEXT, true);
    assert!(text.contains("\"rows\": 2.50"), "{text}");
    assert!(text.contains("↑ [\n") && text.contains("\"message\": \"Method not found\""), "{text}");
}

#[test]
fn filter_leaves_calls_and_what_is_no_trouble() {
    let with = |change: &dyn Fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        shown(&script(), filter, TEXT, false)
    };
    let errors = with(&|filter| filter.errors = true);
    assert!(errors.lines().count() == 1 && errors.contains("Nothing"), "{errors}");
    let found = with(&|filter| filter.texts = Some(regex::bytes::Regex::new("needl.").unwrap()));
    assert!(found.lines().count() == 1 && found.contains("Nothing"), "{found}");
    // What is in the result only once its patches are applied is found too.
    let found = with(&|filter| filter.texts = Some(regex::bytes::Regex::new(r#""rows":2.50"#).unwrap()));
    assert_eq!(found.lines().count(), 1, "{found}");
    let span = with(&|filter| filter.time = Some(Duration::from_millis(9)..Duration::from_millis(10)));
    assert!(span.lines().count() == 1 && span.contains("SelectListObjectValues"), "{span}");
}

#[test]
fn json_has_a_line_for_each_call_and_each_event() {
    let text = shown(&script(), Filter::default(), Format::Json, true);
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "call").count(), 8, "{kinds:?}");
    assert!(["connected", "selected", "disconnected"].iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    let select = lines.iter().find(|line| line["method"] == "SelectListObjectValues").unwrap();
    assert_eq!((&select["latency_us"], &select["effect"]), (&1000.into(), &"session".into()));
    assert_eq!(select["changed"].as_array().unwrap().len(), 2);
    assert_eq!(select["object"]["lineage"], r#"OpenDoc("Sales") / GetObject("b")"#);
    let patched = lines.iter().find(|line| line["fetch"]["why"] == "unchanged").unwrap();
    assert!(patched["result"]["qLayout"]["rows"] == 2.5 && patched["answer"]["delta"] == true, "{patched}");
    assert_eq!(patched["closed"], 1);
}

#[test]
fn text_of_others_controls_no_terminal() {
    let text = shown(
        &[
            "1+,\"url\":\"/a\\u001b[2J\"",
            r#"1> {"id":1,"handle":-1,"method":"M\u001b[2J","params":["\u009b2J"]}"#,
            r#"1< {"id":1,"error":{"code":1,"message":"\u001b[2J"}}"#,
        ],
        Filter::default(),
        TEXT,
        true,
    );
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
}

fn world(what: What, millis: u64, format: Format) -> String {
    world_of(&script(), what, millis, format)
}

fn world_of(script: &[&str], what: What, millis: u64, format: Format) -> String {
    let mut world = World::new(what, Duration::from_millis(millis));
    for entry in RecordingReader::new(&recording(script)[..], "x").unwrap() {
        if !world.take(entry.unwrap()) {
            break;
        }
    }
    let mut out = Vec::new();
    world.write(format, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn world_has_the_handles_that_were_open_with_name_class_lineage_and_age() {
    let text = world(What::Handles, 10, TEXT);
    let sheet = line(&text, "sheet Overview");
    for part in ["#1", "GenericObject", "open 6.0 ms", "layout of 0.008, changed 0.010", r#"GetObject("a")"#]
    {
        assert!(sheet.contains(part), "{part}: {text}");
    }
    assert!(text.contains("kpi b") && !world(What::Handles, 14, TEXT).contains("kpi b"), "{text}");
    assert!(!world(What::Handles, 3, TEXT).contains("sheet"));
}

#[test]
fn world_has_the_layout_that_was_known_and_whether_it_was_still_true() {
    let layout = |millis, format| {
        world(What::Layouts(Filter::new(&[], &["over*".to_owned()]).unwrap()), millis, format)
    };
    let text = layout(14, TEXT);
    assert!(text.starts_with("sheet Overview") && text.contains("{\n  \"rows\": 2.50\n}"), "{text}");
    assert!(!text.contains("changed"), "{text}");
    let json: Value = serde_json::from_str(&layout(10, Format::Json)).unwrap();
    assert_eq!((&json["changed_us"], &json["changed_by"]), (&10_000.into(), &10.into()));
    assert_eq!(json["layout"]["qMeta"]["title"], "Overview");
}

#[test]
fn world_has_what_was_selected_and_what_was_done_since() {
    assert_eq!(world(What::Selections, 5, TEXT), "");
    let text = world(What::Selections, 10, TEXT);
    assert!(
        line(&text, "Region").contains("North")
            && text.contains("since then, at 0.010: SelectListObjectValues"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&world(What::Selections, 10, Format::Json)).unwrap();
    assert_eq!(json["fields"][0]["selected"], "North");
}

#[test]
fn json_of_others_controls_no_terminal() {
    let script = [
        "1+,\"url\":\"/a\u{9b}2J\"",
        "1> {\"id\":1,\"handle\":-1,\"method\":\"M\",\"params\":[\"\u{202e}\u{7f}\"]}",
        "1< {\"id\":1,\"result\":{\"qReturn\":\"\u{9b}2J\u{2028}é\"}}",
        r#"1> {"id":2,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
        r#"1< {"id":2,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}}}"#,
        r#"1> {"id":3,"handle":1,"method":"GetAppLayout","params":[]}"#,
        "1< {\"id\":3,\"result\":{\"qLayout\":{\"qTitle\":\"\u{9b}\u{2066}\"}}}",
    ];
    let layout = What::Layouts(Filter::new(&[], &["*".to_owned()]).unwrap());
    for text in [
        shown(&script, Filter::default(), Format::Json, true),
        world_of(&script, layout, 9, Format::Json),
        world_of(&script, What::Handles, 9, Format::Json),
    ] {
        for line in text.lines() {
            assert_eq!(qix_transport::printable(line, usize::MAX), line);
            assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
        }
    }
    assert!(shown(&script, Filter::default(), Format::Json, true).contains(r"\u009b2J\u2028é"));
}

#[test]
fn object_that_nobody_was_seen_to_open_is_open_once_the_engine_answers_for_it() {
    let script = [
        "1+",
        r#"1> {"id":1,"handle":3,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":1,"error":{"code":-12,"message":"Invalid handle"}}"#,
        r#"1> {"id":2,"handle":4,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":2,"result":{"qLayout":{}}}"#,
    ];
    assert_eq!(world_of(&script, What::Handles, 3, TEXT), "");
    let text = world_of(&script, What::Handles, 9, TEXT);
    assert!(text.lines().count() == 1 && text.contains("handle 4"), "{text}");
    assert!(text.contains("not seen to be opened"), "{text}");
    let json: Value = serde_json::from_str(&world_of(&script, What::Handles, 9, Format::Json)).unwrap();
    assert!(json["opened_us"].is_null() && json["age_us"].is_null(), "{json}");
    let all = What::Layouts(Filter::new(&[], &["*".to_owned()]).unwrap());
    assert_eq!(world_of(&script, all, 3, TEXT), "");
}

#[test]
fn connection_that_ended_in_a_gap_is_not_open_behind_its_end() {
    let text = String::from_utf8(recording(&OPENED)).unwrap()
        + r#"{"seq":8,"t":50000,"kind":"gap","since":10000,"frames":1,"others":0,"reason":"full"}
{"seq":9,"t":40000,"conn":2,"kind":"close","by":"client","clean":true}
{"seq":10,"t":20000,"conn":1,"kind":"close","by":"client","clean":true}
{"seq":11,"t":60000,"kind":"note","text":"n"}
"#;
    let at = |millis| {
        let mut world = World::new(What::Handles, Duration::from_millis(millis));
        let mut entries = RecordingReader::new(text.as_bytes(), "x").unwrap().map(Result::unwrap);
        while entries.next().is_some_and(|entry| world.take(entry)) {}
        let mut out = Vec::new();
        (world.write(TEXT, &mut out).unwrap(), entries.count())
    };
    assert_eq!(at(30), (false, 0));
    assert_eq!(at(15), (true, 0));
    // A gap that began later hides nothing.
    assert_eq!(at(9), (true, 3));
}

#[test]
fn of_many_selections_the_latest_are_told_and_the_others_counted() {
    let calls: Vec<_> = (0..105)
        .flat_map(|at| {
            let id = at + 4;
            let ask = r#","handle":3,"method":"SelectListObjectValues","params":["/q",[1],false]}"#;
            [format!("1> {{\"id\":{id}{ask}"), format!("1< {{\"id\":{id},\"result\":{{\"qSuccess\":true}}}}")]
        })
        .collect();
    let script: Vec<_> = OPENED.iter().copied().chain(calls.iter().map(String::as_str)).collect();
    let text = world_of(&script, What::Selections, 1000, TEXT);
    assert!(line(&text, "more before").contains("since then, 5 more"), "{text}");
    assert!(text.lines().last().unwrap().contains("at 0.216"), "{text}");
    let json: Value = serde_json::from_str(&world_of(&script, What::Selections, 1000, Format::Json)).unwrap();
    assert_eq!((json["since"].as_array().unwrap().len(), &json["since_left_out"]), (100, &5.into()));
}
