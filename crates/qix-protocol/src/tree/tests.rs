//! Decoding from a tree beside decoding from its text.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::Tree;

fn tree(text: &str) -> Tree {
    Tree::parse(text.as_bytes()).unwrap()
}

/// Returns JSON text of many kinds, nested a little.
fn json() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        r#""([ a-zé€😀]|\\["\\/bfnrt]|\\u[0-9a-c][0-9a-f]{3}|\\ud83d\\ude00){0,12}""#,
        "-?(0|[1-9][0-9]{0,21})([.][0-9]{1,18})?([eE][+-]?[0-9]{1,3})?",
        Just("9007199254740993".to_owned()),
        Just("18446744073709551615".to_owned()),
        Just("-9223372036854775808".to_owned()),
        Just("-0".to_owned()),
        "true|false|null",
        r#""(A|B|NaN|1|x)""#,
    ];
    scalar.prop_recursive(4, 40, 6, |inner| {
        let name = prop_oneof!["[a-e]", r"\\u0061|A|B|C|D|-?[0-9]{1,3}|1[.]5|true|q", r#"[a-zé]{0,30}"#];
        let members = prop::collection::vec((name, inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(|elements| format!("[{}]", elements.join(" , "))),
            members.prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
                format!("{{ {} }}", members.join(","))
            }),
        ]
    })
}

