//! Giving calls up, before and after their answers.

use super::*;

const ABORTED: &str = "engine error 15 (GENERIC_ABORTED): Request aborted";

#[test]
fn cancelling_an_answered_call_does_nothing() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "A", "[]");
    pair.sent();
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert_eq!(pair.client.cancel(id), None, "answered, though nobody has looked yet");
    assert!(pair.sent().is_empty());
    assert_eq!(pair.heard(), ["A: {}"]);
}

#[test]
fn error_15_belongs_to_the_caller_unless_it_cancelled() {
    let mut pair = Pair::new();
    let cancelled = pair.call(Handle::GLOBAL, "A", "[]");
    pair.call(Handle::GLOBAL, "B", "[]");
    pair.client.cancel(cancelled);
    for id in 1..=2 {
        let answer = format!(r#"{{"id":{id},"error":{{"code":15,"message":"Request aborted"}}}}"#);
        pair.engine_says(&answer).unwrap();
    }
    assert_eq!(pair.heard(), [format!("B failed: {ABORTED}")]);
}

#[test]
fn error_15_after_the_deadline_is_not_heard_again() {
    let mut pair = Pair::new();
    let start = some_instant();
    pair.try_call(Handle::GLOBAL, "A", "[]", Some(start)).unwrap();
    pair.client.handle_timeout(start);
    pair.engine_says(r#"{"id":1,"error":{"code":15},"change":[3]}"#).unwrap();
    assert_eq!(pair.heard(), ["A failed: no answer before the deadline", "change [3] close [] suspend []"]);
}

#[test]
fn refused_cancel_request_is_nobodys_business() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "A", "[]");
    pair.client.cancel(id);
    pair.engine_says(r#"{"id":2,"error":{"code":-32601,"message":"Method not found"}}"#).unwrap();
    pair.engine_says(r#"{"id":1,"result":{}}"#).unwrap();
    assert!(pair.heard().is_empty());
}

#[test]
fn each_late_answer_is_expected_once() {
    let mut pair = Pair::new();
    let id = pair.call(Handle::GLOBAL, "A", "[]");
    pair.client.cancel(id);
    pair.engine_says(r#"{"id":1,"error":{"code":15}}"#).unwrap();
    pair.engine_says(r#"{"id":1,"error":{"code":15}}"#).unwrap();
    assert_eq!(pair.heard(), ["orphan"]);
}
