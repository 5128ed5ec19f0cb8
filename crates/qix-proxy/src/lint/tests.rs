//! All rules together.

use super::{Linter, rules, script::Script};
use crate::record::RecordingReader;

const DOCUMENT: &str = include_str!("../../../../docs/lint.md");

#[test]
fn every_rule_is_documented_with_its_reason_its_remedy_and_its_limits() {
    let mut chapters = DOCUMENT.split("\n### ").skip(1);
    for rule in rules() {
        let chapter = chapters.next().unwrap_or_default();
        assert!(chapter.starts_with(&format!("`{}`", rule.name)), "{}: no chapter in its place", rule.name);
        for text in [rule.finds, rule.why, rule.remedy] {
            let text = text.replace('"', "").to_lowercase();
            let chapter = chapter.replace(['"', '`'], "").to_lowercase();
            assert!(chapter.contains(&text), "{}: docs/lint.md does not say: {text}", rule.name);
        }
        for limit in rule.limits {
            let text = format!("{} {}", limit.of, limit.amount);
            assert!(chapter.contains(&text), "{}: docs/lint.md does not say: {text}", rule.name);
        }
    }
    assert_eq!(chapters.next(), None);
}

#[test]
fn names_of_rules_are_known_and_wrong_ones_are_told_with_the_nearest() {
    assert!(Linter::new().only(["huge-frame", "delta-off"]).is_ok());
    let error = Linter::new().without(["huge-frames"]).unwrap_err().to_string();
    assert!(error.contains("'huge-frames' (did you mean huge-frame?)"), "{error}");
}

#[test]
fn worst_comes_first_and_rules_that_are_left_out_find_nothing() {
    let script = Script::new().app().session_object(2, "kpi", "Sales").session_object(3, "kpi", "Sales");
    let script = script.wait(700_000).close();
    let names = |mut linter: Linter| {
        linter.read(script.entries()).unwrap();
        linter.finish().into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    assert_eq!(names(Linter::new()), ["session-object-leaked", "socket-left-open"]);
    assert_eq!(names(Linter::new().without(["socket-left-open"]).unwrap()), ["session-object-leaked"]);
    assert_eq!(names(Linter::new().only(["socket-left-open"]).unwrap()), ["socket-left-open"]);
}

#[test]
fn recording_of_a_client_that_does_as_it_should_has_nothing_bad() {
    let demo = include_bytes!("../../assets/demo.qixrec");
    let mut linter = Linter::new();
    linter.read(RecordingReader::new(&demo[..], "demo.qixrec").unwrap()).unwrap();
    let found = linter.finish();
    assert!(found.iter().all(|finding| finding.weight < crate::model::Weight::Bad), "{found:#?}");
}
