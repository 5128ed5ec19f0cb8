//! The rules of the dialect, one by one and against the plain patcher.

use proptest::prelude::*;

use super::{
    Baselines,
    plain::{Op, Plain},
};
use crate::{Handle, ProtocolError, Tree, frame::Raw};

const ONE: Handle = Handle::new(1);

fn raw(text: &str) -> Raw<'_> {
    Raw::scanned(text.as_bytes())
}

/// Feeds results of one method one after the other and returns the last plain text.
fn run(results: &[&str]) -> Result<String, ProtocolError> {
    let mut baselines = Baselines::default();
    let mut last = String::new();
    for result in results {
        last = baselines.apply(ONE, "GetLayout", raw(result))?.to_string();
    }
    Ok(last)
}

/// Applies `patches` to `base` through the wire form.
fn patched(base: &str, patches: &str) -> Result<String, ProtocolError> {
    let first = format!(r#"{{"q":[{{"op":"add","path":"/","value":{base}}}]}}"#);
    let text = run(&[&first, &format!(r#"{{"q":[{patches}]}}"#)])?;
    Ok(text.strip_prefix(r#"{"q":"#).unwrap().strip_suffix('}').unwrap().to_owned())
}

fn fault(base: &str, patches: &str) -> String {
    patched(base, patches).unwrap_err().to_string()
}

#[test]
fn root_patch_sets_the_baseline_and_an_empty_list_keeps_it() {
    let root = r#"{"qLayout":[{"op":"add","path":"/","value":{"a":1e+300}}]}"#;
    assert_eq!(run(&[root, r#"{"qLayout":[]}"#]).unwrap(), r#"{"qLayout":{"a":1e+300}}"#);
    assert_eq!(patched("{}", r#"{"op":"replace","path":"","value":{"b":1}}"#).unwrap(), r#"{"b":1}"#);
}

#[test]
fn primitives_and_null_are_values_at_the_root() {
    assert_eq!(patched("{}", r#"{"op":"add","path":"/","value":"12.1.0"}"#).unwrap(), r#""12.1.0""#);
    assert_eq!(patched("false", r#"{"op":"replace","path":"/","value":true}"#).unwrap(), "true");
    assert_eq!(patched("{}", r#"{"op":"replace","path":"/","value":null}"#).unwrap(), "null");
    assert_eq!(patched("null", "").unwrap(), "null");
    assert_eq!(
        patched(r#"{"a":1}"#, r#"{"op":"replace","path":"/a","value":null}"#).unwrap(),
        r#"{"a":null}"#
    );
}

#[test]
fn type_may_change_at_the_root() {
    assert_eq!(
        patched("{}", r#"{"op":"replace","path":"/","value":[1]},{"op":"add","path":"/-","value":2}"#)
            .unwrap(),
        "[1,2]"
    );
    assert_eq!(
        patched("[]", r#"{"op":"add","path":"/","value":{}},{"op":"add","path":"/-","value":2}"#).unwrap(),
        r#"{"-":2}"#
    );
}

#[test]
fn without_a_baseline_only_a_root_patch_is_taken() {
    for patches in ["", r#"{"op":"add","path":"/a","value":1}"#, r#"{"op":"remove","path":"/a"}"#] {
        let result = format!(r#"{{"q":[{patches}]}}"#);
        assert!(matches!(run(&[&result]), Err(ProtocolError::Delta { .. })), "{patches}");
    }
}

#[test]
fn member_that_is_no_list_is_an_error() {
    for member in [r#"{"a":1}"#, "null", "1", r#""text""#] {
        let error = run(&[&format!(r#"{{"q":{member}}}"#)]).unwrap_err();
        assert_eq!(error.to_string(), "delta patch 0 of q cannot be applied: not a list of patches");
    }
}

#[test]
fn add_and_replace_both_set_object_members() {
    let patches = r#"{"op":"replace","path":"/new","value":1},{"op":"add","path":"/a","value":2}"#;
    assert_eq!(patched(r#"{"a":0}"#, patches).unwrap(), r#"{"a":2,"new":1}"#);
}

#[test]
fn array_indices_insert_append_replace_and_remove_in_order() {
    let patches = r#"{"op":"add","path":"/0","value":9},{"op":"add","path":"/4","value":8},{"op":"add","path":"/-","value":7},
        {"op":"replace","path":"/1","value":6},{"op":"remove","path":"/2"}"#;
    assert_eq!(patched("[1,2,3]", patches).unwrap(), "[9,6,3,8,7]");
    assert_eq!(
        fault("[1]", r#"{"op":"add","path":"/3","value":1}"#),
        "delta patch 0 of q cannot be applied: index past the end"
    );
    assert_eq!(
        fault("[1]", r#"{"op":"remove","path":"/1"}"#),
        "delta patch 0 of q cannot be applied: no such element"
    );
    assert_eq!(
        fault("[1]", r#"{"op":"add","path":"/+0","value":1}"#),
        "delta patch 0 of q cannot be applied: not an index"
    );
}

#[test]
fn whole_containers_are_overwritten() {
    let patches = r#"{"op":"replace","path":"/a","value":[]},{"op":"add","path":"/b","value":{"y":2}}"#;
    assert_eq!(patched(r#"{"a":[1,2],"b":{"x":1}}"#, patches).unwrap(), r#"{"a":[],"b":{"y":2}}"#);
}

#[test]
fn removing_a_member_that_is_not_there_changes_nothing() {
    assert_eq!(patched(r#"{"a":1}"#, r#"{"op":"remove","path":"/b"}"#).unwrap(), r#"{"a":1}"#);
}

#[test]
fn move_works_in_arrays_and_objects() {
    assert_eq!(patched("[1,2,3]", r#"{"op":"move","from":"/0","path":"/2"}"#).unwrap(), "[2,3,1]");
    assert_eq!(
        patched(r#"{"a":1,"b":{}}"#, r#"{"op":"move","from":"/a","path":"/b/c"}"#).unwrap(),
        r#"{"b":{"c":1}}"#
    );
    for patches in [
        r#"{"op":"move","from":"/x","path":"/a"}"#,
        r#"{"op":"move","path":"/a"}"#,
        r#"{"op":"move","from":"/","path":"/a"}"#,
        r#"{"op":"move","from":"/a","path":"/"}"#,
    ] {
        assert!(patched(r#"{"a":1}"#, patches).is_err(), "{patches}");
    }
}

#[test]
fn missing_parents_come_into_being() {
    assert_eq!(patched("{}", r#"{"op":"add","path":"/a/0/b","value":1}"#).unwrap(), r#"{"a":[{"b":1}]}"#);
    assert_eq!(patched("[]", r#"{"op":"replace","path":"/0/x","value":1}"#).unwrap(), r#"[{"x":1}]"#);
    assert!(patched(r#"{"a":null}"#, r#"{"op":"add","path":"/a/b","value":1}"#).is_err());
}

#[test]
fn numeric_names_index_arrays_and_name_members() {
    assert_eq!(
        patched(r#"{"0":[5]}"#, r#"{"op":"replace","path":"/0/0","value":6}"#).unwrap(),
        r#"{"0":[6]}"#
    );
}

#[test]
fn escapes_of_json_pointers_are_tried_only_when_the_literal_name_is_absent() {
    let patches = r#"{"op":"replace","path":"/a~1b","value":2}"#;
    assert_eq!(patched(r#"{"a/b":1}"#, patches).unwrap(), r#"{"a/b":2}"#);
    assert_eq!(patched(r#"{"a~1b":1,"a/b":1}"#, patches).unwrap(), r#"{"a~1b":2,"a/b":1}"#);
    assert_eq!(patched("{}", patches).unwrap(), r#"{"a~1b":2}"#);
}

#[test]
fn patches_may_be_written_in_any_way() {
    let patches =
        r#" { "value" : [ 1 ] , "\u0070ath" : "\/a\u0062\/0" , "x" : {"op":"no"} , "op" : "re\u0070lace" } "#;
    assert_eq!(patched(r#"{"ab":[0]}"#, patches).unwrap(), r#"{"ab":[[1]]}"#);
    assert_eq!(
        patched(r#"{"a\"":1}"#, r#"{"op":"replace","path":"/a\"","value":2}"#).unwrap(),
        r#"{"a\"":2}"#
    );
    assert_eq!(patched("{}", r#"{"op":"add","path":"/\"\n","value":2}"#).unwrap(), r#"{"\"\n":2}"#);
}

#[test]
fn faults_say_which_patch_and_why() {
    for (patches, why) in [
        (r#"{"op":"test","path":"/a","value":1}"#, "0 of q cannot be applied: unknown op"),
        (r#"{"op":"copy","from":"/a","path":"/b"}"#, "0 of q cannot be applied: unknown op"),
        (r#"{"op":"remove","path":"/a"},{"op":"add","path":"/b"}"#, "1 of q cannot be applied: no value"),
        (r#"{"path":"/a"}"#, "0 of q cannot be applied: no op"),
        (r#"{"op":"remove","path":7}"#, "0 of q cannot be applied: no path"),
        ("[1]", "0 of q cannot be applied: no path"),
        (
            r#"{"op":"add","path":"/a/b","value":1}"#,
            "0 of q cannot be applied: a value where a container is needed",
        ),
        (r#"{"op":"remove","path":"/x/y"}"#, "0 of q cannot be applied: no such member"),
    ] {
        assert_eq!(fault(r#"{"a":1}"#, patches), format!("delta patch {why}"));
    }
}

#[test]
fn corrupt_patch_drops_the_baseline_until_a_root_patch() {
    let mut baselines = Baselines::default();
    let mut apply = |text: &str| baselines.apply(ONE, "M", raw(text));
    let root = r#"{"q":[{"op":"add","path":"/","value":{"a":1}}]}"#;
    apply(root).unwrap();
    apply(r#"{"q":[{"op":"test","path":"/a","value":1}]}"#).unwrap_err();
    apply(r#"{"q":[]}"#).unwrap_err();
    apply(r#"{"q":[{"op":"add","path":"/a","value":1}]}"#).unwrap_err();
    apply(root).unwrap();
    apply(r#"{"q":[]}"#).unwrap();
}

#[test]
fn corrupt_member_leaves_the_others_right() {
    let mut baselines = Baselines::default();
    let mut apply = |text: &str| baselines.apply(ONE, "M", raw(text)).map(|tree| tree.to_string());
    let root = |value: &str| format!(r#"[{{"op":"add","path":"/","value":{value}}}]"#);
    apply(&format!(r#"{{"a":{},"b":{},"c":{}}}"#, root("[1]"), root("[1]"), root("[1]"))).unwrap();
    let add = r#"[{"op":"add","path":"/-","value":2}]"#;
    let broken =
        format!(r#"{{"a":{add},"b":[{{"op":"no","path":"/0"}},{{"op":"remove","path":"/0"}}],"c":{add}}}"#);
    assert_eq!(apply(&broken).unwrap_err().to_string(), "delta patch 0 of b cannot be applied: unknown op");
    assert_eq!(apply(r#"{"a":[],"c":[]}"#).unwrap(), r#"{"a":[1,2],"c":[1,2]}"#);
    apply(r#"{"b":[]}"#).unwrap_err();
}

#[test]
fn result_that_is_not_json_drops_all_baselines_of_the_method() {
    for broken in
        [r#"{"a":[{"op":"remove","path":}],"b":[]}"#, "[]", "null", "", "{\"a\":[]} x", "{\"\u{7}\":[]}"]
    {
        let mut baselines = Baselines::default();
        let root = r#"[{"op":"add","path":"/","value":1}]"#;
        let both = format!(r#"{{"a":{root},"b":{root}}}"#);
        baselines.apply(ONE, "M", raw(&both)).unwrap();
        baselines.apply(ONE, "Other", raw(&both)).unwrap();
        let error = baselines.apply(ONE, "M", raw(broken)).unwrap_err();
        assert!(matches!(error, ProtocolError::MalformedFrame { .. }), "{broken}");
        assert!(baselines.apply(ONE, "M", raw(r#"{"b":[]}"#)).is_err());
        assert!(baselines.apply(ONE, "Other", raw(r#"{"b":[]}"#)).is_ok());
    }
}

#[test]
fn patches_cannot_nest_a_value_deeper_than_a_frame_may() {
    let deep = format!("/b{}", "/x".repeat(250));
    let add = |path: &str, value: &str| format!(r#"{{"op":"add","path":"{path}","value":{value}}}"#);
    let into = |from: &str, path: &str| format!(r#"{{"op":"move","from":"{from}","path":"{path}"}}"#);
    let patches = [add(&deep, "[1]"), into("/b", "/a"), add("/b", "{}"), into("/a", &deep)].join(",");
    assert_eq!(fault("{}", &patches), "delta patch 3 of q cannot be applied: nested too deep");
    assert!(patched("{}", &add(&"/x".repeat(100_000), "1")).is_err());
}

#[test]
fn other_parameters_of_a_method_patch_the_same_baseline() {
    let first = r#"{"qReturn":[{"op":"add","path":"/","value":{"qHandle":2,"qGenericId":"A"}}]}"#;
    let second = r#"{"qReturn":[{"op":"replace","path":"/qHandle","value":3},{"op":"replace","path":"/qGenericId","value":"B"}]}"#;
    assert_eq!(run(&[first, second]).unwrap(), r#"{"qReturn":{"qHandle":3,"qGenericId":"B"}}"#);
}

#[test]
fn baselines_belong_to_handle_and_method_and_die_with_the_handle() {
    let mut baselines = Baselines::default();
    let none = raw(r#"{"q":[]}"#);
    for (handle, method) in [(1, "A"), (1, "B"), (2, "A")] {
        let root = raw(r#"{"q":[{"op":"add","path":"/","value":1}]}"#);
        baselines.apply(Handle::new(handle), method, root).unwrap();
    }
    baselines.closed(Handle::new(2));
    baselines.plain_answer(ONE, "B");
    assert!(baselines.apply(ONE, "A", none).is_ok());
    assert!(baselines.apply(ONE, "B", none).is_err());
    assert!(baselines.apply(Handle::new(2), "A", none).is_err());
    baselines.closed(ONE);
    assert_eq!(baselines.bytes, 0);
}

#[test]
fn beyond_the_limit_the_longest_unanswered_are_dropped() {
    let root = format!(r#"{{"q":[{{"op":"add","path":"/","value":"{}"}}]}}"#, "x".repeat(10_000));
    let none = raw(r#"{"q":[]}"#);
    let mut baselines = Baselines::new(35_000);
    for handle in 1..=3 {
        baselines.apply(Handle::new(handle), "M", raw(&root)).unwrap();
    }
    baselines.apply(Handle::new(1), "M", none).unwrap();
    baselines.apply(Handle::new(4), "M", raw(&root)).unwrap();
    assert!(baselines.bytes <= 35_000);
    assert!(baselines.apply(Handle::new(2), "M", none).is_err());
    for handle in [1, 3, 4] {
        baselines.apply(Handle::new(handle), "M", none).unwrap();
    }
    // A value larger than the limit is given out, and not kept.
    let mut baselines = Baselines::new(5_000);
    assert!(baselines.apply(ONE, "M", raw(&root)).is_ok());
    assert!(baselines.apply(ONE, "M", none).is_err());
    assert_eq!(baselines.bytes, 0);
}

#[test]
fn snapshots_share_what_did_not_change() {
    let mut baselines = Baselines::default();
    let root = r#"{"q":[{"op":"add","path":"/","value":{"a":[1],"b":[2]}}]}"#;
    let first = baselines.apply(ONE, "M", raw(root)).unwrap();
    let patch = r#"{"q":[{"op":"add","path":"/a/-","value":3}]}"#;
    let second = baselines.apply(ONE, "M", raw(patch)).unwrap();
    let at = |tree: &Tree, name| tree.member("q").unwrap().member(name).unwrap().elements().as_ptr();
    assert_eq!(at(&first, "b"), at(&second, "b"));
    assert_ne!(at(&first, "a"), at(&second, "a"));
    assert_eq!(first.to_string(), r#"{"q":{"a":[1],"b":[2]}}"#);
}

/// One random patch: what, where, with what, and whether the value comes from elsewhere in the tree.
type Step = (u8, Vec<u8>, Plain, Vec<u8>);

fn steps() -> impl Strategy<Value = Vec<(bool, Vec<Step>)>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..5);
    let step = (0u8..16, bytes(), Plain::any(), bytes());
    prop::collection::vec((any::<bool>(), prop::collection::vec(step, 0..6)), 1..8)
}

/// Does a step to the plain value and returns the patch that says it, and whether it could be done.
fn step(value: &mut Plain, (op, at, new, from): &Step) -> (String, bool) {
    let pointer = |path: &[String]| path.iter().map(|part| format!("/{part}")).collect::<String>();
    // Paths are split at every slash.
    let usable = |path: Vec<String>| {
        path.into_iter().take_while(|part| !part.contains('/') && !part.is_empty()).collect()
    };
    let path: Vec<String> = usable(value.path(at));
    let (op, name) = match op {
        0..6 => (Op::Replace, "replace"),
        6..11 => (Op::Add, "add"),
        11..14 => (Op::Remove, "remove"),
        _ => {
            let from: Vec<String> = usable(value.path(from));
            let patch = format!(r#"{{"op":"move","from":"{}","path":"{}"}}"#, pointer(&from), pointer(&path));
            let moved = value.at(&from).cloned().filter(|_| !from.is_empty() && !path.is_empty());
            let done = moved.and_then(|moved| {
                value.patch(Op::Remove, &from, Plain::List(Vec::new()))?;
                value.patch(Op::Add, &path, moved)
            });
            return (patch, done.is_some());
        }
    };
    let path_text = pointer(&path);
    let patch = match op {
        Op::Remove => format!(r#"{{"op":"remove","path":"{path_text}"}}"#),
        _ => format!(r#"{{"op":"{name}","path":"{path_text}","value":{}}}"#, new.text()),
    };
    (patch, value.patch(op, &path, new.clone()).is_some())
}

proptest! {
    #[test]
    fn any_patches_do_what_the_plain_patcher_does_and_snapshots_stay(base in Plain::any(), answers in steps()) {
        let mut baselines = Baselines::default();
        let mut held: Vec<(Tree, String)> = Vec::new();
        let root = |value: &Plain| format!(r#"{{"q":[{{"op":"add","path":"/","value":{}}}]}}"#, value.text());
        baselines.apply(ONE, "M", raw(&root(&base))).unwrap();
        let mut value = base;
        for (hold, steps) in answers {
            let mut after = value.clone();
            let (mut patches, mut fits) = (Vec::new(), true);
            for one in &steps {
                let (patch, done) = step(&mut after, one);
                patches.push(patch);
                if !done {
                    fits = false;
                    break;
                }
            }
            let result = format!(r#"{{"q":[{}]}}"#, patches.join(","));
            match baselines.apply(ONE, "M", raw(&result)) {
                Ok(tree) => {
                    prop_assert!(fits, "{result}");
                    let text = format!(r#"{{"q":{}}}"#, after.text());
                    prop_assert_eq!(tree.to_string(), &*text, "{}", result);
                    let measured = tree.member("q").unwrap().measure().bytes;
                    let place = baselines.bytes - measured;
                    prop_assert!(place < 1000, "counted {} too much", place);
                    if hold {
                        held.push((tree, text));
                    }
                    value = after;
                }
                Err(ProtocolError::Delta { index, .. }) => {
                    prop_assert!(!fits, "{result}");
                    prop_assert_eq!(index, patches.len() - 1);
                    prop_assert_eq!(baselines.bytes, 0);
                    baselines.apply(ONE, "M", raw(&root(&value))).unwrap();
                }
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            }
            for (tree, text) in &held {
                prop_assert_eq!(&tree.to_string(), text);
            }
        }
    }

    #[test]
    fn results_that_may_be_anything_do_not_panic(
        text in r#"\{"q":\[(\{|\}|\[|\]|,|:|"(op|path|value|from|add|move|/|/a/0|/-|remove|replace)"|1|null){0,40}\]\}"#,
        any in any::<String>(),
    ) {
        let mut baselines = Baselines::default();
        let _ = baselines.apply(ONE, "M", raw(r#"{"q":[{"op":"add","path":"/","value":{"a":[1]}}]}"#));
        let _ = baselines.apply(ONE, "M", raw(&text));
        let _ = baselines.apply(ONE, "M", raw(&any));
    }
}

#[test]
fn list_of_patches_that_costs_hours_is_refused() {
    let insert = r#"{"op":"add","path":"/0","value":1},"#;
    let base = format!("[{}0]", "0,".repeat(400_000));
    let refused = fault(&base, insert.repeat(20_000).trim_end_matches(','));
    assert!(refused.ends_with("more work than one answer may cause"), "{refused}");
}

#[test]
fn members_of_one_answer_share_what_it_may_cost() {
    let base = format!("[{}0]", "0,".repeat(400_000));
    let roots = format!(r#"[{{"op":"add","path":"/","value":{base}}}]"#);
    let insert = r#"{"op":"add","path":"/0","value":1},"#.repeat(400);
    let list = format!("[{}]", insert.trim_end_matches(','));
    let first = format!(r#"{{"a":{roots},"b":{roots}}}"#);
    run(&[&first, &format!(r#"{{"a":{list}}}"#), &format!(r#"{{"b":{list}}}"#)]).unwrap();
    let refused = run(&[&first, &format!(r#"{{"a":{list},"b":{list}}}"#)]).unwrap_err().to_string();
    assert!(
        refused.contains(" of b ") && refused.ends_with("more work than one answer may cause"),
        "{refused}"
    );
}

#[test]
fn longest_page_can_be_filled_row_by_row() {
    let patches = r#"{"op":"add","path":"/0","value":1},"#.repeat(10_000);
    let filled = patched("[]", patches.trim_end_matches(',')).unwrap();
    assert_eq!(filled.len(), 20_001);
}

#[test]
fn what_was_patched_fits_a_frame_again() {
    let path = |depth: usize| format!("{}/x", "/x".repeat(depth));
    let add = |depth| format!(r#"{{"op":"add","path":"{}","value":[1]}}"#, path(depth));
    let deepest = patched("{}", &add(252)).unwrap();
    assert!(Raw::new(format!(r#"{{"q":{deepest}}}"#).as_bytes()).is_ok());
    assert!(fault("{}", &add(254)).ends_with("nested too deep"));
}
