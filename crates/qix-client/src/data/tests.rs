//! The same data in every form.

use std::sync::Arc;

use proptest::prelude::*;
use qix_protocol::{columns, frame::Raw};
use serde_json::{Value, json};

use super::{Cell, Column, CubeDef, CubeLayout, Page, layout::Size, page::Table};

/// A cell as the engine writes it.
fn cell() -> impl Strategy<Value = Value> {
    let text = prop_oneof!["[a-z\"\\\\é🍣]{0,6}", Just("NaN".to_owned())];
    prop_oneof![
        (text, 0..9).prop_map(|(text, element)| {
            json!({"qText": text, "qNum": "NaN", "qElemNumber": element, "qState": "O"})
        }),
        (-1e6..1e6_f64).prop_map(|number| {
            json!({"qText": number.to_string(), "qNum": number, "qElemNumber": 0, "qState": "L"})
        }),
        Just(json!({"qText": "-", "qNum": "NaN", "qElemNumber": -2, "qState": "L", "qIsNull": true})),
    ]
}

/// Pages as wide as each other, one below the other, each cut into parts.
fn table() -> impl Strategy<Value = (Vec<Vec<Value>>, usize, usize)> {
    (1..6_usize, 0..12_usize).prop_flat_map(|(width, rows)| {
        let rows = proptest::collection::vec(proptest::collection::vec(cell(), width), rows);
        (rows, 1..5_usize, 1..=width)
    })
}

fn page(rows: &[Vec<Value>], top: usize, part: usize) -> Page {
    let width = rows[0].len();
    let header: Arc<[Column]> = (0..width)
        .map(|index| Column { title: format!("c{index}"), is_measure: index > 1, index, ..Column::default() })
        .collect();
    let parts = (0..width).step_by(part).map(|left| {
        let matrix: Vec<&[Value]> = rows.iter().map(|row| &row[left..width.min(left + part)]).collect();
        let text = json!([{"qMatrix": matrix}]).to_string();
        columns::pages(Raw::new(text.as_bytes()).unwrap()).unwrap().remove(0)
    });
    Page::new(top, rows.len(), parts.collect(), header)
}

proptest! {
    #[test]
    fn rows_columns_and_record_batches_say_the_same((rows, height, part) in table()) {
        let chunks = rows.chunks(height).enumerate();
        let pages: Vec<Page> = chunks.map(|(at, rows)| page(rows, at * height, part)).collect();
        let columns: Arc<[Column]> = pages.first().map_or_else(|| Vec::new().into(), |page| page.header().into());
        let size = Size { rows: rows.len(), columns: columns.len() };
        let table = Table { size, columns, pages };
        let read: Vec<Vec<Cell>> = table.rows().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), rows.len());
        for column in 0..size.columns {
            let texts: Vec<&str> = table.texts(column).collect();
            let numbers: Vec<f64> = table.numbers(column).collect();
            for (row, wire) in rows.iter().enumerate() {
                let (cell, wire) = (&read[row][column], &wire[column]);
                prop_assert_eq!(&*cell.text, wire["qText"].as_str().unwrap());
                prop_assert_eq!(texts[row], &*cell.text);
                prop_assert_eq!(numbers[row].to_bits(), cell.number.to_bits());
                prop_assert_eq!(wire["qNum"].as_f64().unwrap_or(f64::NAN).to_bits(), cell.number.to_bits());
                prop_assert_eq!(wire["qIsNull"] == true, cell.null);
            }
        }
        #[cfg(feature = "arrow")]
        same_in_arrow(&table, &read)?;
    }
}

