//! What conversations that are written down here come to.

use std::time::Duration;

use serde_json::Value;

use super::{Sort, Stats, write_csv, write_json, write_text};
use crate::{
    filter::Filter,
    model::{
        Events, ModelBuilder,
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
    of(&script, filter)
}

fn of(script: &[&str], filter: Filter) -> Stats {
    // As the command does.
    let builder = ModelBuilder::new();
    let builder = if filter.texts.is_some() { builder } else { builder.without_results() };
    let mut stats = Stats::new(filter, 2);
    for event in Events::with(RecordingReader::new(&recording(script)[..], "x").unwrap(), builder) {
        stats.take(&event.unwrap());
    }
    stats
}

fn json(filter: Filter) -> Value {
    written(&stats(filter))
}

fn written(stats: &Stats) -> Value {
    let mut out = Vec::new();
    write_json(&mut out, &stats.tables(Sort::Total)).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn text(stats: &Stats, look: Look) -> String {
    let mut out = Vec::new();
    write_text(&mut out, &stats.tables(Sort::Total), look, 3).unwrap();
    String::from_utf8(out).unwrap()
}

/// The rows of methods or objects, with how many calls they have.
fn counts(value: &Value, group: &str) -> Vec<(String, u64)> {
    let rows = value[group].as_array().unwrap().iter();
    let mut counts: Vec<_> =
        rows.map(|row| (row["name"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap())).collect();
    counts.sort_unstable();
    counts
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
    // Messages of engines could not be compared with the writes that are counted.
    assert_eq!(value["changes"]["messages"], Value::Null);
    let chosen = text(&stats(Filter::new(&["Get*".to_owned()], &[]).unwrap()), Look::default());
    assert!(chosen.contains("0 calls that may change something\n2 fetches"), "{chosen}");
}

#[test]
fn sockets_that_were_open_when_the_time_begins_are_open_in_it() {
    let sockets = |from: u64, to: u64| {
        let mut filter = Filter::default();
        filter.time = Some(Duration::from_millis(from)..Duration::from_millis(to));
        let value = json(filter);
        (value["sockets"]["opened"].clone(), value["sockets"]["most_at_a_time"].clone())
    };
    // Connection 1 opens at 0; connection 2 from 12 to 14, 3 from 15 to 17.
    assert_eq!(sockets(1, 5), (0.into(), 1.into()));
    assert_eq!(sockets(13, 14), (0.into(), 2.into()));
    assert_eq!(sockets(14, 100), (1.into(), 2.into()));
    assert_eq!(sockets(16, 17), (0.into(), 2.into()));
    assert_eq!(sockets(100, 200), (0.into(), 0.into()));
}

#[test]
fn objects_of_which_it_is_not_known_how_they_came_to_be_are_told_apart_and_stay_one_with_a_title() {
    let get = |conn: u32| format!(r#"{conn}> {{"id":1,"handle":12,"method":"GetLayout","params":[]}}"#);
    let got = |conn: u32, title: &str| {
        format!(r#"{conn}< {{"id":1,"result":{{"qLayout":{{"title":"{title}"}}}}}}"#)
    };
    let lines = [
        "1+,\"continued\":true".to_owned(),
        "2+,\"continued\":true".to_owned(),
        get(1),
        got(1, ""),
        get(2),
        got(2, ""),
        get(1),
        got(1, "A"),
        get(1),
        got(1, "B"),
    ];
    let stats = of(&lines.iter().map(|line| &**line).collect::<Vec<_>>(), Filter::default());
    let expected = [("handle 12".to_owned(), 1), ("handle 12 B".to_owned(), 3)];
    assert_eq!(counts(&written(&stats), "objects"), expected);
}

#[test]
fn object_that_is_used_before_it_is_known_how_it_came_to_be_is_counted_once() {
    let lines = [
        "1+,\"continued\":true",
        r#"1> {"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
        r#"1> {"id":2,"handle":1,"method":"GetAppLayout","params":[]}"#,
        r#"1> {"id":3,"handle":1,"method":"GetAppLayout","params":[]}"#,
        r#"1< {"id":2,"result":{"qLayout":{"qTitle":"Sales"}}}"#,
        r#"1< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}}}"#,
        r#"1< {"id":3,"result":{"qLayout":{"qTitle":"Sales"}}}"#,
        r#"1> {"id":4,"handle":1,"method":"GetAppLayout","params":[]}"#,
        r#"1< {"id":4,"result":{"qLayout":{"qTitle":"Sales"}}}"#,
    ];
    let value = written(&of(&lines, Filter::default()));
    assert_eq!(counts(&value, "objects"), [("app Sales".to_owned(), 3), ("global".to_owned(), 1)]);
}

#[test]
fn object_that_is_opened_again_keeps_its_title() {
    let more = [
        r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[]}"#,
        r#"1< {"id":4,"result":{"qLayout":{"title":"Late"}}}"#,
        "2+",
        r#"2> {"id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
        r#"2< {"id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}}}"#,
        r#"2> {"id":2,"handle":1,"method":"GetObject","params":["a"]}"#,
        r#"2< {"id":2,"result":{"qReturn":{"qType":"GenericObject","qHandle":7,"qGenericType":"sheet","qGenericId":"a"}}}"#,
        r#"2> {"id":3,"handle":7,"method":"GetInfo","params":[]}"#,
        r#"2< {"id":3,"result":{"qInfo":{}}}"#,
    ];
    let stats = of(&[&OPENED[..], &more].concat(), Filter::default());
    assert!(counts(&written(&stats), "objects").contains(&("sheet Late".to_owned(), 2)));
}

#[test]
fn methods_have_a_limit_beyond_which_they_are_counted_together() {
    let call = |id: u32| {
        [format!(r#"1> {{"id":1,"handle":-1,"method":"M{id}"}}"#), r#"1< {"id":1,"result":{}}"#.to_owned()]
    };
    let lines: Vec<_> = std::iter::once("1+".to_owned()).chain((0..10_003).flat_map(call)).collect();
    let stats = of(&lines.iter().map(|line| &**line).collect::<Vec<_>>(), Filter::default());
    assert_eq!(stats.methods.len(), 10_001);
    assert!(counts(&written(&stats), "methods").contains(&("other methods".to_owned(), 3)));
}

#[test]
fn polls_for_progress_count_under_every_filter() {
    let more = [
        r#"1> {"id":9,"handle":-1,"method":"GetProgress","params":[0]}"#,
        r#"1< {"id":9,"result":{"qProgressData":{}}}"#,
    ];
    let mut filter = Filter::default();
    filter.slower = Some(Duration::from_millis(1));
    let stats = of(&[&OPENED[..], &more].concat(), filter);
    assert!(counts(&written(&stats), "methods").contains(&("GetProgress".to_owned(), 1)));
}

#[test]
fn numbers_that_no_recording_can_have_are_counted_without_overflow() {
    let http = format!(
        r#""kind":"http","method":"GET","url":"/","status":200,"request":[],"response":[],"took":{}"#,
        u64::MAX
    );
    let other = http.replace("GET", "PUT");
    let value = written(&of(&[&http, &http, &other], Filter::default()));
    assert_eq!(counts(&value, "methods"), [("HTTP GET".to_owned(), 2), ("HTTP PUT".to_owned(), 1)]);
    assert_eq!(value["methods"][0]["share"], 0.5);
}

#[test]
fn answers_that_were_too_large_are_told() {
    let large = "{\"seq\":9,\"t\":9000,\"conn\":1,\"kind\":\"frame\",\"from\":\"engine\",\"bytes\":99}\n";
    let ask = [r#"1> {"id":4,"handle":2,"method":"GetLayout","params":[]}"#];
    let bytes = [recording(&[&OPENED[..], &ask].concat()), large.as_bytes().to_vec()].concat();
    let mut stats = Stats::new(Filter::default(), 2);
    for event in Events::new(RecordingReader::new(&bytes[..], "x").unwrap()) {
        stats.take(&event.unwrap());
    }
    assert_eq!(written(&stats)["too_large"], 1);
    let text = text(&stats, Look::default());
    assert!(text.contains("1 message of the engine too large to be recorded"), "{text}");
}

#[test]
fn tables_are_sorted_and_lines_fit_and_csv_has_a_row_for_each() {
    let stats = stats(Filter::default());
    let names = |sort| stats.tables(sort).methods.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(Sort::Count)[..2], ["GetLayout", "GetObject"]);
    assert_eq!(names(Sort::Errors)[0], "GetLayout");
    assert!(names(Sort::Name).is_sorted());
    let text = text(&stats, Look { width: Some(130), colour: false });
    assert!(text.starts_with("8 calls in ") && text.contains("more; --top 0 shows all"), "{text}");
    let is_row = |line: &&str| {
        ["method ", "object ", "GetObject", "sheet "].iter().any(|start| line.starts_with(start))
    };
    let rows: Vec<_> = text.lines().filter(is_row).map(|line| line.chars().count()).collect();
    assert!(rows.len() >= 4 && rows.iter().all(|width| (100..=130).contains(width)), "{rows:?}");
    let narrow = super::tests::text(&stats, Look { width: Some(60), colour: false });
    let is_narrow = |line: &str| line.chars().count() <= 60;
    assert!(narrow.lines().filter(is_row).all(is_narrow), "{narrow}");
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
