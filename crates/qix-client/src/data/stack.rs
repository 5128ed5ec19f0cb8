//! Stacked pivot tables.

use qix_protocol::schema::{NxStackPage, NxStackedPivotCell};

use super::pivot::leaves;

/// A value of a stacked pivot table: the cells from the outermost dimension to it.
pub type StackPath<'a> = Vec<&'a NxStackedPivotCell>;

/// Returns the paths to the values of a page; the last cell of each has the value.
pub fn stack_paths(page: &NxStackPage) -> impl Iterator<Item = StackPath<'_>> {
    leaves(&page.data, |cell| &cell.sub_nodes)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_value_of_a_stack_has_the_cells_that_lead_to_it() {
        let value =
            |text: &str, value: f64| json!({"qText": text, "qValue": value, "qType": "V", "qSubNodes": []});
        let page = json!({"qData": [{"qType": "R", "qElemNo": -1, "qSubNodes": [
            {"qText": "North", "qType": "O", "qSubNodes": [value("1", 1.0), value("2", 2.0)]},
            {"qText": "South", "qType": "O", "qSubNodes": [value("3", 3.0)]},
        ]}]});
        let page: NxStackPage = serde_json::from_value(page).unwrap();
        let flat: Vec<(&str, f64)> =
            stack_paths(&page).map(|path| (&*path[1].text, path[2].value.get())).collect();
        assert_eq!(flat, [("North", 1.0), ("North", 2.0), ("South", 3.0)]);
    }
}