#[cfg(feature = "arrow")]
fn same_in_arrow(table: &Table, read: &[Vec<Cell>]) -> Result<(), TestCaseError> {
    use arrow_array::{
        Array as _,
        cast::AsArray as _,
        types::{Float64Type, Int32Type},
    };

    use super::ArrowKind;

    for page in table.pages() {
        let cell = |row: usize, column: usize| &read[page.top() + row][column];
        let texts = page.to_record_batch_as(|_| ArrowKind::Text).unwrap();
        let numbers = page.to_record_batch_as(|_| ArrowKind::Number).unwrap();
        prop_assert_eq!(texts.num_rows(), page.len());
        for column in 0..page.width() {
            let keys = texts.column(column).as_dictionary::<Int32Type>();
            let values = keys.values().as_string::<i32>();
            let floats = numbers.column(column).as_primitive::<Float64Type>();
            for row in 0..page.len() {
                let cell = cell(row, column);
                prop_assert_eq!(keys.is_null(row), cell.null);
                if !cell.null {
                    prop_assert_eq!(values.value(keys.keys().value(row) as usize), &*cell.text);
                }
                prop_assert_eq!(floats.is_null(row), cell.null || cell.number.is_nan());
                if !floats.is_null(row) {
                    prop_assert_eq!(floats.value(row), cell.number);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn rows_can_borrow_their_texts() {
    let rows = [vec![json!({"qText": "North", "qNum": "NaN"}), json!({"qText": "12", "qNum": 12})]];
    let page = page(&rows, 7, 1);
    let read: Vec<(&str, u8)> = page.rows().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [("North", 12)]);
    let error = page.rows::<(f64, bool, u8)>().next().unwrap().unwrap_err();
    assert_eq!(
        error.data().unwrap().to_string(),
        "row 7 does not fit: there are 2 columns, and 3 are asked for"
    );
}

#[test]
fn nulls_are_none_and_an_empty_text_is_a_text() {
    let null = json!({"qText": "-", "qNum": "NaN", "qElemNumber": -2});
    let rows =
        [vec![json!({"qText": "", "qNum": "NaN"}), null.clone()], vec![null.clone(), json!({"qText": "x"})]];
    let page = page(&rows, 0, 2);
    let read: Vec<(Option<String>, Option<String>)> = page.rows().collect::<Result<_, _>>().unwrap();
    assert_eq!(read, [(Some(String::new()), None), (None, Some("x".to_owned()))]);
    let error = page.rows::<(u8, u8)>().last().unwrap().unwrap_err();
    assert!(error.data().unwrap().to_string().ends_with("\"-\" is null, which takes an Option"), "{error:?}");
}

#[test]
fn member_means_the_column_with_its_label_before_one_with_its_field() {
    #[derive(Debug, serde::Deserialize)]
    struct Place {
        #[serde(rename = "Region")]
        region: String,
    }

    let text = |text: &str| json!({"qText": text, "qNum": "NaN"});
    let mut page = page(&[vec![text("field"), text("label")]], 0, 2);
    let column = |title: &str, field: &str| Column {
        title: title.to_owned(),
        field: field.to_owned(),
        ..Column::default()
    };
    page.set_header([column("Area", "Region"), column("Region", "Country")].into());
    assert_eq!(page.rows::<Place>().next().unwrap().unwrap().region, "label");
}

#[test]
fn columns_keep_their_order_although_one_is_hidden() {
    let hidden = json!({"qFallbackTitle": "Hidden", "qError": {"qErrorCode": 7005}});
    let layout = json!({
        "qSize": {"qcx": 2, "qcy": 1},
        "qDimensionInfo": [{"qFallbackTitle": "Region"}, hidden],
        "qMeasureInfo": [{"qFallbackTitle": "Sales"}],
        "qColumnOrder": [2, 1, 0],
    });
    let layout: CubeLayout = serde_json::from_value(layout).unwrap();
    let titles: Vec<String> = layout.columns().into_iter().map(|column| column.title).collect();
    assert_eq!(titles, ["Sales", "Region"]);
}

#[test]
fn no_more_cells_are_fetched_initially_than_the_engine_gives_out() {
    use qix_protocol::schema::HyperCubeDef;

    for (width, cells) in [(1, 10_000), (3, 9_999), (10_000, 10_000), (10_001, 0)] {
        let def = (0..width).fold(CubeDef::new(), |def, at| def.measure(format!("{at}").as_str()));
        let def: HyperCubeDef = def.initial_rows(20_000).into();
        let fetched: i32 = def.initial_data_fetch.iter().map(|page| page.width * page.height).sum();
        assert_eq!(fetched, cells, "{width} columns");
    }
}
