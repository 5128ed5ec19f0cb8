//! What the macros of this folder make of a type.

#![expect(unreachable_pub, reason = "the macros make public types")]

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Double, Json, Object, Reference, class, enumeration::enumeration, method::params, object};
use crate::frame::Raw;

enumeration! {
    /// States.
    pub enum State {
        /// Locked.
        Locked = 0, "L" | "LOCKED",
        /// Selected.
        Selected = 1, "S" | "SELECTED",
    }
}

object! {
    /// A cell.
    pub struct Cell {
        /// `qText`.
        pub text: String = "qText",
        /// `qNum`.
        pub num: Double = "qNum",
        /// `qElemNumber`.
        pub elem_number: i32 = "qElemNumber",
        /// `qState`.
        pub state: State = "qState",
        /// `qError`.
        pub error: Option<Box<Size>> = "qError",
    }
}

object! {
    /// A size.
    pub struct Size {
        /// `qcx`.
        pub cx: i64 = "qcx",
        /// `qcy`, default -1.
        pub cy: i64 = "qcy" (-1),
    }
}

object! {
    /// A page.
    pub struct Page {
        /// `qSize`.
        pub size: Size = "qSize",
        /// `qMatrix`.
        pub matrix: Vec<Vec<Cell>> = "qMatrix",
        /// `qAlways`, default true.
        pub always: bool = "qAlways" (true),
        /// `qReturn`.
        pub return_: Reference<class::Doc> = "qReturn",
    }
}

params! {
    /// Parameters.
    pub struct OpenDocParams<'a> {
        /// `qDocName`.
        required doc_name: &'a str = "qDocName",
        /// `qUserName`.
        optional user_name: &'a str = "qUserName",
        /// `qNoData`.
        optional no_data: bool = "qNoData",
    }
}

