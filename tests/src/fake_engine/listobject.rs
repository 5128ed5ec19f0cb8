//! List objects: all values of one field with their states.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::doc::Doc;
use super::errors::EngineError;
use super::hypercube::{Area, check_areas};
use super::selection::StateLetter;
use super::table::Column;

/// A list object over the current state of its field.
pub(crate) struct List {
    pub(crate) column: usize,
    title: String,
    states: Vec<StateLetter>,
    /// Element numbers in the order shown.
    pub(crate) order: Vec<u32>,
}

/// Returns the list of a `qListObjectDef`, or nothing if its field is unknown.
pub(crate) fn compute(doc: &Doc, def: &Value, search: Option<&str>) -> Option<List> {
    let body = match def["qLibraryId"].as_str().filter(|id| !id.is_empty()) {
        Some(id) => doc.dimension_definition(id)?,
        None => &def["qDef"],
    };
    let field = body["qFieldDefs"][0].as_str()?;
    let at = doc.field_of(field)?;
    let column = &doc.table().columns[at];
    let states = doc.associations().states(doc.table(), at, doc.selections.fields());
    let criteria = &def["qDef"]["qSortCriterias"][0];
    let mut order: Vec<u32> = (0..column.symbols.len() as u32).collect();
    order.sort_by(|a, b| symbol_order(column, criteria, Some(&states), *a, *b));
    if let Some(pattern) = search {
        order.retain(|value| wildcard(pattern, &column.symbols[*value as usize].text));
    }
    let label = body["qFieldLabels"][0].as_str().filter(|label| !label.is_empty());
    let title = label.unwrap_or(column.name.as_str()).to_owned();
    Some(List { column: at, title, states, order })
}

impl List {
    /// Returns the member `qListObject` of a layout.
    pub(crate) fn layout(&self, doc: &Doc, def: &Value, cell_limit: usize) -> Value {
        let mut out = json!({
            "qSize": {"qcx": 1, "qcy": self.order.len()},
            "qDimensionInfo": dimension_info(doc, self.column, &self.title),
            "qExpressions": [],
            "qDataPages": [],
        });
        let pages = def["qInitialDataFetch"].as_array().cloned().unwrap_or_default();
        match self.pages(doc, &pages, cell_limit) {
            Ok(pages) => out["qDataPages"] = pages,
            Err(error) => out["qError"] = json!({"qErrorCode": error.code, "qContext": ""}),
        }
        out
    }

    /// Cuts pages out of the list.
    ///
    /// # Errors
    ///
    /// 7009 if they hold more cells than `cell_limit`.
    pub(crate) fn pages(&self, doc: &Doc, pages: &[Value], cell_limit: usize) -> Result<Value, EngineError> {
        let areas: Vec<Area> = pages.iter().map(Area::parse).collect();
        check_areas(&areas, cell_limit)?;
        let column = &doc.table().columns[self.column];
        let cut = |area: &Area| {
            let rows = area.rows(self.order.len());
            let matrix: Vec<Value> = self.order[rows.clone()]
                .iter()
                .map(|value| {
                    let symbol = &column.symbols[*value as usize];
                    let mut cell = json!({
                        "qText": symbol.text,
                        "qNum": number(symbol.num),
                        "qElemNumber": value,
                        "qState": self.states[*value as usize],
                    });
                    if symbol.num.is_some() {
                        cell["qIsNumeric"] = json!(true);
                    }
                    json!([cell])
                })
                .collect();
            json!({
                "qMatrix": matrix,
                "qTails": [],
                "qArea": {"qLeft": 0, "qTop": rows.start, "qWidth": 1, "qHeight": rows.len()},
            })
        };
        Ok(areas.iter().map(cut).collect::<Vec<Value>>().into())
    }
}

/// Returns the number as the engine writes one: a string when it is none.
pub(crate) fn number(num: Option<f64>) -> Value {
    num.filter(|num| num.is_finite()).map_or_else(|| json!("NaN"), |num| json!(num))
}