/// The text of a struct most of whose members fit [`Mixed`].
fn mixed() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        json().prop_map(|value| format!("\"a\":{value}")),
        "-?(0|[1-9][0-9]{0,19})|1[.]5|null".prop_map(|value| format!("\"b\":{value}")),
        r#""[a-z\\n]{0,9}"|null"#.prop_map(|value| format!("\"c\":{}", value.replace("\\", "\\\\"))),
        json().prop_map(|value| format!("\"d\":[{value}]")),
        json().prop_map(|value| format!("\"e\":{{\"A\":{value}}}")),
        r#""[A-D]"|\{"[A-D]":(null|1|\[1,2\]|\{"x":1\})\}"#.prop_map(|value| format!("\"e\":{value}")),
        json().prop_map(|value| format!("\"z\":{value}")),
    ];
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(",")))
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Mixed {
    a: Option<Value>,
    b: Option<i64>,
    c: Option<String>,
    d: Vec<Value>,
    e: Option<Choice>,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Choice {
    A,
    B(i64),
    C(i64, i64),
    D { x: i64 },
}

#[derive(Debug, Deserialize, PartialEq)]
struct Strict {
    a: i64,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Either {
    Number(i64),
    Text(String),
    List(Vec<Either>),
    Other(Value),
}

#[derive(Debug, Deserialize, Eq, Hash, PartialEq)]
struct Wrapped(i32);

/// Both ways give the same value, or both refuse.
fn same<T: DeserializeOwned + PartialEq + std::fmt::Debug>(text: &str) -> Result<(), TestCaseError> {
    let (from_tree, from_text) = (tree(text).decode::<T>(), serde_json::from_str::<T>(text));
    match (&from_tree, &from_text) {
        (Ok(from_tree), Ok(from_text)) => prop_assert_eq!(from_tree, from_text, "{}", text),
        (Err(_), Err(_)) => {}
        _ => {
            let kind = std::any::type_name::<T>();
            return Err(TestCaseError::fail(format!("{kind} of {text}: {from_tree:?}, {from_text:?}")));
        }
    }
    Ok(())
}

#[test]
fn numbers_too_large_for_a_single_are_refused() {
    for text in ["1000000000000000e24", "-1e39", "3.5e38", "3.4e38", "1e-50", "\"inf\"", "1e400"] {
        same::<f32>(text).unwrap();
        same::<Vec<f32>>(&format!("[{text}]")).unwrap();
    }
}

proptest! {
    #[test]
    fn any_json_decodes_as_its_text_does(text in prop_oneof![json(), mixed()]) {
        same::<Value>(&text)?;
        same::<Mixed>(&text)?;
        same::<Strict>(&text)?;
        same::<Either>(&text)?;
        same::<Choice>(&text)?;
        same::<BTreeMap<String, Value>>(&text)?;
        same::<BTreeMap<String, Choice>>(&text)?;
        same::<HashMap<i64, Value>>(&text)?;
        same::<HashMap<u8, Value>>(&text)?;
        same::<HashMap<Wrapped, Value>>(&text)?;
        same::<HashMap<Option<char>, Value>>(&text)?;
        same::<Vec<Value>>(&text)?;
        same::<(Value, i64)>(&text)?;
        same::<[f64; 2]>(&text)?;
        same::<Vec<Option<String>>>(&text)?;
        same::<Option<Wrapped>>(&text)?;
        same::<f64>(&text)?;
        same::<f32>(&text)?;
        same::<i64>(&text)?;
        same::<u64>(&text)?;
        same::<i8>(&text)?;
        same::<i128>(&text)?;
        same::<bool>(&text)?;
        same::<char>(&text)?;
        same::<String>(&text)?;
        same::<()>(&text)?;
    }

    #[test]
    fn any_json_is_written_as_it_came(text in json()) {
        let tree = tree(&text);
        let written = tree.to_string();
        // White space is gone; nothing else.
        prop_assert_eq!(Tree::parse(written.as_bytes()).unwrap().to_string(), &*written);
        let raw: Box<RawValue> = tree.decode().unwrap();
        prop_assert_eq!(raw.get(), &*written);
        let serialized = serde_json::to_string(&tree).unwrap();
        prop_assert_eq!(Tree::parse(serialized.as_bytes()).unwrap().canonical(), tree.canonical());
    }

    #[test]
    fn a_tree_decoded_from_text_is_the_tree_of_the_text(text in json()) {
        prop_assert_eq!(serde_json::from_str::<Tree>(&text).unwrap(), tree(&text));
        prop_assert_eq!(tree(&text).decode::<Tree>().unwrap(), tree(&text));
    }
}

#[test]
fn strings_without_escapes_are_borrowed() {
    #[derive(Deserialize)]
    struct Info<'a> {
        id: &'a str,
        #[serde(borrow)]
        raw: &'a RawValue,
    }
    let tree = tree(r#"{"id":"a string that is longer than what fits inside","raw":1.50}"#);
    let info: Info<'_> = tree.decode().unwrap();
    assert_eq!(info.id, "a string that is longer than what fits inside");
    assert_eq!(info.raw.get(), "1.50");
}

#[test]
fn raw_values_are_the_text_of_their_subtree() {
    #[derive(Deserialize)]
    struct Outer {
        plain: i64,
        raw: Box<RawValue>,
        more: Vec<Box<RawValue>>,
        none: Option<Box<RawValue>>,
    }
    let tree = tree(r#"{"plain":1,"raw":{"x":[1.0, 1e400],"é":"\u00e9"},"more":[1,"a",[ ]],"none":null}"#);
    let outer: Outer = tree.decode().unwrap();
    assert_eq!(outer.plain, 1);
    assert_eq!(outer.raw.get(), r#"{"x":[1.0,1e400],"é":"\u00e9"}"#);
    assert_eq!(outer.more.iter().map(|raw| raw.get()).collect::<Vec<_>>(), ["1", "\"a\"", "[]"]);
    assert!(outer.none.is_none());
}

#[test]
fn errors_name_the_path_and_what_was_expected() {
    let error = tree(r#"{"d":[{}],"b":"x"}"#).decode::<Mixed>().unwrap_err();
    assert_eq!(error.to_string(), r#"/b: invalid type: string "x", expected i64"#);
    let error = tree(r#"{"p":{"q":[[1],["x"]]}}"#)
        .decode::<HashMap<String, HashMap<String, Vec<Vec<u8>>>>>()
        .unwrap_err();
    assert_eq!(error.to_string(), r#"/p/q/1/0: invalid type: string "x", expected u8"#);
    assert_eq!(
        tree("[1,2,3]").decode::<(u8, u8)>().unwrap_err().to_string(),
        "invalid length 3, expected fewer elements in array"
    );
}

#[test]
fn half_surrogate_pairs_are_replaced() {
    assert_eq!(tree(r#""a\ud800b""#).decode::<String>().unwrap(), "a\u{fffd}b");
    assert_eq!(tree(r#"{"\udc00":1}"#).decode::<BTreeMap<String, u8>>().unwrap()["\u{fffd}"], 1);
}

#[test]
fn numbers_keep_their_digits_when_written_by_serde_json() {
    let text = r#"{"a":[1.0,1e+300,0.10,-0,1e400,9007199254740993,123456789012345678901234567890,-5,2.5]}"#;
    assert_eq!(serde_json::to_string(&tree(text)).unwrap(), text);
}

#[test]
fn trees_stand_as_members_of_types_also_where_serde_has_read_ahead() {
    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Layout {
        info: Tree,
        #[serde(flatten)]
        more: BTreeMap<String, Tree>,
    }
    let text = r#"{"info":{"x":1.0},"color":{"auto":true,"of":[1,-2,2.5,null,"a\"b"]},"title":"t"}"#;
    let layout: Layout = serde_json::from_str(text).unwrap();
    assert_eq!(layout.info.to_string(), r#"{"x":1.0}"#);
    assert_eq!(layout.more["color"], tree(r#"{"auto":true,"of":[1,-2,2.5,null,"a\"b"]}"#));
    assert_eq!(tree(text).decode::<Layout>().unwrap(), layout);
}

#[test]
fn names_may_stand_for_truth_values() {
    // Not compared with text: there, serde_json 1.0.154 panics if such a name is not ASCII.
    let names: BTreeMap<bool, u8> = tree(r#"{"true":1,"false":2}"#).decode().unwrap();
    assert_eq!(names, BTreeMap::from([(false, 2), (true, 1)]));
    assert!(tree(r#"{"é":1}"#).decode::<BTreeMap<bool, u8>>().is_err());
}

#[test]
fn names_with_leading_zeros_are_no_numbers() {
    for name in ["00", "-00", "01", "-012", "0", "-0", "10", "-1", "", "-", "1.5", "+1", "1e2"] {
        let text = format!("{{\"{name}\":1}}");
        same::<HashMap<i64, u8>>(&text).unwrap();
        same::<HashMap<u8, u8>>(&text).unwrap();
    }
}