fn same(text: &str) -> Page {
    let page: Page = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&page).unwrap(), text);
    let page: Page = super::decode(Raw::new(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(serde_json::to_string(&page).unwrap(), text);
    page
}

#[test]
fn what_was_read_is_written_equal_member_order_included() {
    for text in [
        "{}",
        r#"{"qSize":{},"qMatrix":[],"qAlways":true}"#,
        r#"{"x":1.0,"qMatrix":[[{"qText":"a","qNum":"NaN","y":[1e400]},{}],[]],"z":{"b":1,"a":2},"qSize":{"qcy":0,"n":{},"qcx":0}}"#,
        r#"{"qAlways":false,"qSize":{"qcx":2},"qAlway":0}"#,
    ] {
        same(text);
    }
}

#[test]
fn missing_members_are_defaults_and_are_not_written() {
    let page = same("{}");
    assert!(page.always);
    assert_eq!(page.size.cy, -1);
    assert_eq!(page, Page::default());
}

#[test]
fn defaults_other_than_zero_can_be_overridden_by_zero_and_false() {
    let page = Page { always: false, size: Size { cy: 0, ..Size::default() }, ..Page::default() };
    assert_eq!(serde_json::to_string(&page).unwrap(), r#"{"qSize":{"qcy":0},"qAlways":false}"#);
}

#[test]
fn members_of_another_type_are_kept_under_their_wire_name() {
    let text = r#"{"qSize":null,"qAlways":{"qValueExpression":"=1"},"qMatrix":[[{"qText":7,"qElemNumber":3000000000,"qError":"x"}],7]}"#;
    let mut page = same(text);
    assert_eq!(page.extra.get("qSize"), Some(&Json::default()));
    assert!(page.always && page.matrix.is_empty());
    assert_eq!(page.extra.get("qMatrix").unwrap().decode::<Vec<Json>>().unwrap().len(), 2);
    page.always = false;
    assert_eq!(serde_json::to_string(&page).unwrap().matches(r#""qAlways":false"#).count(), 1);
    let one = same(r#"{"qMatrix":[[{"qText":7,"qElemNumber":3000000000,"qError":"x"}]]}"#);
    assert_eq!(one.matrix[0][0].extra.members().count(), 3);
}

#[test]
fn integers_may_be_written_as_doubles_and_the_other_way_round() {
    let cell: Cell = serde_json::from_str(r#"{"qNum":42,"qElemNumber":3.0}"#).unwrap();
    assert_eq!((cell.num, cell.elem_number), (Double(42.0), 3));
    let size: Size = serde_json::from_str(r#"{"qcx":9007199254740993}"#).unwrap();
    assert_eq!(size.cx, 9007199254740993);
}

#[test]
fn enumerations_read_short_long_and_numeric_forms_and_write_the_short_one() {
    for text in [r#""S""#, r#""SELECTED""#, "1"] {
        let state: State = serde_json::from_str(text).unwrap();
        assert_eq!(state, State::Selected, "{text}");
        assert_eq!(serde_json::to_string(&state).unwrap(), r#""S""#);
    }
    assert_eq!(State::default(), State::Unset);
    let cell = Cell { state: State::Locked, ..Cell::default() };
    assert_eq!(serde_json::to_string(&cell).unwrap(), r#"{"qState":"L"}"#);
    assert_eq!(serde_json::from_str::<State>("1.0").unwrap(), State::Selected);
}

#[test]
fn unknown_values_of_enumerations_are_kept() {
    let state: State = serde_json::from_str(r#""ZZ""#).unwrap();
    assert_eq!(state.as_str(), "ZZ");
    assert_eq!(serde_json::to_string(&state).unwrap(), r#""ZZ""#);
    let cell: Cell = serde_json::from_str(r#"{"qState":17}"#).unwrap();
    assert_eq!(serde_json::to_string(&cell).unwrap(), r#"{"qState":17}"#);
}

#[test]
fn types_are_read_inside_types_of_others() {
    #[derive(Deserialize)]
    struct Mine {
        title: String,
        #[serde(flatten)]
        page: Page,
    }
    let mine: Mine = serde_json::from_str(r#"{"title":"t","qSize":{"qcx":1},"more":{"a":1}}"#).unwrap();
    assert_eq!((&*mine.title, mine.page.size.cx), ("t", 1));
    assert_eq!(mine.page.extra.get("more").unwrap().as_str(), r#"{"a":1}"#);
    let page: Page = serde_json::from_value(json!({"qSize": {"qcx": 1}})).unwrap();
    assert_eq!(page.size.cx, 1);
}

#[test]
fn the_last_of_repeated_members_counts() {
    let page: Page =
        super::decode(Raw::new(br#"{"qAlways":true,"x":1,"qAlways":false,"x":2}"#).unwrap()).unwrap();
    assert!(!page.always);
    assert_eq!(page.extra.get("x").unwrap().as_str(), "2");
    let text = r#"{"qSize":{"qcx":1},"qMatrix":[[{}]],"qAlways":false,"qSize":{"qcy":2},"qMatrix":[[],[]],"qAlways":null}"#;
    for page in [
        super::decode::<Page>(Raw::new(text.as_bytes()).unwrap()).unwrap(),
        serde_json::from_str(text).unwrap(),
        crate::Tree::parse(text.as_bytes()).unwrap().decode().unwrap(),
    ] {
        assert_eq!((page.size.cx, page.size.cy, page.matrix.len(), page.always), (0, 2, 2, true));
        assert_eq!(page.extra.get("qAlways"), Some(&Json::default()));
        assert!(serde_json::to_string(&page).unwrap().ends_with(r#""qMatrix":[[],[]],"qAlways":null}"#));
    }
}

#[test]
fn expression_can_be_put_in_the_place_of_a_value() {
    let mut page: Page = serde_json::from_str(r#"{"qAlways":true,"qSize":{"qcx":1}}"#).unwrap();
    page.extra_mut().insert("qAlways", Json::new(r#"{"qValueExpression":"=1"}"#).unwrap());
    page.extra_mut().insert("qSize", Json::default());
    let written = serde_json::to_string(&page).unwrap();
    assert_eq!(written, r#"{"qSize":{"qcx":1},"qAlways":{"qValueExpression":"=1"}}"#);
}

#[test]
fn references_know_their_class_and_null_ones_are_not_found() {
    let page = same(r#"{"qReturn":{"qType":"Doc","qHandle":1}}"#);
    assert_eq!(page.return_.found().unwrap().get(), 1);
    let page: Page = serde_json::from_str(r#"{"qReturn":{"qType":null,"qHandle":null}}"#).unwrap();
    assert!(page.return_.found().is_err());
}

#[test]
fn params_are_an_array_unless_one_is_left_out_before_another() {
    let write = |params: &OpenDocParams<'_>| serde_json::to_string(params).unwrap();
    let params = OpenDocParams::new("Sales");
    assert_eq!(write(&params), r#"["Sales"]"#);
    assert_eq!(write(&OpenDocParams { user_name: Some("u"), ..params.clone() }), r#"["Sales","u"]"#);
    assert_eq!(
        write(&OpenDocParams { no_data: Some(true), ..params }),
        r#"{"qDocName":"Sales","qNoData":true}"#
    );
}

#[test]
fn extra_members_can_be_added_and_follow_the_fields_of_a_new_object() {
    let mut size = Size { cx: 3, ..Size::default() };
    size.extra_mut().insert("mine", Json::of(&[1]).unwrap());
    assert_eq!(serde_json::to_string(&size).unwrap(), r#"{"qcx":3,"mine":[1]}"#);
    fn writes<T: Serialize>(_: &T) {}
    writes(&size);
}

/// Values of any shape in which the names of fields occur often.
fn value() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        proptest::sample::select(vec![
            "qSize",
            "qMatrix",
            "qAlways",
            "qReturn",
            "qText",
            "qNum",
            "qElemNumber",
            "qState",
            "qError",
            "qcy",
        ])
        .prop_map(str::to_owned),
        "[a-z\\\\\"é]{0,3}".prop_map(|name| {
            let quoted = serde_json::Value::from(name).to_string();
            quoted[1..quoted.len() - 1].to_owned()
        }),
        Just("q\\u0063x".to_owned()),
    ];
    let leaf = proptest::sample::select(vec![
        "null",
        "true",
        "false",
        "0",
        "-1",
        "3.0",
        "1e3",
        "0.1",
        "4000000000",
        "99999999999999999999",
        "\"\"",
        "\"L\"",
        "\"SELECTED\"",
        "\"NaN\"",
        "\"a\\n\\u00e9\"",
        "\"é\"",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let write = |(name, value): (String, String)| format!("\"{name}\" :{value}");
        let members = proptest::collection::btree_map(name.clone(), inner.clone(), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|elements| format!("[{}]", elements.join(", "))),
            members.prop_map(move |members| {
                format!("{{{}}}", members.into_iter().map(write).collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn reading_text_gives_what_serde_json_gives(text in value()) {
        let raw = Raw::new(text.as_bytes()).unwrap();
        let (ours, theirs) = (super::decode::<Page>(raw), serde_json::from_str::<Page>(&text));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", text);
        if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
            prop_assert_eq!(serde_json::to_value(&ours).unwrap(), serde_json::to_value(&theirs).unwrap(), "{}", text);
            let again = serde_json::to_string(&ours).unwrap();
            prop_assert_eq!(super::decode::<Page>(Raw::new(again.as_bytes()).unwrap()).unwrap(), ours, "{}", text);
        }
    }

    #[test]
    fn text_cut_anywhere_is_an_error_and_no_panic(text in value(), cut in any::<proptest::sample::Index>()) {
        let cut = cut.index(text.len() + 1);
        let _ = super::decode::<Page>(Raw::scanned(&text.as_bytes()[..cut]));
    }
}