/// Returns the counts of states in one field.
pub(crate) fn state_counts(states: &[StateLetter]) -> Value {
    let count = |letter: &str| states.iter().filter(|state| **state == letter).count();
    json!({
        "qLocked": count("L"), "qSelected": count("S"), "qOption": count("O"), "qDeselected": count("D"),
        "qAlternative": count("A"), "qExcluded": count("X"), "qSelectedExcluded": count("XS"),
        "qLockedExcluded": count("XL"),
    })
}

/// Returns what layouts tell about a field used as a dimension.
pub(crate) fn dimension_info(doc: &Doc, at: usize, title: &str) -> Value {
    let column = &doc.table().columns[at];
    let states = doc.associations().states(doc.table(), at, doc.selections.fields());
    let nums = || column.symbols.iter().filter_map(|symbol| symbol.num);
    json!({
        "qFallbackTitle": title,
        "qApprMaxGlyphCount": column.symbols.iter().map(|symbol| symbol.text.chars().count()).max().unwrap_or(0),
        "qCardinal": column.symbols.len(),
        "qSortIndicator": "A",
        "qGroupFallbackTitles": [title],
        "qGroupPos": 0,
        "qStateCounts": state_counts(&states),
        "qTags": column.tags(),
        "qDimensionType": if column.is_numeric() { "N" } else { "D" },
        "qGrouping": "N",
        "qNumFormat": {"qType": "U", "qnDec": 0, "qUseThou": 0},
        "qIsAutoFormat": true,
        "qGroupFieldDefs": [column.name],
        "qMin": number(nums().reduce(f64::min)),
        "qMax": number(nums().reduce(f64::max)),
        "qAttrExprInfo": [],
        "qAttrDimInfo": [],
        "qCardinalities": {"qCardinal": column.symbols.len(), "qHypercubeCardinal": 0, "qAllValuesCardinal": -1},
    })
}

/// Orders two values by sort criteria; without any, by load order.
pub(crate) fn symbol_order(
    column: &Column,
    criteria: &Value,
    states: Option<&[StateLetter]>,
    a: u32,
    b: u32,
) -> Ordering {
    let direction = |name: &str| criteria[name].as_i64().unwrap_or(0);
    let (x, y) = (&column.symbols[a as usize], &column.symbols[b as usize]);
    let turned = |by: Ordering, direction: i64| if direction < 0 { by.reverse() } else { by };
    if let Some(states) = states
        && direction("qSortByState") != 0
    {
        let rank = |value: u32| match states[value as usize] {
            "L" | "S" => 0,
            "O" => 1,
            "A" => 2,
            _ => 3,
        };
        let by = turned(rank(a).cmp(&rank(b)), direction("qSortByState"));
        if by != Ordering::Equal {
            return by;
        }
    }
    if direction("qSortByNumeric") != 0 {
        let num = |num: Option<f64>| num.unwrap_or(f64::INFINITY);
        let by = turned(num(x.num).total_cmp(&num(y.num)), direction("qSortByNumeric"));
        if by != Ordering::Equal {
            return by;
        }
    }
    if direction("qSortByAscii") != 0 {
        let by = turned(x.text.cmp(&y.text), direction("qSortByAscii"));
        if by != Ordering::Equal {
            return by;
        }
    }
    turned(a.cmp(&b), direction("qSortByLoadOrder"))
}

/// Matches a text as a search does: case-insensitive, `*` and `?` are wildcards, without any the text may stand inside.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let text: Vec<char> = text.to_lowercase().chars().collect();
    if !pattern.contains(&'*') && !pattern.contains(&'?') {
        return pattern.is_empty() || text.windows(pattern.len()).any(|window| window == pattern);
    }
    glob(&pattern, &text)
}

/// Matches a pattern against the whole text, in linear space and without recursion.
pub(crate) fn glob(pattern: &[char], text: &[char]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[t])) {
            p += 1;
            t += 1;
        } else if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}
