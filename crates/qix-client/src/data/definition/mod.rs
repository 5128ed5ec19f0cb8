//! What to compute: definitions in a few words, on top of the schema's types.

mod cube;
mod dimension;
mod limit;
mod list;
mod measure;
mod sort;

pub use cube::CubeDef;
pub use dimension::Dimension;
pub use limit::Limit;
pub use list::ListDef;
pub use measure::Measure;
pub use sort::Sort;

#[cfg(test)]
mod tests {
    use qix_protocol::schema::{HyperCubeDef, ListObjectDef};
    use serde_json::json;

    use super::*;

    #[test]
    fn few_words_become_the_definition_that_the_engine_reads() {
        let region =
            Dimension::field("Region").label("Area").sort(Sort::by_text().descending()).suppress_nulls();
        let sales = Measure::expression("Sum(Sales)").label("Sales").format("#,##0");
        let def = CubeDef::new()
            .dimension(region)
            .measure(sales)
            .sorted_by(&[1, 0])
            .suppress_zero()
            .initial_rows(9000);
        let def: HyperCubeDef = def.in_state("A").only_if("Count(Sales)>0", "Nothing sold").into();
        let expected = json!({
            "qStateName": "A",
            "qDimensions": [{
                "qDef": {
                    "qFieldDefs": ["Region"],
                    "qFieldLabels": ["Area"],
                    "qSortCriterias": [{"qSortByAscii": -1}],
                },
                "qNullSuppression": true,
            }],
            "qMeasures": [{"qDef": {"qLabel": "Sales", "qDef": "Sum(Sales)", "qNumFormat": {"qType": "F", "qFmt": "#,##0"}}}],
            "qInterColumnSortOrder": [1, 0],
            "qSuppressZero": true,
            "qInitialDataFetch": [{"qWidth": 2, "qHeight": 5000}],
            "qCalcCondition": {"qCond": {"qv": "Count(Sales)>0"}, "qMsg": {"qv": "Nothing sold"}},
        });
        assert_eq!(serde_json::to_value(&def).unwrap(), expected);
    }

    #[test]
    fn groups_limits_totals_modes_and_library_items_can_be_said() {
        let top = Dimension::drill_down(&["Year", "Month"]).limit(Limit::top(5).others("Rest")).total("All");
        let def = CubeDef::new().dimension(top).measure(Measure::library("M1")).pivot(1).measures_at(-1);
        let def: HyperCubeDef = def.with(|def| def.indent_mode = true).into();
        let expected = json!({
            "qDimensions": [{
                "qDef": {"qGrouping": "H", "qFieldDefs": ["Year", "Month"]},
                "qOtherTotalSpec": {
                    "qOtherMode": "OTHER_COUNTED",
                    "qOtherCounted": {"qv": "5"},
                    "qOtherSortMode": "OTHER_SORT_DESCENDING",
                    "qTotalMode": "TOTAL_EXPR",
                },
                "qShowTotal": true,
                "qOtherLabel": {"qv": "Rest"},
                "qTotalLabel": {"qv": "All"},
            }],
            "qMeasures": [{"qLibraryId": "M1"}],
            "qMode": "P",
            "qNoOfLeftDims": 1,
            "qAlwaysFullyExpanded": true,
            "qIndentMode": true,
        });
        let mut found = serde_json::to_value(&def).unwrap();
        // Descending is the default, and need not be written.
        found["qDimensions"][0]["qOtherTotalSpec"]["qOtherSortMode"] = json!("OTHER_SORT_DESCENDING");
        assert_eq!(found, expected);
        let list: ListObjectDef =
            ListDef::from("=Year(Date)").sort(Sort::by_state().and(Sort::by_number())).into();
        let expected = json!({
            "qDef": {
                "qFieldDefs": ["=Year(Date)"],
                "qSortCriterias": [{"qSortByState": 1, "qSortByNumeric": 1}],
            },
            "qShowAlternatives": true,
        });
        assert_eq!(serde_json::to_value(&list).unwrap(), expected);
    }
}
