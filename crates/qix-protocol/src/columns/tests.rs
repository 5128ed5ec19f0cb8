//! Pages as columns, beside the same text decoded into structs.

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    #[serde(default)]
    q_matrix: Vec<Vec<ReferenceCell>>,
    #[serde(default)]
    q_area: ReferenceArea,
    #[serde(default)]
    q_is_reduced: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ReferenceArea {
    q_left: i32,
    q_top: i32,
    q_width: i32,
    q_height: i32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReferenceCell {
    #[serde(default)]
    q_text: String,
    q_num: Option<serde_json::Value>,
    #[serde(default)]
    q_elem_number: i32,
    #[serde(default)]
    q_state: String,
    #[serde(default)]
    q_is_null: bool,
    #[serde(default)]
    q_is_total_cell: bool,
}

fn read(text: &str) -> Result<Vec<Page>, PageError> {
    pages(Raw::new(text.as_bytes()).unwrap())
}

fn one(text: &str) -> Page {
    read(text).unwrap_or_else(|error| panic!("{text}: {error}")).remove(0)
}

/// One cell: members in any order, some absent, some unknown, with white space here and there.
fn cell() -> impl Strategy<Value = String> {
    let member = prop_oneof![
        r#""qText" ?: ?"([ -!#-\[\]-~é😀]|\\["\\/n]|\\u00e9|\\ud83d\\ude00){0,12}""#,
        r#""qNum": ?(-?(0|[1-9][0-9]{0,6})([.][0-9]{1,4})?|"NaN"|"-?Infinity"|12e[0-9])"#,
        r#""qElemNumber":(-[1-4]|[0-9]|[1-9][0-9]{1,6})"#,
        r#""qState":"(L|S|O|D|A|X|XS|XL|LOCKED|EXCL_LOCKED|Z)""#,
        r#""qIs(Null|TotalCell)":(true|false)"#,
        r#""q[A-E]":(\[\{"qText":"x"\}\]|null|"a\\"\}"|1)"#,
    ];
    let members = prop::collection::vec(member, 0..7);
    members.prop_map(|mut members| {
        let name = |member: &String| member.split('"').nth(1).unwrap_or_default().to_owned();
        let mut seen = std::collections::HashSet::new();
        members.retain(|member| seen.insert(name(member)));
        format!("{{{}}}", members.join(","))
    })
}

/// Rows of equal length; most cells are of one kind, as they are in an answer.
fn matrix() -> impl Strategy<Value = String> {
    let like = r#"\{"qText":"[a-z é]{0,20}","qNum":(-?[1-9][0-9]{0,9}|"NaN"),"qElemNumber":[1-9],"qState":"[LOX]"\}"#;
    let cell = prop_oneof![3 => like.prop_map(String::from), 1 => cell()];
    (0..5usize).prop_flat_map(move |width| {
        let row =
            prop::collection::vec(cell.clone(), width).prop_map(|cells| format!("[{}]", cells.join(" ,")));
        prop::collection::vec(row, 0..8).prop_map(|rows| format!("[{}]", rows.join(",\n")))
    })
}

proptest! {
    #[test]
    fn columns_are_what_structs_would_be(matrices in prop::collection::vec(matrix(), 0..4), first in any::<bool>()) {
        let area = r#""qArea":{"qLeft":1,"qTop":2,"qWidth":3,"qHeight":4},"qIsReduced":true"#;
        let page = |matrix| if first { format!(r#"{{{area},"qMatrix":{matrix},"qTails":[]}}"#) }
            else { format!(r#" {{"qTails":[{{"qUp":0}}],"qMatrix":{matrix},{area} }} "#) };
        let text = format!("[{}]", matrices.iter().map(page).collect::<Vec<_>>().join(","));
        let expected: Vec<Reference> = serde_json::from_str(&text).unwrap();
        let found = read(&text).unwrap();
        prop_assert_eq!(found.len(), expected.len());
        for (page, expected) in found.iter().zip(&expected) {
            let ReferenceArea { q_left, q_top, q_width, q_height } = expected.q_area;
            prop_assert_eq!(page.area, Area { left: q_left, top: q_top, width: q_width, height: q_height });
            prop_assert_eq!(page.is_reduced, expected.q_is_reduced);
            prop_assert_eq!(page.rows(), expected.q_matrix.len());
            prop_assert_eq!(page.width(), expected.q_matrix.first().map_or(0, Vec::len));
            for (index, column) in page.columns().enumerate() {
                for (row, cells) in expected.q_matrix.iter().enumerate() {
                    let cell = &cells[index];
                    let number = match &cell.q_num {
                        Some(serde_json::Value::String(text)) => text.parse().unwrap(),
                        Some(number) => number.as_f64().unwrap(),
                        None => f64::NAN,
                    };
                    prop_assert_eq!(column.text(row), Some(&*cell.q_text));
                    prop_assert!(column.numbers()[row] == number || number.is_nan() && column.numbers()[row].is_nan());
                    prop_assert_eq!(column.elements()[row], cell.q_elem_number);
                    prop_assert_eq!(column.states()[row], CellState::named(cell.q_state.as_bytes()));
                    prop_assert_eq!(column.marks()[row].is_null(), cell.q_is_null);
                    prop_assert_eq!(column.marks()[row].is_total(), cell.q_is_total_cell);
                }
                prop_assert_eq!(column.texts().count(), page.rows());
            }
        }
    }

    #[test]
    fn text_that_is_cut_or_changed_anywhere_is_read_or_refused(
        matrix in matrix(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()
    ) {
        let mut text = format!(r#"{{"qDataPages":[{{"qMatrix":{matrix}}}]}}"#).into_bytes();
        let at = at.index(text.len());
        if cut { text.truncate(at) } else { text[at] = byte }
        if let Ok(pages) = pages(Raw::scanned(&text)) {
            pages.iter().flat_map(Page::columns).for_each(|column| drop(column.texts().collect::<Vec<_>>()));
        }
    }
}

#[test]
fn pages_are_found_in_answers_hypercubes_and_list_objects() {
    let page = r#"{"qMatrix":[[{"qText":"a","qNum":1}]]}"#;
    for text in [
        format!("[{page}]"),
        format!(r#"{{"qDataPages":[{page}]}}"#),
        format!(r#"{{"qSize":{{"qcx":1}},"qDataPages":[{page}],"qMode":"S"}}"#),
    ] {
        assert_eq!(one(&text).column(0).unwrap().text(0), Some("a"), "{text}");
    }
    let layout = format!(r#"{{"qLayout":{{"qInfo":{{}},"qListObject":{{"qDataPages":[{page}]}}}}}}"#);
    let layout = Raw::new(layout.as_bytes()).unwrap();
    let list = layout.member("qLayout").unwrap().member("qListObject").unwrap();
    assert_eq!(pages(list).unwrap()[0].rows(), 1);
    assert_eq!(pages_at(layout, &["qLayout", "qListObject"]), pages(list));
    assert_eq!(pages_at(layout, &["qLayout", "qHyperCube"]), Ok(Vec::new()));
    assert!(pages_at(layout, &["qLayout", "qInfo", "x"]).unwrap().is_empty());
    assert_eq!(read("{}"), Ok(Vec::new()));
    assert_eq!(read(r#"{"qDataPages":null}"#), Ok(Vec::new()));
    assert_eq!(one(r#"[{"qMatrix":null,"qArea":null}]"#), Page::default());
}

#[test]
fn numbers_that_json_has_not_come_as_strings() {
    let page = one(
        r#"[{"qMatrix":[[{"qNum":"NaN"}],[{"qNum":"Infinity"}],[{"qNum":"+Infinity"}],[{"qNum":"-Infinity"}],[{"qNum":1e400}],[{}],[{"qNum":null}],[{"qNum":1e+300}],[{"qNum":9007199254740993}]]}]"#,
    );
    let numbers = page.column(0).unwrap().numbers();
    assert!(numbers[0].is_nan() && numbers[5].is_nan() && numbers[6].is_nan());
    assert_eq!(numbers[1..5], [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::INFINITY]);
    assert_eq!(numbers[7..], [1e300, 9_007_199_254_740_992.0]);
}

#[test]
fn states_are_read_in_short_long_and_numeric_form() {
    for (at, [short, long]) in [
        ["L", "LOCKED"],
        ["S", "SELECTED"],
        ["O", "OPTION"],
        ["D", "DESELECTED"],
        ["A", "ALTERNATIVE"],
        ["X", "EXCLUDED"],
        ["XS", "EXCL_SELECTED"],
        ["XL", "EXCL_LOCKED"],
        ["NSTATES", "NSTATES"],
    ]
    .iter()
    .enumerate()
    {
        let text =
            format!(r#"[{{"qMatrix":[[{{"qState":"{short}"}},{{"qState":"{long}"}},{{"qState":{at}}}]]}}]"#);
        let page = one(&text);
        let states: Vec<_> = page.columns().map(|column| column.states()[0]).collect();
        assert_eq!(states, [states[0]; 3], "{short}");
        assert_eq!(states[0] as usize, at);
    }
    let page = one(r#"[{"qMatrix":[[{"qState":"Q"},{"qState":99},{}]]}]"#);
    assert!(page.columns().all(|column| column.states() == [CellState::Unknown]));
}

#[test]
fn lone_surrogate_and_repeated_member_are_read() {
    let page = one(r#"[{"qMatrix":[[{"qText":"first","qText":"a\ud800b","qNum":1,"q\u004eum":2}]]}]"#);
    let column = page.column(0).unwrap();
    assert_eq!((column.text(0), column.numbers()), (Some("a\u{fffd}b"), &[2.0][..]));
}

#[test]
fn cells_with_more_members_than_are_predicted_are_read() {
    let members: String = (0..20).map(|at| format!(r#""x{at}":{at},"#)).collect();
    let row = format!(r#"[{{{members}"qText":"t"}},{{"qNum":1}}]"#);
    let page = one(&format!(r#"[{{"qMatrix":[{row},{row},{row}]}}]"#));
    assert_eq!(page.column(0).unwrap().texts().collect::<String>(), "ttt");
    assert_eq!(page.column(1).unwrap().numbers(), [1.0; 3]);
}

#[test]
fn ragged_rows_are_refused_and_take_no_memory() {
    assert_eq!(
        read(r#"[{"qMatrix":[[{},{}],[{},{}],[{}]]}]"#),
        Err(PageError::Ragged { row: 2, width: 2, found: 1 })
    );
    let text = format!(r#"[{{"qMatrix":[[{}{{}}]{}]}}]"#, "{},".repeat(100_000), ",[]".repeat(100_000));
    assert_eq!(read(&text), Err(PageError::Ragged { row: 1, width: 100_001, found: 0 }));
    assert_eq!(read(&format!("[{}{{}}]", "{},".repeat(1 << 16))), Err(PageError::TooLarge));
}

#[test]
fn cells_of_the_wrong_shape_are_refused() {
    for cell in [
        "null",
        "[]",
        r#"{"qText":1}"#,
        r#"{"qNum":"12"}"#,
        r#"{"qNum":[]}"#,
        r#"{"qElemNumber":0.5}"#,
        r#"{"qState":[]}"#,
        r#"{"qIsNull":1}"#,
    ] {
        let text = format!(r#"[{{"qMatrix":[[{cell}]]}}]"#);
        assert!(matches!(read(&text), Err(PageError::Malformed(_))), "{cell}");
    }
}

#[test]
fn malformed_text_is_refused_where_it_is_read() {
    let row = r#"[{"qText":"x","qNum":1}]"#;
    for last in [
        r#"[{"qText":"x","qNum":01}]"#,
        r#"[{"qText":"x" "qNum":1}]"#,
        r#"[{"qText":"x","qNum":1{"qText":"y"}]"#,
        r#"[{"qText":"x","qNum":1,}]"#,
        r#"[{"qText":"x","qNum":}]"#,
        r#"[{"qText":"\x","qNum":1}]"#,
        r#"[{"qText":"x","qNum":1]}"#,
        "[{\"qText\":\"\x01\"}]",
    ] {
        let text = format!(r#"[{{"qMatrix":[{row},{row},{last}]}}]"#);
        assert!(pages(Raw::scanned(text.as_bytes())).is_err(), "{last}");
    }
    assert!(pages(Raw::scanned(b"[{\"qMatrix\":[[{\"qText\":\"\xff\"}]]}]")).is_err());
}
