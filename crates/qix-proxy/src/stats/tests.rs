//! What conversations that are written down here come to.

use serde_json::Value;

use super::{Sort, Stats, write_csv, write_json, write_text};
use crate::{
    filter::Filter,
    model::{
        Events,
        tests::{OPENED, recording},
    },
    record::RecordingReader,
    show::Look,
};

fn stats(filter: Filter) -> Stats {
    let more = [
        r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":4,"result":{"qLayout":{"title":"Late"}}}"#,
        r#"1> {"id":5,"handle":3,"method":"SelectListObjectValues","params":["/q",[1],false]}"#,
        r#"1< {"id":5,"result":{"qSuccess":true},"change":[2,3]}"#,
        r#"1> {"id":6,"handle":2,"method":"GetLayout","params":[]}"#,
        "2+",
        r#"1< {"id":6,"error":{"code":15,"message":"aborted"}}"#,
        r#"2x "by":"engine","code":1000,"clean":true"#,
        "3+",
        r#"3> {"id":1,"handle":-1,"method":"EngineVersion","params":[]}"#,
        r#"3x "by":"client","clean":false"#,
        r#""kind":"http","method":"GET","url":"/hub","status":200,"request":[],"response":[],"took":500"#,
        r#""kind":"refused","url":"/app/x","status":403,"request":[],"response":[]"#,
    ];
    let script = [&OPENED[..], &more[..]].concat();
    let mut stats = Stats::new(filter, 2);
    for event in Events::new(RecordingReader::new(&recording(&script)[..], "x").unwrap()) {
        stats.take(&event.unwrap());
    }
    stats
}

fn json(filter: Filter) -> Value {
    let mut out = Vec::new();
    write_json(&mut out, &stats(filter).tables(Sort::Total)).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn calls_are_counted_by_method_and_by_object_as_it_was_called_last() {
    let value = json(Filter::default());
    let row = |group: &str, name: &str| {
        let rows = value[group].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {value}")).clone()
    };
    let layout = row("methods", "GetLayout");
    assert_eq!(
        (&layout["count"], &layout["errors"], &layout["p50_us"], &layout["max_us"]),
        (&2.into(), &1.into(), &1000.into(), &2000.into())
    );
    assert_eq!(row("methods", "EngineVersion")["unanswered"], 1);
    assert_eq!(row("methods", "HTTP GET")["count"], 1);
    let sheet = row("objects", "sheet Late");
    assert_eq!(
        (&sheet["count"], &sheet["lineage"]),
        (&2.into(), &r#"OpenDoc("Sales") / GetObject("a")"#.into())
    );
    let share: f64 =
        value["methods"].as_array().unwrap().iter().map(|row| row["share"].as_f64().unwrap()).sum();
    assert!((share - 1.0).abs() < 1e-9, "{share}");
}

#[test]
fn slowest_calls_sockets_and_changes_are_told() {
    let value = json(Filter::default());
    let slowest: Vec<_> =
        value["slowest"].as_array().unwrap().iter().map(|slow| slow["latency_us"].clone()).collect();
    assert_eq!(slowest, [2000, 1000]);
    assert_eq!(
        value["sockets"],
        serde_json::json!({"opened": 3, "most_at_a_time": 2, "refused": 1, "open": 1, "closed": {"1000": 1, "cut": 1}})
    );
    assert_eq!(
        value["changes"],
        serde_json::json!({"writes": 2, "messages": 1, "caused": 1, "objects": 2, "most_objects": 2,
            "fetches": {"first": 1, "changed": 1, "unchanged": 0}})
    );
}

#[test]
fn filter_chooses_what_is_counted() {
    let value = json(Filter::new(&["Get*".to_owned()], &["late".to_owned()]).unwrap());
    let names: Vec<_> = value["methods"].as_array().unwrap().iter().map(|row| row["name"].clone()).collect();
    assert_eq!(names, ["GetLayout"]);
    // The title was learned with the first answer.
    assert_eq!(value["methods"][0]["count"], 2);
}

#[test]
fn tables_are_sorted_and_fit_and_csv_has_a_row_for_each() {
    let stats = stats(Filter::default());
    let names = |sort| stats.tables(sort).methods.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(Sort::Count)[..2], ["GetLayout", "GetObject"]);
    assert_eq!(names(Sort::Errors)[0], "GetLayout");
    assert!(names(Sort::Name).is_sorted());
    let mut text = Vec::new();
    write_text(&mut text, &stats.tables(Sort::Total), Look { width: Some(130), colour: false }, 3).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.starts_with("8 calls in ") && text.contains("more; --top 0 shows all"), "{text}");
    assert!(text.contains("1 closed with 1000") && text.contains("1 cut without a close frame"), "{text}");
    let mut csv = Vec::new();
    write_csv(&mut csv, &stats.tables(Sort::Total)).unwrap();
    let csv = String::from_utf8(csv).unwrap();
    let columns = csv.lines().next().unwrap().matches(',').count();
    assert!(
        csv.lines()
            .filter(|line| line.starts_with("method,"))
            .all(|line| line.matches(',').count() == columns),
        "{csv}"
    );
    assert_eq!(csv.lines().filter(|line| line.starts_with("object,")).count(), 4, "{csv}");
}

#[test]
fn recording_without_calls_is_no_error() {
    let stats = Stats::new(Filter::default(), 5);
    let mut text = Vec::new();
    write_text(&mut text, &stats.tables(Sort::Total), Look::default(), 3).unwrap();
    assert!(String::from_utf8(text).unwrap().starts_with("no calls\n0 sockets opened"));
}
