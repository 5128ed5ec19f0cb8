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
        let mut text = format!(
            "{}\n{}\n",
            json!({"qixrec": [1, 1], "started": "2026-01-02T03:04:05Z", "tool": "t", "upstream": "ws://h/"}),
            json!({"seq": 1, "t": 1, "conn": 1, "kind": "open", "url": "/app/Sales.qvf", "status": 101, "request": [], "response": []}),
        );
        for (seq, line) in (2..).zip(lines) {
            let from = if line.starts_with('>') { "client" } else { "engine" };
            let said: Value = serde_json::from_str(&line[2..]).unwrap();
            let entry =
                json!({"seq": seq, "t": seq * 1000, "conn": 1, "kind": "frame", "from": from, "json": said});
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
fn recording_is_equal_to_itself() {
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
