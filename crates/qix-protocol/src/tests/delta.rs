//! Delta answers on a connection.

use super::{Pair, raw};
use crate::{
    CallError, ConnectionConfig, Event, Handle, NewRequest, RequestId,
    schema::{Method, generic_object},
};

impl Pair {
    fn delta_call(&mut self, to: i32, method: &'static str) -> RequestId {
        let id = self.client.ids().reserve();
        let request =
            NewRequest { id, to: Handle::new(to), method, params: raw("[]"), delta: true, deadline: None };
        self.client.request(request, method).unwrap();
        id
    }

    fn patched(&mut self, id: RequestId, patches: &str) {
        self.engine_says(&format!(r#"{{"id":{id},"delta":true,"result":{{"qLayout":[{patches}]}}}}"#))
            .unwrap();
    }
}

const ROOT: &str = r#"{"op":"add","path":"/","value":{"qInfo":{"qId":"x"},"a":1}}"#;
const MORE: &str = r#"{"op":"replace","path":"/a","value":2}"#;

#[test]
fn request_asks_for_a_delta_answer() {
    let mut pair = Pair::new();
    pair.delta_call(3, "GetLayout");
    assert_eq!(
        pair.sent(),
        [r#"{"jsonrpc":"2.0","id":1,"handle":3,"method":"GetLayout","delta":true,"params":[]}"#]
    );
}

#[test]
fn patches_are_applied_to_the_answer_before_and_decode_without_text() {
    let mut pair = Pair::new();
    for patches in [ROOT, MORE, ""] {
        let id = pair.delta_call(3, "GetLayout");
        pair.patched(id, patches);
    }
    let one = r#"GetLayout: {"qLayout":{"qInfo":{"qId":"x"},"a":1}}"#;
    let two = r#"GetLayout: {"qLayout":{"qInfo":{"qId":"x"},"a":2}}"#;
    assert_eq!(pair.heard(), [one, two, two]);
    let id = pair.delta_call(3, "GetLayout");
    pair.patched(id, "");
    let Some(Event::Completed { outcome: Ok(answer), .. }) = pair.client.poll_event() else {
        panic!("no answer")
    };
    let output = answer.output::<generic_object::GetLayout>().unwrap();
    assert_eq!(output.layout.info.id, "x");
    assert_eq!(output.layout.extra.get("a").unwrap().as_str(), "2");
    assert_eq!(generic_object::GetLayout::INFO.outs, ["qLayout"]);
}

#[test]
fn patches_of_a_cancelled_call_are_applied_all_the_same() {
    let mut pair = Pair::new();
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    let cancelled = pair.delta_call(3, "GetLayout");
    pair.client.cancel(cancelled);
    pair.patched(cancelled, MORE);
    let last = pair.delta_call(3, "GetLayout");
    pair.patched(last, "");
    assert!(pair.heard().last().unwrap().contains(r#""a":2"#));
}

#[test]
fn patches_of_a_forgotten_call_are_missed_and_the_value_with_them() {
    let mut pair = Pair::with(ConnectionConfig::default().max_cancelled(0));
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    let forgotten = pair.delta_call(3, "GetLayout");
    pair.client.cancel(forgotten);
    pair.patched(forgotten, MORE);
    let last = pair.delta_call(3, "GetLayout");
    pair.patched(last, "");
    assert!(pair.heard().last().unwrap().starts_with("GetLayout failed: delta patch"));
}

#[test]
fn parameters_are_no_part_of_what_patches_refer_to() {
    let mut pair = Pair::new();
    let mut get = |params: &str, patches: &str| {
        let id = pair.client.ids().reserve();
        let request = NewRequest {
            id,
            to: Handle::GLOBAL,
            method: "GetObject",
            params: raw(params),
            delta: true,
            deadline: None,
        };
        pair.client.request(request, "GetObject").unwrap();
        pair.engine_says(&format!(r#"{{"id":{id},"delta":true,"result":{{"qReturn":[{patches}]}}}}"#))
            .unwrap();
        pair.heard().remove(0)
    };
    get(
        r#"["A"]"#,
        r#"{"op":"add","path":"/","value":{"qType":"GenericObject","qHandle":2,"qGenericId":"A"}}"#,
    );
    let other = get(
        r#"["B"]"#,
        r#"{"op":"replace","path":"/qHandle","value":3},{"op":"replace","path":"/qGenericId","value":"B"}"#,
    );
    assert_eq!(other, r#"GetObject: {"qReturn":{"qType":"GenericObject","qHandle":3,"qGenericId":"B"}}"#);
    assert_eq!(pair.client.lineage(Handle::new(3)).unwrap().to_string(), r#"GetObject("B")"#);
}

#[test]
fn late_patches_of_a_forgotten_call_are_never_taken_for_others() {
    let mut pair = Pair::with(ConnectionConfig::default().max_cancelled(0));
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    let forgotten = pair.delta_call(3, "GetLayout");
    pair.client.cancel(forgotten);
    let fresh = pair.delta_call(3, "GetLayout");
    pair.patched(fresh, ROOT);
    // The engine goes on from this answer, of which nobody knows any more to what it belongs.
    pair.patched(forgotten, MORE);
    let last = pair.delta_call(3, "GetLayout");
    pair.patched(last, "");
    assert!(pair.heard().last().unwrap().starts_with("GetLayout failed: delta patch"));
}

#[test]
fn delta_answer_without_a_result_is_an_empty_one() {
    let mut pair = Pair::new();
    let id = pair.delta_call(3, "GetLayout");
    pair.engine_says(&format!(r#"{{"id":{id},"delta":true,"result":null}}"#)).unwrap();
    assert_eq!(pair.heard(), ["GetLayout: {}"]);
}

#[test]
fn error_between_two_delta_answers_changes_nothing() {
    let mut pair = Pair::new();
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    let second = pair.delta_call(3, "GetLayout");
    pair.engine_says(&format!(r#"{{"id":{second},"error":{{"code":15}},"delta":true}}"#)).unwrap();
    let third = pair.delta_call(3, "GetLayout");
    pair.patched(third, MORE);
    assert!(pair.heard().last().unwrap().contains(r#""a":2"#));
}

#[test]
fn plain_answer_to_a_delta_request_is_taken_and_ends_the_patches() {
    let mut pair = Pair::new();
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    let plain = pair.delta_call(3, "GetLayout");
    pair.engine_says(&format!(r#"{{"id":{plain},"result":{{"qLayout":{{"a":9}}}}}}"#)).unwrap();
    let last = pair.delta_call(3, "GetLayout");
    pair.patched(last, MORE);
    let heard = pair.heard();
    assert_eq!(heard[1], r#"GetLayout: {"qLayout":{"a":9}}"#);
    assert!(heard[2].starts_with("GetLayout failed: delta patch 0 of qLayout"), "{}", heard[2]);
}

#[test]
fn close_drops_what_patches_refer_to() {
    let mut pair = Pair::new();
    let first = pair.delta_call(3, "GetLayout");
    pair.patched(first, ROOT);
    pair.engine_says(r#"{"close":[3]}"#).unwrap();
    let last = pair.delta_call(3, "GetLayout");
    pair.patched(last, "");
    assert!(pair.heard().last().unwrap().starts_with("GetLayout failed"));
}

#[test]
fn corrupt_patch_fails_its_call_and_only_that() {
    let mut pair = Pair::new();
    let id = pair.delta_call(3, "GetLayout");
    pair.engine_says(&format!(r#"{{"id":{id},"delta":true,"result":{{"qLayout":{{}}}},"change":[4]}}"#))
        .unwrap();
    let events = pair.events();
    assert!(matches!(&events[0], Event::Changes(_)));
    assert!(matches!(&events[1], Event::Completed { outcome: Err(CallError::Delta(_)), .. }));
    let next = pair.delta_call(3, "GetLayout");
    pair.patched(next, ROOT);
    assert!(pair.heard()[0].contains(r#""a":1"#));
}

#[test]
fn references_in_delta_answers_are_registered_and_null_ones_are_not_found() {
    let mut pair = Pair::new();
    let mut refer = |value: &str| {
        let id = pair.delta_call(-1, "OpenDoc");
        let text = format!(
            r#"{{"id":{id},"delta":true,"result":{{"qReturn":[{{"op":"add","path":"/","value":{value}}}]}}}}"#
        );
        pair.engine_says(&text).unwrap();
        (pair.heard().remove(0), pair.client.lineage(Handle::new(1)).map(ToString::to_string))
    };
    let (_, lineage) = refer(r#"{"qType":"Doc","qHandle":1,"qGenericId":"Sales"}"#);
    assert_eq!(lineage.as_deref(), Some(r#"OpenDoc("Sales")"#));
    let (heard, _) = refer(r#"{"qType":null,"qHandle":null}"#);
    assert_eq!(heard, "OpenDoc failed: the engine has no such object");
}
