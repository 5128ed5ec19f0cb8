//! Each rule by name, and that what means the same is the same.

use proptest::prelude::*;
use qix_protocol::Lineage;
use serde_json::{Value, json};

use super::*;
use crate::redrive::DifferenceKind as Kind;

/// Compares two results by rules, and returns what differs.
fn found_by(rules: &Rules, method: &str, recorded: &Value, live: &Value) -> Vec<(String, Kind)> {
    let mut handles = Handles::default();
    handles.opened(Handle::new(2), &Lineage::GLOBAL, Handle::new(70));
    let mut ids = Ids::default();
    let tree = |value: &Value| Tree::parse(value.to_string().as_bytes()).unwrap();
    let makes = method.starts_with("Create").then_some(&br#"[{"qInfo":{"qId":"chosen"}}]"#[..]);
    let apps = [("A.qvf".to_owned(), "B.qvf".to_owned())];
    let comparison = Comparison { rules, method, makes, ids: &mut ids, handles: &handles, apps: &apps };
    let outcome = comparison.results(&tree(recorded), &tree(live));
    assert_eq!(outcome.total, outcome.found.len());
    outcome.found.into_iter().map(|found| (found.place, found.kind)).collect()
}

fn found(recorded: Value, live: Value) -> Vec<(String, Kind)> {
    found_by(&Rules::default(), "GetLayout", &recorded, &live)
}

fn one(place: &str, kind: Kind) -> Vec<(String, Kind)> {
    vec![(place.to_owned(), kind)]
}

const U1: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";
const U2: &str = "11111111-4f89-41d3-9a0c-0305e82c3301";
const U3: &str = "22222222-4f89-41d3-9a0c-0305e82c3301";

#[test]
fn values_of_another_text_number_or_type_differ_and_are_named() {
    assert_eq!(found(json!({"a": {"b/c": "x"}}), json!({"a": {"b/c": "y"}})), one("/a/b~1c", Kind::Value));
    assert_eq!(found(json!({"a": [1, 2]}), json!({"a": [1, 3]})), one("/a/1", Kind::Number));
    assert_eq!(found(json!({"a": 1}), json!({"a": "1"})), one("/a", Kind::Type));
    assert_eq!(found(json!({"a": true}), json!({"a": false})), one("/a", Kind::Value));
    assert_eq!(found(json!({"qNum": "NaN"}), json!({"qNum": "NaN"})), []);
    assert_eq!(found(json!({"qNum": "NaN"}), json!({"qNum": 1})), one("/qNum", Kind::Type));
    assert_eq!(found(json!({"a": [1]}), json!({"a": [1, 2]})), one("/a/1", Kind::OnlyLive));
    assert_eq!(found(json!({"a": [1]}), json!({"a": {"b": 1}})), one("/a", Kind::Type));
}

#[test]
fn numbers_are_equal_within_the_tolerance() {
    assert_eq!(found(json!({"a": 0.3}), json!({"a": 0.1 + 0.2})), []);
    let exact = Rules { tolerance: Some(0.0), ..Rules::default() };
    let differ = found_by(&exact, "M", &json!({"a": 0.3}), &json!({"a": 0.1 + 0.2}));
    assert_eq!(differ, one("/a", Kind::Number));
    assert_eq!(found_by(&exact, "M", &json!({"a": 1}), &json!({"a": 1.0})), []);
}

#[test]
fn missing_members_are_their_defaults() {
    let bare = json!({"a": 1});
    for more in [
        json!({"a": 1, "b": false, "c": "", "d": [], "e": {"f": 0}, "qnDec": 10}),
        json!({"a": 1, "b": null}),
    ] {
        assert_eq!(found(bare.clone(), more.clone()), []);
        assert_eq!(found(more, bare.clone()), []);
    }
    assert_eq!(found(bare.clone(), json!({"a": 1, "b": true})), one("/b", Kind::OnlyLive));
    assert_eq!(found(json!({"a": 1, "b": [0]}), bare), one("/b", Kind::OnlyRecorded));
}

#[test]
fn handles_are_compared_by_the_object_they_name() {
    let reference = |handle| json!({"qReturn": {"qType": "GenericObject", "qHandle": handle}});
    assert_eq!(found(reference(2), reference(70)), []);
    assert_eq!(found(reference(2), reference(2)), one("/qReturn/qHandle", Kind::Object));
}

#[test]
fn made_up_ids_stand_for_the_same_one_each_time() {
    let ids = |one: &str, two: &str| json!({"a": one, "b": {"c": two}});
    assert_eq!(found(ids(U1, U1), ids(U2, U2)), []);
    assert_eq!(found(ids(U1, U1), ids(U2, U3)), one("/b/c", Kind::Id));
    assert_eq!(found(ids(U1, U2), ids(U3, U3)), one("/b/c", Kind::Id));
    // What names an object of the library names it.
    assert_eq!(found(json!({"qLibraryId": U1}), json!({"qLibraryId": U2})), one("/qLibraryId", Kind::Value));
    // Texts of the data are what they are.
    assert_eq!(found(json!({"qText": U1}), json!({"qText": U2})), one("/qText", Kind::Value));
}

#[test]
fn any_text_may_be_the_id_of_what_was_made_unless_the_client_chose_it() {
    let made = |id: &str| json!({"qInfo": {"qId": id}});
    let differs =
        |one: &str, other: &str| found_by(&Rules::default(), "CreateObject", &made(one), &made(other));
    assert_eq!(differs("mMdPvj", "jvPdMm"), []);
    assert_eq!(differs("chosen", "other"), one("/qInfo/qId", Kind::Value));
    assert_eq!(found(made("mMdPvj"), made("jvPdMm")), one("/qInfo/qId", Kind::Value));
}

#[test]
fn times_session_ids_and_progress_are_not_compared_and_users_say_what_else() {
    let recorded = json!({"qLayout": {"qLastReloadTime": "a", "qMeta": {"modifiedDate": "b"}, "title": "x"}, "qUniqueID": 1});
    let live = json!({"qLayout": {"qLastReloadTime": "c", "qMeta": {}, "title": "y"}, "qUniqueID": 2});
    assert_eq!(found(recorded.clone(), live.clone()), one("/qLayout/title", Kind::Value));
    for rule in ["/qLayout/title", "/title", "GetLayout:/*/title"] {
        let rules = Rules { ignored: vec![rule.parse().unwrap()], ..Rules::default() };
        assert_eq!(found_by(&rules, "GetLayout", &recorded, &live), [], "{rule}");
    }
    let rules = Rules { ignored: vec!["GetProperties:/qLayout/title".parse().unwrap()], ..Rules::default() };
    assert_eq!(found_by(&rules, "GetLayout", &recorded, &live).len(), 1);
    assert_eq!(found_by(&rules, "GetProgress", &json!({"a": 1}), &json!({"a": 2})), []);
}

#[test]
fn secrets_that_the_recording_does_not_have_are_no_difference_and_apps_may_be_others() {
    assert_eq!(found(json!({"a": "***", "b": "pwd=***;"}), json!({"a": "s3cret", "b": "pwd=s3cret;"})), []);
    let connection = |host: &str, password: &str| json!({"a": format!("host={host};pwd={password};user=u")});
    assert_eq!(found(connection("h", "***"), connection("h", "s3cret")), []);
    assert_eq!(found(connection("h", "***"), connection("h", "***")), []);
    assert_eq!(found(connection("h", "***"), connection("other", "***")), one("/a", Kind::Value));
    assert_eq!(found(json!({"a": "***b***"}), json!({"a": "xby"})), []);
    assert_eq!(found(json!({"qFileName": "A.qvf"}), json!({"qFileName": "B.qvf"})), []);
}

#[test]
fn lists_without_order_have_the_same_elements_and_what_is_not_is_named() {
    let list = |items: Value| json!({"qAppObjectList": {"qItems": items}});
    let item = |id: &str, title: &str| json!({"qInfo": {"qId": id}, "qMeta": {"title": title}});
    let recorded = list(json!([item("a", "A"), item("b", "B"), item("c", "C")]));
    assert_eq!(found(recorded.clone(), list(json!([item("c", "C"), item("a", "A"), item("b", "B")]))), []);
    let live = list(json!([item("d", "D"), item("b", "X"), item("a", "A")]));
    let place = |rest: &str| format!("/qAppObjectList/qItems/{rest}");
    assert_eq!(
        found(recorded, live),
        [
            (place("[b]/qMeta/title"), Kind::Value),
            (place("[c]"), Kind::OnlyRecorded),
            (place("[d]"), Kind::OnlyLive),
        ]
    );
    // The order of children was given to them.
    let children = |one: &str, two: &str| json!({"qChildList": {"qItems": [item(one, ""), item(two, "")]}});
    assert_eq!(found(children("a", "b"), children("b", "a")).len(), 2);
}

fn row(name: &str, number: f64) -> Value {
    json!([
        {"qText": name, "qNum": "NaN", "qElemNumber": 1, "qState": "O"},
        {"qText": format!("{number:.2}"), "qNum": number, "qElemNumber": 0, "qState": "L", "qIsNumeric": true},
    ])
}

fn matrix(rows: &[Value]) -> Value {
    json!({"qDataPages": [{"qMatrix": rows}]})
}

#[test]
fn rows_are_known_by_their_dimension_values() {
    let recorded = matrix(&[row("North", 1.0), row("South", 2.0), row("West", 3.0)]);
    let place = |rest: &str| format!("/qDataPages/0/qMatrix/{rest}");
    let live = matrix(&[row("North", 1.0), row("South", 5.0), row("West", 3.0)]);
    assert_eq!(found(recorded.clone(), live), one(&place("[South]/1/qNum"), Kind::Number));
    let live = matrix(&[row("East", 0.0), row("North", 1.0), row("West", 3.0)]);
    assert_eq!(
        found(recorded.clone(), live),
        [(place("[South]"), Kind::OnlyRecorded), (place("[East]"), Kind::OnlyLive)]
    );
    let live = matrix(&[row("South", 2.0), row("North", 1.0), row("West", 3.0)]);
    assert_eq!(found(recorded.clone(), live.clone()), one(&place("[South]"), Kind::Order));
    let any = Rules { any_row_order: true, ..Rules::default() };
    assert_eq!(found_by(&any, "GetHyperCubeData", &recorded, &live), []);
}

#[test]
fn text_of_a_number_that_is_near_enough_may_differ_and_that_of_the_same_number_may_not() {
    let cell = |text: &str, number: f64| json!({"qText": text, "qNum": number});
    assert_eq!(found(cell("0.30000000000000004", 0.1 + 0.2), cell("0.3", 0.3)), []);
    assert_eq!(found(cell("1", 1.0), cell("1.00", 1.0)), one("/qText", Kind::Value));
    assert_eq!(found(cell("1", 1.0), cell("2", 2.0)), one("/qNum", Kind::Number));
}

#[test]
fn text_of_a_time_that_is_seconds_off_differs() {
    let cell = |text: &str, number: f64| json!({"qText": text, "qNum": number});
    let (noon, later) = (cell("12:00:00", 45658.5), cell("12:00:03", 45_658.500_035));
    assert_eq!(found(noon.clone(), later.clone()), one("/qText", Kind::Value));
    assert_eq!(found(noon.clone(), cell("12:00:00", 45_658.500_000_001)), []);
    let rules = Rules { tolerance: Some(1e-9), ..Rules::default() };
    assert_eq!(found_by(&rules, "GetLayout", &noon, &later), []);
}

#[test]
fn whole_numbers_that_are_no_doubles_are_exact() {
    let numbers = (9_007_199_254_740_993_i64, 9_007_199_254_740_995_i64);
    assert_eq!(found(json!({"a": numbers.0}), json!({"a": numbers.1})), one("/a", Kind::Number));
}

#[test]
fn ids_and_handles_in_equal_lists_are_compared_and_learned() {
    let layout = |cells: &[&str], next: &str| json!({"cells": cells, "next": next});
    assert_eq!(found(layout(&[U1, U2], U1), layout(&[U1, U2], U2)), one("/next", Kind::Id));
    assert_eq!(found(layout(&[U1, U2], U1), layout(&[U1, U2], U1)), []);
    let handles = json!({"a": [{"qHandle": 2}]});
    assert_eq!(found(handles.clone(), handles), one("/a/0/qHandle", Kind::Object));
}

#[test]
fn ids_that_both_sides_have_stand_for_themselves() {
    let common = Uuid::all_in(format!("x-{{{U1}}}-").as_bytes()).collect();
    let mut ids = Ids::common(common);
    assert!(!ids.pair(U1, U2, false) && !ids.pair(U2, U1, true));
    assert!(ids.pair(U1, U1, false) && ids.pair(U2, U3, false));
}

#[test]
fn ignored_rows_order_and_elements_of_one_side_are_no_difference() {
    let rules = |rule: &str| Rules { ignored: vec![rule.parse().unwrap()], ..Rules::default() };
    let rows = rules("/qDataPages/*/qMatrix/*");
    for live in [matrix(&[row("North", 1.0)]), matrix(&[row("South", 2.0), row("North", 1.0)])] {
        let recorded = matrix(&[row("North", 1.0), row("South", 2.0)]);
        assert!(!found(recorded.clone(), live.clone()).is_empty());
        assert_eq!(found_by(&rows, "GetHyperCubeData", &recorded, &live), []);
        assert_eq!(found_by(&rows, "GetHyperCubeData", &live, &recorded), []);
    }
    let list = |name: &str| json!({"a": [{"qList": [name]}]});
    assert_eq!(found(list("x"), list("y")).len(), 2);
    assert_eq!(found_by(&rules("/a/*/qList/*"), "M", &list("x"), &list("y")), []);
    assert_eq!(found_by(&rules("/a/1"), "M", &json!({"a": [1]}), &json!({"a": [1, 2]})), []);
}

#[test]
fn elements_that_share_a_made_up_id_are_the_same_in_both_lists() {
    let list = |one: &str, two: &str, owner: &str| json!({"qList": [{"qId": one, "owner": owner}, {"qId": two, "owner": owner}]});
    const U4: &str = "33333333-4f89-41d3-9a0c-0305e82c3301";
    const U5: &str = "44444444-4f89-41d3-9a0c-0305e82c3301";
    const U6: &str = "55555555-4f89-41d3-9a0c-0305e82c3301";
    assert_eq!(found(list(U1, U2, U3), list(U4, U5, U6)), []);
}

#[test]
fn stars_in_the_data_are_no_secret_and_secrets_may_be_missing_on_either_side() {
    assert_eq!(found(json!({"qText": "***"}), json!({"qText": "x"})), one("/qText", Kind::Value));
    assert_eq!(found(json!({"a": "pwd=s3cret;"}), json!({"a": "pwd=***;"})), []);
    assert_eq!(found(json!({"a": "user=s3cret;"}), json!({"a": "pwd=***;"})), one("/a", Kind::Value));
}

#[test]
fn each_of_very_many_members_in_another_order_is_found() {
    let all = 0..300_000;
    let object = |names: &mut dyn Iterator<Item = i32>| {
        let members: Vec<_> = names.map(|name| format!("\"m{name}\":{}", name + 1)).collect();
        Tree::parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap()
    };
    let (recorded, live) = (object(&mut all.clone()), object(&mut all.rev().chain([-7])));
    let (rules, handles) = (Rules::default(), Handles::default());
    let ids = &mut Ids::default();
    let comparison =
        Comparison { rules: &rules, method: "M", makes: None, ids, handles: &handles, apps: &[] };
    let outcome = comparison.results(&recorded, &live);
    assert_eq!((outcome.total, &*outcome.found[0].place), (1, "/m-7"));
}

#[test]
fn what_was_lost_in_a_list_is_known_and_found_again() {
    let tree = |value: Value| Tree::parse(value.to_string().as_bytes()).unwrap();
    let (made, params) = (tree(json!({"qList": [{"qId": "x"}]})), tree(json!(["x"])));
    let mut ids = Ids::default();
    ids.lose(&made, &"refused".to_owned().into());
    assert!(ids.lost(&params).is_some());
    ids.find(&made);
    assert!(ids.lost(&params).is_none());
}

/// Results in which an engine has made up ids and found things in some order.
fn result() -> impl Strategy<Value = (Value, Value)> {
    let item = (0..30u32, "[a-z]{0,3}", any::<i32>(), any::<bool>());
    (prop::collection::btree_map(0..30u32, item, 0..8), any::<u64>()).prop_map(|(items, seed)| {
        let uuid = |seed: u64, id: u32| format!("{:08x}-0000-4000-8000-{id:012x}", seed as u32 | 1);
        let element = |seed: u64, (id, (_, title, number, flag)): (&u32, &(u32, String, i32, bool))| {
            let number = f64::from(*number) / 4.0;
            json!({
                "qInfo": {"qId": uuid(seed, *id)},
                "qMeta": {"title": format!("{id} {title}"), "modifiedDate": seed, "hidden": flag},
                "qData": {"number": number},
            })
        };
        let recorded: Vec<Value> = items.iter().map(|item| element(1, item)).collect();
        let mut live: Vec<Value> = items.iter().map(|item| element(seed, item)).collect();
        let count = live.len().max(1);
        live.rotate_left(seed as usize % count % count.max(1));
        let list = |items: Vec<Value>, handle: i64| {
            json!({"qReturn": {"qHandle": handle, "qType": "Doc"}, "qMeasureList": {"qItems": items}, "qList": [handle != 0]})
        };
        (list(recorded, 2), list(live, 70))
    })
}

proptest! {
    #[test]
    fn result_equals_itself_under_other_handles_ids_and_order((recorded, live) in result()) {
        prop_assert_eq!(found(recorded, live), vec![]);
    }

    #[test]
    fn element_whose_number_changed_is_gone_and_a_new_one_there((recorded, mut live) in result()) {
        let items = live["qMeasureList"]["qItems"].as_array_mut().unwrap();
        if let Some(item) = items.first_mut() {
            item["qData"]["number"] = json!(item["qData"]["number"].as_f64().unwrap() + 1e6);
            let found = found(recorded, live);
            prop_assert_eq!(found.len(), 2, "one element is gone, one new: {:?}", found);
        }
    }
}
