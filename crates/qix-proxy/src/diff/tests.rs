//! What two recordings differ in, and that nothing else is told.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Makes recordings of lines such as `> {…}`, said by a client, and `< {…}`, by an engine. Each line takes a millisecond.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn recording(&self, name: &str, lines: &[String]) -> PathBuf {
        self.connections(name, "/app/Sales.qvf", &[lines])
    }

    /// Makes a recording of connections after each other.
    fn connections(&self, name: &str, url: &str, all: &[&[String]]) -> PathBuf {
        let mut text = format!(
            "{}\n",
            json!({"qixrec": [1, 1], "started": "2026-01-02T03:04:05Z", "tool": "t", "upstream": "ws://h/"}),
        );
        let said = (1..).zip(all).flat_map(|(conn, lines)| {
            std::iter::once((conn, None)).chain(lines.iter().map(move |line| (conn, Some(line))))
        });
        for (seq, (conn, line)) in (1..).zip(said) {
            let Some(line) = line else {
                let entry = json!({"seq": seq, "t": seq * 1000, "conn": conn, "kind": "open", "url": url, "status": 101, "request": [], "response": []});
                writeln!(text, "{entry}").unwrap();
                continue;
            };
            let from = if line.starts_with('>') { "client" } else { "engine" };
            let said: Value = serde_json::from_str(&line[2..]).unwrap();
            let entry = json!({"seq": seq, "t": seq * 1000, "conn": conn, "kind": "frame", "from": from, "json": said});
            writeln!(text, "{entry}").unwrap();
        }
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

fn compared(before: &Path, after: &Path) -> DiffReport {
    diff(before, after, &DiffSettings::default(), &|_| ()).unwrap()
}

/// What two runs of one program may call otherwise, and what they may not.
#[derive(Clone, Debug)]
struct Run {
    /// The first handle, the first request id, and the step from one to the next.
    handle: i64,
    id: i64,
    step: i64,
    /// What ids are made of that the engine makes up.
    seed: u64,
    /// The measure's sums.
    sums: [f64; 2],
    /// How often the chart is asked again.
    again: usize,
}

impl Run {
    fn new() -> Self {
        Self { handle: 1, id: 1, step: 1, seed: 1, sums: [10.5, 20.0], again: 2 }
    }

    /// Opens an app, makes a chart whose id the engine makes up, opens it by that id, asks for its layout and its data, the layout
    /// by patches, and asks for what is not there.
    fn lines(&self) -> Vec<String> {
        let Self { handle, step, seed, sums, .. } = *self;
        let (app, chart) = (handle, handle + step);
        let made_up = format!("3f2504e0-4f89-41d3-9a0c-{seed:012x}");
        let reference = |class: &str, handle: i64, id: &str| json!({"qReturn": {"qType": class, "qHandle": handle, "qGenericType": "barchart", "qGenericId": id}});
        let cell = |text: &str, number: Value, state: &str, at: i64| json!({"qText": text, "qNum": number, "qElemNumber": at, "qState": state});
        let row = |at: usize, name: &str| {
            json!([
                cell(name, json!("NaN"), "O", at as i64),
                cell(&sums[at].to_string(), json!(sums[at]), "L", 0)
            ])
        };
        let rows =
            json!([{"qMatrix": [row(0, "Nordic"), row(1, "Iberia")], "qArea": {"qWidth": 2, "qHeight": 2}}]);
        let layout = json!({
            "qInfo": {"qId": made_up, "qType": "barchart"}, "title": "Sales by region",
            "qHyperCube": {
                "qDimensionInfo": [{"qFallbackTitle": "Region"}],
                "qMeasureInfo": [{"qFallbackTitle": "Total sales", "qMax": sums[0].max(sums[1])}],
                "qGrandTotalRow": [cell("", json!(sums[0] + sums[1]), "L", 0)],
                "qDataPages": rows,
            },
        });
        let whole = json!({"qLayout": [{"op": "add", "path": "/", "value": layout}]});
        let definition = json!({"qInfo": {"qType": "barchart"}, "qHyperCubeDef": {"qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}]}});
        let page = json!(["/qHyperCubeDef", [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 2}]]);
        let mut calls = vec![
            (-1, "OpenDoc", json!(["Sales.qvf"]), json!({"result": reference("Doc", app, "Sales.qvf")})),
            (
                app,
                "CreateSessionObject",
                json!([definition]),
                json!({"result": reference("GenericObject", chart, &made_up)}),
            ),
            (
                app,
                "GetObject",
                json!([made_up]),
                json!({"result": reference("GenericObject", chart, &made_up)}),
            ),
            (chart, "GetLayout", json!([]), json!({"result": whole, "delta": true})),
            (chart, "GetHyperCubeData", page, json!({"result": {"qDataPages": rows}})),
            (
                app,
                "GetObject",
                json!(["nowhere"]),
                json!({"error": {"code": -2, "message": "Object not found"}}),
            ),
        ];
        for _ in 0..self.again {
            calls.push((chart, "GetLayout", json!([]), json!({"result": {"qLayout": []}, "delta": true})));
        }
        let mut lines = Vec::new();
        for (at, (on, method, params, answer)) in (0..).zip(calls) {
            let id = self.id + at * step;
            lines.push(format!(
                "> {}",
                json!({"id": id, "handle": on, "method": method, "params": params, "delta": true})
            ));
            let mut answer = answer;
            answer["id"] = json!(id);
            lines.push(format!("< {answer}"));
        }
        lines
    }
}

fn of_runs(before: &Run, after: &Run) -> DiffReport {
    let desk = Desk::new();
    let (one, other) = (desk.recording("one", &before.lines()), desk.recording("other", &after.lines()));
    compared(&one, &other)
}

#[test]
fn every_call_of_a_recording_equals_that_of_the_same_file() {
    for path in ["assets/demo.qixrec", "tests/cli/redrive.qixrec"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let report = compared(&path, &path);
        assert!(report.is_equal() && report.compared > 0, "{}", report.text(false));
        assert_eq!(report.compared, report.equal);
    }
}

#[test]
fn measure_that_changed_is_named_once_and_nothing_else() {
    let report = of_runs(&Run::new(), &Run { sums: [10.5, 21.0], seed: 9, handle: 40, ..Run::new() });
    assert_eq!(report.measures().into_iter().collect::<Vec<_>>(), ["Total sales"]);
    assert_eq!((report.objects.len(), report.objects[0].differences.len()), (1, 1), "{}", report.text(false));
    let object = &report.objects[0];
    assert_eq!(object.object, "barchart Sales by region");
    let difference = &object.differences[0];
    assert_eq!(difference.subject, Subject::Measure("Total sales".to_owned()));
    assert_eq!(difference.methods.iter().collect::<Vec<_>>(), ["GetHyperCubeData", "GetLayout"]);
    // Said once for all layouts and pages of data.
    assert_eq!(difference.calls, 4);
    let said = difference.examples.iter().map(|example| (&*example.before, &*example.after));
    assert!(
        said.clone().any(|(before, after)| (before, after) == ("20.0", "21.0")),
        "{:?}",
        said.collect::<Vec<_>>()
    );
    assert!(report.errors.is_empty() && report.only.iter().all(Vec::is_empty));
    let text = report.text(false);
    assert!(text.ends_with("1 measure differs in 1 object; 8 calls compared, 4 equal\n"), "{text}");
}

#[test]
fn calls_and_errors_of_one_side_are_told_by_object_and_method() {
    let mut before = Run::new().lines();
    let after = Run { again: 3, ..Run::new() }.lines();
    before[11] = r#"< {"id":6,"result":{"qReturn":{"qType":null,"qHandle":null}}}"#.to_owned();
    let desk = Desk::new();
    let report = compared(&desk.recording("one", &before), &desk.recording("other", &after));
    assert!(report.objects.is_empty(), "{}", report.text(false));
    let [error] = &report.errors[..] else { panic!("{}", report.text(false)) };
    assert_eq!((&*error.object, &*error.method, &error.before), ("app Sales", "GetObject", &None));
    assert!(error.after.as_ref().unwrap().contains("Object not found"));
    let ([], [only]) = (&report.only[0][..], &report.only[1][..]) else { panic!("{}", report.text(false)) };
    assert_eq!((&*only.object, &*only.method, only.calls), ("barchart Sales by region", "GetLayout", 1));
}

/// Writes calls of a handle, and their answers, with ids from 1.
fn script(calls: &[(i64, &str, Value, Value)]) -> Vec<String> {
    let lines = (1..).zip(calls).flat_map(|(id, (handle, method, params, answer))| {
        let delta = answer.get("delta").is_some();
        let asked = json!({"id": id, "handle": handle, "method": method, "params": params, "delta": delta});
        let mut answer = answer.clone();
        answer["id"] = json!(id);
        [format!("> {asked}"), format!("< {answer}")]
    });
    lines.collect()
}

fn opens(class: &str, handle: i64, id: &str) -> Value {
    json!({"result": {"qReturn": {"qType": class, "qHandle": handle, "qGenericId": id}}})
}

fn of_scripts(before: &[(i64, &str, Value, Value)], after: &[(i64, &str, Value, Value)]) -> DiffReport {
    let desk = Desk::new();
    compared(&desk.recording("one", &script(before)), &desk.recording("other", &script(after)))
}

#[test]
fn measure_that_differs_behind_many_other_places_is_named() {
    let page = |second: f64| {
        let cell = |number: f64| json!({"qText": number.to_string(), "qNum": number, "qElemNumber": 0, "qState": "L"});
        let row = |at: i64| {
            let first = if second > 2.0 && at < 250 { 7.5 } else { 1.5 };
            let last = if at == 300 { second } else { 2.0 };
            json!([{"qText": at.to_string(), "qNum": at, "qElemNumber": at, "qState": "O"}, cell(first), cell(last)])
        };
        json!([{"qMatrix": (0..400).map(row).collect::<Vec<_>>()}])
    };
    let calls = |second: f64| {
        let info = json!({"qDimensionInfo": [{"qFallbackTitle": "Day"}], "qMeasureInfo": [{"qFallbackTitle": "Sales"}, {"qFallbackTitle": "Margin"}]});
        let (layout, params) = (json!({"qHyperCube": info}), json!(["/qHyperCubeDef", []]));
        vec![
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (1, "GetObject", json!(["c"]), opens("GenericObject", 2, "c")),
            (2, "GetLayout", json!([]), json!({"result": {"qLayout": layout}})),
            (2, "GetHyperCubeData", params, json!({"result": {"qDataPages": page(second)}})),
            (2, "GetHyperCubeData", json!(["/other", []]), json!({"result": {"qDataPages": page(second)}})),
        ]
    };
    let report = of_scripts(&calls(2.0), &calls(3.0));
    assert_eq!(report.measures().into_iter().collect::<Vec<_>>(), ["Margin", "Sales"]);
    let subjects = |label: &str| {
        let all = &report.objects[0].differences;
        all.iter().find(|difference| difference.subject == Subject::Measure(label.to_owned())).unwrap().places
    };
    assert_eq!((subjects("Sales"), subjects("Margin"), report.beyond), (250, 1, 0));
    // Columns of a cube that the layout does not tell of have no names.
    let other = Subject::Member("/qDataPages/*/qMatrix/*/*/qNum".to_owned());
    assert!(report.objects[0].differences.iter().any(|difference| difference.subject == other));
}

#[test]
fn call_too_many_changes_no_answer_by_patches() {
    let layout =
        |patches: Value| (2, "GetLayout", json!([]), json!({"result": {"qLayout": patches}, "delta": true}));
    let whole = |value: i64| layout(json!([{"op": "add", "path": "/", "value": {"a": value, "b": 1}}]));
    let patch = |value: i64| layout(json!([{"op": "replace", "path": "/a", "value": value}]));
    let start = || {
        vec![
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (1, "GetObject", json!(["c"]), opens("GenericObject", 2, "c")),
        ]
    };
    let with = |calls: Vec<_>| start().into_iter().chain(calls).collect::<Vec<_>>();
    for later in [[patch(2), patch(3)], [whole(2), whole(3)]] {
        let [second, third] = later;
        let before = with(vec![whole(1), second.clone(), third.clone()]);
        let after = with(vec![whole(1), layout(json!([])), second, third]);
        let report = of_scripts(&before, &after);
        assert!(report.objects.is_empty(), "{}", report.text(false));
        assert_eq!(report.only[1].iter().map(|only| only.calls).sum::<u64>(), 1);
    }
    let before = with(vec![whole(1), patch(2)]);
    let report = of_scripts(&before, &with(vec![whole(1), patch(4)]));
    assert_eq!(report.objects.len(), 1, "{}", report.text(false));
}

#[test]
fn reference_to_another_object_that_both_recordings_have_is_a_difference() {
    let ids = ["3f2504e0-4f89-41d3-9a0c-0305e82c3301", "11111111-4f89-41d3-9a0c-0305e82c3301"];
    let calls = |at: usize| {
        vec![
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (
                1,
                "GetAppLayout",
                json!([]),
                json!({"result": {"qLayout": {"cells": [{"name": ids[0]}, {"name": ids[1]}]}}}),
            ),
            (1, "GetAppProperties", json!([]), json!({"result": {"qProp": {"first": ids[at]}}})),
        ]
    };
    let report = of_scripts(&calls(0), &calls(1));
    assert_eq!(report.objects.len(), 1, "{}", report.text(false));
    assert_eq!(report.objects[0].differences[0].subject, Subject::Member("/qProp/first".to_owned()));
}

#[test]
fn copy_of_an_app_is_known_in_encoded_paths_and_in_calls_of_the_engine_only() {
    let desk = Desk::new();
    let calls = |app: &str, field: &str| {
        script(&[
            (-1, "OpenDoc", json!([app]), opens("Doc", 1, app)),
            (1, "GetField", json!([field]), opens("Field", 2, field)),
            (2, "GetCardinal", json!([]), json!({"result": {"qReturn": 3}})),
        ])
    };
    for (app, other, path) in [
        ("Sales.qvf", "Sales (copy).qvf", "/app/Sales%20(copy).qvf"),
        (r"C:\Users\me\Sales.qvf", r"D:\Copy.qvf", r"/app/D:%5CCopy.qvf"),
        ("Sales", "Prod", "/app/Prod"),
    ] {
        let encoded = format!("/app/{}", app.replace('\\', "%5C"));
        let before = desk.connections("one", &encoded, &[&calls(app, "Sales")]);
        let after = desk.connections("other", path, &[&calls(other, "Sales")]);
        let report = diff(&before, &after, &DiffSettings::default().app(app, other), &|_| ()).unwrap();
        assert!(report.is_equal(), "{app}: {}", report.text(false));
    }
}

#[test]
fn id_that_a_client_chose_stands_for_itself_in_all_sessions() {
    let definition = |kind: &str| json!([{"qInfo": {"qId": "CurrentSelections", "qType": kind}}]);
    let session = |kind: &str, value: i64| {
        script(&[
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (1, "CreateSessionObject", definition(kind), opens("GenericObject", 2, "CurrentSelections")),
            (1, "GetObject", json!(["CurrentSelections"]), opens("GenericObject", 2, "CurrentSelections")),
            (2, "GetLayout", json!([]), json!({"result": {"qLayout": {"a": value}}})),
        ])
    };
    let desk = Desk::new();
    // The first session uses the object after the second has made one, or before.
    let first = session("x", 1);
    let before = desk.connections("one", "/app/a", &[&first, &session("y", 1)]);
    let lines = std::fs::read_to_string(&before).unwrap();
    let mut lines: Vec<_> = lines.lines().map(str::to_owned).collect();
    let late: Vec<_> = lines.drain(6..10).collect();
    lines.extend(late);
    let renumbered = (0..).zip(&lines).map(|(seq, line)| {
        let mut entry: Value = serde_json::from_str(line).unwrap();
        if entry.get("seq").is_some() {
            (entry["seq"], entry["t"]) = (json!(seq), json!(seq * 1000));
        }
        format!("{entry}\n")
    });
    let after = desk.0.path().join("other");
    std::fs::write(&after, renumbered.collect::<String>()).unwrap();
    let report = compared(&before, &after);
    assert!(report.is_equal() && report.compared == 8, "{}", report.text(false));
}

#[test]
fn object_that_several_sessions_open_in_several_ways_is_told_once() {
    let session = |value: i64, opener: &str| {
        script(&[
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (1, opener, json!(["KPI"]), opens("GenericObject", 2, "KPI")),
            (2, "GetLayout", json!([]), json!({"result": {"qLayout": {"title": "K", "value": value}}})),
            (
                1,
                "CreateSessionObject",
                json!([{"qInfo": {"qType": "x"}}]),
                opens("GenericObject", 3, "mMdPvj"),
            ),
            (3, "GetLayout", json!([]), json!({"result": {"qLayout": {"value": value}}})),
        ])
    };
    let desk = Desk::new();
    let recording = |name: &str, value: i64| {
        let sessions = ["GetObject", "GetObject", "GetGenericObject"].map(|opener| session(value, opener));
        desk.connections(name, "/app/a", &sessions.each_ref().map(|lines| &lines[..]))
    };
    let report = compared(&recording("one", 1), &recording("other", 2));
    let objects: Vec<_> =
        report.objects.iter().map(|object| (&*object.object, object.differences[0].calls)).collect();
    assert_eq!(objects.len(), 2, "{}", report.text(false));
    assert!(objects.iter().all(|(_, calls)| *calls == 3), "{objects:?}");
}

#[test]
fn handles_of_a_recording_that_begins_in_the_middle_are_no_difference() {
    let calls = |handle: i64| {
        vec![
            (7, "GetObject", json!(["c"]), opens("GenericObject", handle, "c")),
            (handle, "GetLayout", json!([]), json!({"result": {"qLayout": {"a": 1}}})),
        ]
    };
    for handle in [5, 9] {
        let report = of_scripts(&calls(5), &calls(handle));
        assert!(report.is_equal() && report.compared == 2, "{}", report.text(false));
    }
}

#[test]
fn object_that_the_engine_closed_unasked_leaves_no_name_to_the_next_one() {
    let lines = |handle: i64, value: i64| {
        let mut lines = script(&[
            (-1, "OpenDoc", json!(["a"]), opens("Doc", 1, "a")),
            (1, "GetObject", json!(["c"]), opens("GenericObject", 2, "c")),
        ]);
        lines.push(r#"< {"jsonrpc":"2.0","close":[2]}"#.to_owned());
        lines.extend(script(&[
            (1, "GetObject", json!(["d"]), opens("GenericObject", handle, "d")),
            (handle, "GetLayout", json!([]), json!({"result": {"qLayout": {"a": value}}})),
        ]));
        lines
    };
    let desk = Desk::new();
    let of = |[before, after]: [Vec<String>; 2]| {
        compared(&desk.recording("one", &before), &desk.recording("other", &after))
    };
    let report = of([lines(2, 1), lines(3, 1)]);
    assert!(report.is_equal() && report.compared == 4, "{}", report.text(false));
    let report = of([lines(2, 1), lines(2, 2)]);
    assert_eq!(report.objects[0].id, "d", "{}", report.text(false));
}

#[test]
fn nothing_compared_is_not_equal_and_calls_that_cannot_be_are_told() {
    let aborted = || json!({"error": {"code": 15, "message": "aborted"}});
    let version = |answer: Value| (-1, "EngineVersion", json!([]), answer);
    let report = of_scripts(&[], &[]);
    assert!(
        !report.is_equal() && report.headline().starts_with("nothing was compared"),
        "{}",
        report.text(false)
    );
    let report = of_scripts(&[version(aborted())], &[version(json!({"result": {"a": 1}}))]);
    assert!(!report.is_equal(), "{}", report.text(false));
    assert_eq!(report.headline(), "nothing was compared: 1 call, and none can be");
    let calls = |value: i64, answer: Value| {
        [version(answer), (-1, "OSName", json!([]), json!({"result": {"qReturn": value}}))]
    };
    let report = of_scripts(&calls(1, aborted()), &calls(2, json!({"result": {"a": 1}})));
    assert!(
        report.headline().contains("2 calls compared, 1 of which cannot be, 0 equal"),
        "{}",
        report.headline()
    );
}

#[test]
fn page_says_what_it_leaves_out() {
    let calls = |value: i64| {
        let members: Vec<_> = (0..1500).map(|at| format!("\"m{at}\":{value}")).collect();
        let result: Value = serde_json::from_str(&format!("{{{}}}", members.join(","))).unwrap();
        [(-1, "M", json!([]), json!({"result": result}))]
    };
    let page = of_scripts(&calls(1), &calls(2)).html();
    assert!(page.contains("… and 500 things more"), "{}", &page[page.len() - 300..]);
}

#[test]
fn tolerance_ignore_rules_and_copies_of_an_app_are_no_difference() {
    let desk = Desk::new();
    let before = desk.recording("one", &Run::new().lines());
    let near = Run { sums: [10.5, 20.001], ..Run::new() };
    let after = desk.recording("other", &near.lines());
    assert!(!compared(&before, &after).is_equal());
    assert!(diff(&before, &after, &DiffSettings::default().tolerance(1e-3), &|_| ()).unwrap().is_equal());
    let rules = [
        "/qLayout/qHyperCube/qDataPages/*/qMatrix/*/*/qNum",
        "/qLayout/qHyperCube/qMeasureInfo/*/qMax",
        "/qLayout/qHyperCube/qGrandTotalRow/*/qNum",
        "GetHyperCubeData:/qDataPages/*/qMatrix/*/*/qNum",
    ];
    let settings = rules.iter().fold(DiffSettings::default(), |all, rule| all.ignore(rule.parse().unwrap()));
    let report = diff(&before, &after, &settings, &|_| ()).unwrap();
    assert!(report.is_equal(), "{}", report.text(false));
    let text = std::fs::read_to_string(&before).unwrap().replace("Sales.qvf", "Copy.qvf");
    let copy = desk.0.path().join("copy");
    std::fs::write(&copy, text).unwrap();
    assert!(!compared(&before, &copy).is_equal());
    let report =
        diff(&before, &copy, &DiffSettings::default().app("Sales.qvf", "Copy.qvf"), &|_| ()).unwrap();
    assert!(report.is_equal(), "{}", report.text(false));
}

#[test]
fn reports_for_programs_and_as_a_page_say_the_same_and_texts_of_others_control_neither() {
    let hostile = |sums: [f64; 2]| -> Vec<String> {
        let lines = Run { sums, ..Run::new() }.lines();
        lines
            .iter()
            .map(|line| line.replace("Sales by region", "<script>alert(1)</script>\\u001b[2J"))
            .collect()
    };
    let desk = Desk::new();
    let report = compared(
        &desk.recording("one", &hostile([1.0, 2.0])),
        &desk.recording("other", &hostile([1.0, 3.0])),
    );
    let json = report.json();
    assert_eq!((&json["equal"], &json["measures"]), (&json!(false), &json!(["Total sales"])));
    assert_eq!(json["objects"][0]["differences"][0]["name"], "Total sales");
    let page = report.html();
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script") && page.contains("Total sales"));
    assert!(
        !page.contains("http://")
            && !page.contains("https://")
            && page.contains("prefers-color-scheme: dark")
    );
    for text in [page, report.text(false)] {
        assert!(!text.contains('\u{1b}'));
    }
}

#[test]
fn results_that_wait_in_a_file_are_those_that_were_put_there() {
    use super::{held::Held, side::Outcome};
    let desk = Desk::new();
    let path = desk.recording("one", &Run::new().lines());
    let seen = super::side::Side::open(&path, &[], Vec::new(), &|_| ()).unwrap().next().unwrap().unwrap();
    let mut held = Held::default();
    let result = |at: u64| bytes::Bytes::from(vec![at as u8; 30 << 20]);
    for seq in 1..=4 {
        held.put(super::side::Seen { seq, outcome: Outcome::Result(Some(result(seq))), ..seen.clone() })
            .unwrap();
    }
    for seq in [4, 1, 3, 2] {
        let taken = held.take(seq).unwrap().unwrap();
        // Parameters that nobody asks for would keep whole requests.
        assert_eq!(taken.params, None);
        assert!(matches!(taken.outcome, Outcome::Result(Some(found)) if found == result(seq)), "{seq}");
    }
    assert!(held.take(1).unwrap().is_none());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn handles_ids_and_what_an_engine_makes_up_are_no_difference(
        handle in 1i64..1000, id in 0i64..1000, step in 1i64..7, seed in 2u64..1 << 40, again in 0usize..5,
    ) {
        let before = Run { again, ..Run::new() };
        let report = of_runs(&before, &Run { handle, id, step, seed, ..before.clone() });
        prop_assert!(report.is_equal(), "{}", report.text(false));
        prop_assert_eq!(report.compared, 6 + again as u64);
    }
}
