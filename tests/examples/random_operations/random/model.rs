//! What the data is, and what follows from selections in it, computed without the engine.

use std::collections::{BTreeMap, BTreeSet};

use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};
use qix_tests::FakeEngine;
use serde_json::{Value, json};

use super::Fault;

/// The two fields in which is selected.
pub(super) const FIELDS: [&str; 2] = ["Region", "Year"];

/// What is selected, by field as in [`FIELDS`]: element numbers.
pub(super) type Selected = [BTreeSet<i64>; 2];

/// The table of the app: the elements of both fields, and the amount.
pub(super) struct Table {
    rows: Vec<([i64; 2], f64)>,
    texts: [Vec<String>; 2],
}

impl Table {
    /// Reads the table before anything is cut.
    pub(super) async fn read(engine: &FakeEngine) -> Result<Self, Fault> {
        let url = engine.url("Sales.qvf/identity/model");
        let read = async {
            let endpoint = Endpoint::parse(&url).map_err(|error| error.to_string())?;
            let connector = WsConnect::builder(endpoint).build().map_err(|error| error.to_string())?;
            let session = Session::connect(&connector).await.map_err(|error| error.to_string())?;
            let doc = session.global().open_doc("Sales.qvf").await.map_err(|error| error.to_string())?;
            let data: Value = doc
                .call("GetTableData", &json!([0, 10_000, false, "Sales"]))
                .await
                .map_err(|error| error.to_string())?;
            session.close().await;
            Ok::<_, Fault>(data)
        };
        let data = tokio::time::timeout(super::PATIENCE, read).await.map_err(|_| "no table in time")??;
        let mut table = Self { rows: Vec::new(), texts: Default::default() };
        for row in data["qData"].as_array().ok_or("no rows")? {
            // Region, Product, Month, Year, Sales, Quantity.
            let mut elements = [0; 2];
            for (field, column) in [(0, 0), (1, 3)] {
                let text = row["qValue"][column]["qText"].as_str().ok_or("no text")?;
                let texts = &mut table.texts[field];
                let known = texts.iter().position(|known| known == text);
                elements[field] = known.unwrap_or_else(|| {
                    texts.push(text.to_owned());
                    texts.len() - 1
                }) as i64;
            }
            table.rows.push((elements, row["qValue"][4]["qNumber"].as_f64().ok_or("no number")?));
        }
        if table.rows.len() < 100 { Err("the table is too small".into()) } else { Ok(table) }
    }

    /// Returns how many values a field has.
    pub(super) fn cardinal(&self, field: usize) -> u64 {
        self.texts[field].len() as u64
    }

    fn leaves(selected: &Selected, row: &[i64; 2], field: usize) -> bool {
        selected[field].is_empty() || selected[field].contains(&row[field])
    }

    /// Returns the sums by region of what selections leave.
    fn sums(&self, selected: &Selected) -> BTreeMap<&str, f64> {
        let mut sums = BTreeMap::new();
        for (row, amount) in &self.rows {
            if Self::leaves(selected, row, 0) && Self::leaves(selected, row, 1) {
                *sums.entry(self.texts[0][row[0] as usize].as_str()).or_default() += amount;
            }
        }
        sums
    }

    /// Returns the state that each value of a field should have.
    fn state(&self, selected: &Selected, field: usize, element: i64) -> &'static str {
        let rows = self.rows.iter().filter(|(row, _)| row[field] == element);
        let available = rows.into_iter().any(|(row, _)| Self::leaves(selected, row, 1 - field));
        match (selected[field].contains(&element), selected[field].is_empty(), available) {
            (true, _, true) => "S",
            (true, _, false) => "XS",
            (false, true, true) => "O",
            (false, false, true) => "A",
            (false, _, false) => "X",
        }
    }

    /// Checks a probe's layout against itself: what its lists show as selected decides all its other values. Returns what is
    /// selected.
    pub(super) fn check(&self, layout: &Value) -> Result<Selected, Fault> {
        let mut selected = Selected::default();
        let mut shown: [BTreeMap<i64, &str>; 2] = Default::default();
        for (field, name) in ["regions", "years"].into_iter().enumerate() {
            let cells =
                layout[name]["qListObject"]["qDataPages"][0]["qMatrix"].as_array().ok_or("no list")?;
            for cell in cells {
                let element = cell[0]["qElemNumber"].as_i64().ok_or("no element")?;
                let state = cell[0]["qState"].as_str().ok_or("no state")?;
                if matches!(state, "S" | "XS") {
                    selected[field].insert(element);
                }
                if cell[0]["qText"] != *self.texts[field][element as usize] {
                    return Err(format!("element {element} of {name} is called {}", cell[0]["qText"]));
                }
                shown[field].insert(element, state);
            }
            if shown[field].len() != self.texts[field].len() {
                return Err(format!(
                    "{} of {} values are shown of {name}",
                    shown[field].len(),
                    self.texts[field].len()
                ));
            }
        }
        for (field, states) in shown.iter().enumerate() {
            for (element, state) in states {
                let expected = self.state(&selected, field, *element);
                if *state != expected {
                    return Err(format!(
                        "{selected:?}: {}[{element}] is {state}, not {expected}",
                        FIELDS[field]
                    ));
                }
            }
        }
        let rows = layout["qHyperCube"]["qDataPages"][0]["qMatrix"].as_array().ok_or("no cube")?;
        let sums: BTreeMap<&str, f64> = rows
            .iter()
            .map(|row| {
                (row[0]["qText"].as_str().unwrap_or_default(), row[1]["qNum"].as_f64().unwrap_or(f64::NAN))
            })
            .collect();
        // Amounts are quarters: sums are exact.
        let expected = self.sums(&selected);
        if sums != expected || rows.len() != expected.len() {
            return Err(format!("{selected:?}: {sums:?}, not {expected:?}"));
        }
        let total: f64 = expected.values().sum();
        let shown = layout["total"].as_f64().unwrap_or(0.0);
        if shown != total {
            Err(format!("{selected:?}: a total of {shown}, not {total}"))
        } else {
            Ok(selected)
        }
    }
}
