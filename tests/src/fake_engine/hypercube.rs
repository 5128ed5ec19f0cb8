//! Hypercubes: grouping, measures, sorting, and pages of straight tables; `pivot` lays them out in other ways.

use std::cell::Cell;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde_json::{Value, json};

use super::doc::Doc;
use super::errors::EngineError;
use super::eval::{Hold, Scope, Val};
use super::expression::{self, Expr};
use super::listobject::{dimension_info, number, symbol_order};
use super::pivot::{Mode, Pivot};

/// A computed cube: what a layout shows and what pages are cut from.
#[derive(Debug)]
pub(crate) struct Cube {
    rows: Vec<Row>,
    dimensions: Vec<Dimension>,
    measures: Vec<Measure>,
    totals: Vec<Val>,
    order: Vec<usize>,
    /// Which dimension or measure each column of a straight table shows.
    shown: Vec<usize>,
    error: Option<i64>,
    pub(crate) is_slow: bool,
}

#[derive(Debug)]
struct Row {
    elements: Vec<u32>,
    values: Vec<Val>,
}

#[derive(Debug)]
struct Dimension {
    column: Option<usize>,
    title: String,
    library_id: Option<String>,
    criteria: Value,
    /// Value of the sort expression by element number, where one is given.
    weights: Vec<f64>,
}

#[derive(Debug)]
struct Measure {
    expr: Result<Expr, String>,
    title: String,
    library_id: Option<String>,
    sort: Value,
}

/// Computes the cube of a `qHyperCubeDef`.
pub(crate) fn compute(doc: &Doc, def: &Value, hold: &Cell<Option<Hold>>) -> Cube {
    let empty = Vec::new();
    let list = |name: &str| def[name].as_array().unwrap_or(&empty);
    let inner_hold = Cell::new(None);
    let mut dimensions: Vec<Dimension> = list("qDimensions").iter().map(|def| dimension(doc, def)).collect();
    let measures: Vec<Measure> = list("qMeasures").iter().map(|def| measure(doc, def)).collect();
    let table = doc.table();
    let possible = &doc.associations().possible;
    let variables = |name: &str| doc.variable_value(name);
    let scope = |rows: &[u32], expr: &Expr| {
        Scope { table, rows, possible, variables: &variables, nested: false, hold: &inner_hold }
            .eval(expr)
            .unwrap_or(Val::Null)
    };
    for dimension in &mut dimensions {
        weigh(dimension, doc, &scope);
    }
    let mut error = dimensions.iter().any(|dimension| dimension.column.is_none()).then_some(7000);
    if measures.iter().any(|measure| measure.expr.is_err()) {
        error = error.or(Some(7000));
    }
    if let Some(condition) = condition(def)
        && doc.eval(condition, &inner_hold).ok().and_then(|value| value.num()).unwrap_or(0.0) == 0.0
    {
        error = Some(7005);
    }
    let mut cube = Cube {
        rows: Vec::new(),
        dimensions,
        measures,
        totals: Vec::new(),
        order: Vec::new(),
        shown: Vec::new(),
        error,
        is_slow: false,
    };
    if error.is_none() {
        let value = |rows: &[u32], measure: &Measure| {
            measure.expr.as_ref().map_or(Val::Null, |expr| scope(rows, expr))
        };
        for (elements, rows) in groups(doc, &cube.dimensions) {
            let values = cube.measures.iter().map(|measure| value(&rows, measure)).collect();
            cube.rows.push(Row { elements, values });
        }
        cube.totals = cube.measures.iter().map(|measure| value(possible, measure)).collect();
        if def["qSuppressZero"].as_bool() == Some(true) && !cube.measures.is_empty() {
            cube.rows.retain(|row| row.values.iter().any(|value| value.num().is_some_and(|num| num != 0.0)));
        }
    }
    cube.order = column_order(def, cube.dimensions.len() + cube.measures.len());
    cube.shown = shown(def, cube.order.len());
    cube.sort(doc);
    cube.is_slow = inner_hold.get().is_some();
    if cube.is_slow {
        hold.set(inner_hold.get());
    }
    cube
}

fn condition(def: &Value) -> Option<&str> {
    let newer = def["qCalcCondition"]["qCond"]["qv"].as_str();
    newer.or_else(|| def["qCalcCond"]["qv"].as_str()).filter(|text| !text.trim().is_empty())
}

/// Returns the field of each dimension of a cube, which is what selections in it act on.
pub(crate) fn dimension_columns(doc: &Doc, def: &Value) -> Vec<Option<usize>> {
    def["qDimensions"].as_array().into_iter().flatten().map(|def| dimension(doc, def).column).collect()
}

fn dimension(doc: &Doc, def: &Value) -> Dimension {
    let library_id = def["qLibraryId"].as_str().filter(|id| !id.is_empty());
    let body = match library_id {
        Some(id) => doc.dimension_definition(id).unwrap_or(&Value::Null),
        None => &def["qDef"],
    };
    let active = def["qDef"]["qActiveField"].as_u64().unwrap_or(0) as usize;
    let field = body["qFieldDefs"][active].as_str().unwrap_or_default();
    let label = [&def["qDef"]["qFieldLabels"][active], &body["qFieldLabels"][active]];
    let title = label.into_iter().filter_map(Value::as_str).find(|label| !label.is_empty()).unwrap_or(field);
    Dimension {
        column: doc.field_of(field),
        title: title.to_owned(),
        library_id: library_id.map(str::to_owned),
        criteria: def["qDef"]["qSortCriterias"][active].clone(),
        weights: Vec::new(),
    }
}

fn measure(doc: &Doc, def: &Value) -> Measure {
    let library_id = def["qLibraryId"].as_str().filter(|id| !id.is_empty());
    let body = match library_id {
        Some(id) => doc.measure_definition(id).unwrap_or(&Value::Null),
        None => &def["qDef"],
    };
    let text = body["qDef"].as_str().unwrap_or_default();
    let label = body["qLabel"].as_str().filter(|label| !label.is_empty());
    Measure {
        expr: expression::parse(text),
        title: label.unwrap_or(text).to_owned(),
        library_id: library_id.map(str::to_owned),
        sort: def["qSortBy"].clone(),
    }
}

fn weigh(dimension: &mut Dimension, doc: &Doc, scope: &impl Fn(&[u32], &Expr) -> Val) {
    let Some(at) = dimension.column else { return };
    if dimension.criteria["qSortByExpression"].as_i64().unwrap_or(0) == 0 {
        return;
    }
    let text = &dimension.criteria["qExpression"];
    let Some(text) = text["qv"].as_str().or_else(|| text.as_str()) else { return };
    let Ok(expr) = expression::parse(text) else { return };
    let column = &doc.table().columns[at];
    let mut rows = vec![Vec::new(); column.symbols.len()];
    for row in &doc.associations().possible {
        rows[column.cells[*row as usize] as usize].push(*row);
    }
    dimension.weights =
        rows.iter().map(|rows| scope(rows, &expr).num().unwrap_or(f64::NEG_INFINITY)).collect();
}

fn groups(doc: &Doc, dimensions: &[Dimension]) -> Vec<(Vec<u32>, Vec<u32>)> {
    let possible = &doc.associations().possible;
    if dimensions.is_empty() {
        return vec![(Vec::new(), possible.clone())];
    }
    let cells: Vec<&[u32]> = dimensions
        .iter()
        .filter_map(|dimension| dimension.column)
        .map(|at| doc.table().columns[at].cells.as_slice())
        .collect();
    let mut places: HashMap<Vec<u32>, usize> = HashMap::new();
    let mut groups: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
    for row in possible {
        let key: Vec<u32> = cells.iter().map(|cells| cells[*row as usize]).collect();
        let place = *places.entry(key.clone()).or_insert_with(|| {
            groups.push((key, Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(*row);
    }
    groups
}

/// Returns `qInterColumnSortOrder` as a full permutation.
fn column_order(def: &Value, columns: usize) -> Vec<usize> {
    let mut order = Vec::new();
    for at in def["qInterColumnSortOrder"].as_array().into_iter().flatten().filter_map(Value::as_u64) {
        let at = at as usize;
        if at < columns && !order.contains(&at) {
            order.push(at);
        }
    }
    order.extend((0..columns).filter(|at| !order.contains(at)).collect::<Vec<_>>());
    order
}

/// Returns `qColumnOrder` if it is a full permutation, which the data of straight tables follow.
fn shown(def: &Value, columns: usize) -> Vec<usize> {
    let order = def["qColumnOrder"].as_array().into_iter().flatten().filter_map(Value::as_u64);
    let order: Vec<usize> = order.map(|at| at as usize).collect();
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted.into_iter().eq(0..columns) { order } else { (0..columns).collect() }
}

impl Cube {
    fn sort(&mut self, doc: &Doc) {
        let Self { rows, dimensions, measures, order, .. } = self;
        rows.sort_by(|a, b| {
            for at in order.iter().copied() {
                let by = match dimensions.get(at) {
                    Some(dimension) => compare_elements(doc, dimension, a.elements[at], b.elements[at]),
                    None => {
                        let at = at - dimensions.len();
                        compare_values(&measures[at].sort, &a.values[at], &b.values[at])
                    }
                };
                if by != Ordering::Equal {
                    return by;
                }
            }
            a.elements.cmp(&b.elements)
        });
    }

    /// Returns the member `qHyperCube` of a layout.
    pub(crate) fn layout(&self, doc: &Doc, def: &Value, cell_limit: usize) -> Value {
        let mode = Mode::of(def);
        let mut out = json!({
            "qSize": {"qcx": self.width(), "qcy": self.rows.len()},
            "qDimensionInfo": self.dimensions.iter().map(|dimension| info(doc, dimension)).collect::<Vec<_>>(),
            "qMeasureInfo": (0..self.measures.len()).map(|at| self.measure_info(at)).collect::<Vec<_>>(),
            "qEffectiveInterColumnSortOrder": self.order,
            "qGrandTotalRow": self.totals.iter().map(value_cell).collect::<Vec<_>>(),
            "qDataPages": [],
            "qPivotDataPages": [],
            "qStackedDataPages": [],
            "qMode": mode.letter(),
            "qNoOfLeftDims": def["qNoOfLeftDims"].as_i64().unwrap_or(-1),
            "qTreeNodesOnDim": [],
            "qColumnOrder": def["qColumnOrder"].as_array().cloned().unwrap_or_default(),
        });
        let pages = def["qInitialDataFetch"].as_array().cloned().unwrap_or_default();
        if matches!(mode, Mode::Pivot | Mode::Stacked) {
            out["qSize"] = Pivot::new(self, doc, def).size();
        }
        let (member, pages) = match mode {
            Mode::Straight => ("qDataPages", self.pages(doc, &pages, cell_limit)),
            Mode::Pivot => ("qPivotDataPages", Pivot::new(self, doc, def).pages(&pages, cell_limit)),
            Mode::Stacked => {
                let most = def["qMaxStackedCells"].as_u64().unwrap_or(5000) as usize;
                ("qStackedDataPages", Pivot::new(self, doc, def).stack(&pages, most))
            }
            Mode::Tree => ("qDataPages", Ok(json!([]))),
        };
        match (self.error, pages) {
            (Some(code), _) => out["qError"] = json!({"qErrorCode": code, "qContext": ""}),
            (None, Ok(pages)) => out[member] = pages,
            (None, Err(error)) => out["qError"] = json!({"qErrorCode": error.code, "qContext": ""}),
        }
        if let Some(text) = def["qTitle"].as_str() {
            out["qTitle"] = json!(text);
        }
        out
    }

    fn width(&self) -> usize {
        self.dimensions.len() + self.measures.len()
    }

    pub(crate) fn measure_count(&self) -> usize {
        self.measures.len()
    }

    pub(crate) fn measure_title(&self, at: usize) -> String {
        self.measures[at].title.clone()
    }

    /// Returns the dimensions in the order of sorting.
    pub(crate) fn dimension_order(&self) -> Vec<usize> {
        self.order.iter().copied().filter(|at| *at < self.dimensions.len()).collect()
    }

    /// Returns the text and number of a dimension's element.
    pub(crate) fn symbol(&self, doc: &Doc, dimension: usize, element: u32) -> (String, Option<f64>) {
        let column = self.dimensions[dimension].column.map(|at| &doc.table().columns[at]);
        column
            .map(|column| &column.symbols[element as usize])
            .map_or((String::new(), None), |symbol| (symbol.text.clone(), symbol.num))
    }

    /// Returns the combinations of elements that occur in some dimensions, sorted.
    pub(crate) fn keys(&self, doc: &Doc, dimensions: &[usize]) -> Vec<Vec<u32>> {
        let key = |row: &Row| dimensions.iter().map(|at| row.elements[*at]).collect::<Vec<u32>>();
        let mut keys: Vec<Vec<u32>> = self.rows.iter().map(key).collect();
        keys.sort_by(|a, b| {
            let mut by = dimensions.iter().zip(a.iter().zip(b));
            let differ = |(at, (a, b)): (&usize, (&u32, &u32))| {
                let by = compare_elements(doc, &self.dimensions[*at], *a, *b);
                (by != Ordering::Equal).then_some(by)
            };
            by.find_map(differ).unwrap_or_else(|| a.cmp(b))
        });
        keys.dedup();
        keys
    }

    /// Returns a measure's value in the group with these elements, one of each dimension.
    pub(crate) fn value(&self, elements: &[u32], measure: usize) -> Option<&Val> {
        self.rows.iter().find(|row| row.elements == elements).and_then(|row| row.values.get(measure))
    }

    /// Returns the elements of the last dimension in the groups that start with these.
    pub(crate) fn elements_below(&self, path: &[u32]) -> Vec<u32> {
        let below = self.rows.iter().filter(|row| row.elements.starts_with(path));
        below.filter_map(|row| row.elements.last().copied()).collect()
    }

    /// Returns the rows in which a measure has a value that `wants` it.
    pub(crate) fn elements_where(&self, measure: usize, wants: impl Fn(f64) -> bool) -> Vec<Vec<u32>> {
        let hit = |row: &&Row| row.values.get(measure).and_then(Val::num).is_some_and(&wants);
        self.rows.iter().filter(hit).map(|row| row.elements.clone()).collect()
    }

    fn measure_info(&self, at: usize) -> Value {
        let measure = &self.measures[at];
        let numbers = || self.rows.iter().filter_map(|row| row.values[at].num());
        let mut info = json!({
            "qFallbackTitle": measure.title,
            "qApprMaxGlyphCount": self.rows.iter().map(|row| row.values[at].text().len()).max().unwrap_or(0),
            "qCardinal": 0,
            "qSortIndicator": if measure.sort["qSortByNumeric"].as_i64() == Some(-1) { "D" } else { "A" },
            "qNumFormat": {"qType": "U", "qnDec": 10, "qUseThou": 0},
            "qMin": number(numbers().reduce(f64::min)),
            "qMax": number(numbers().reduce(f64::max)),
            "qIsAutoFormat": true,
            "qAttrExprInfo": [],
            "qAttrDimInfo": [],
        });
        if let Err(text) = &measure.expr {
            info["qError"] = json!({"qErrorCode": 7000, "qExtendedMessage": text});
        }
        if let Some(id) = &measure.library_id {
            info["qLibraryId"] = json!(id);
        }
        info
    }

    /// Cuts pages out of the cube.
    ///
    /// # Errors
    ///
    /// 7009 if they hold more cells than `cell_limit`.
    pub(crate) fn pages(&self, doc: &Doc, pages: &[Value], cell_limit: usize) -> Result<Value, EngineError> {
        let areas: Vec<Area> = pages.iter().map(Area::parse).collect();
        check_areas(&areas, cell_limit)?;
        let states: Vec<_> = self
            .dimensions
            .iter()
            .filter_map(|dimension| dimension.column)
            .map(|at| doc.associations().states(doc.table(), at, doc.selections.fields()))
            .collect();
        let cut = |area: &Area| {
            let (columns, rows) = (area.columns(self.width()), area.rows(self.rows.len()));
            let matrix: Vec<Value> = self.rows[rows.clone()]
                .iter()
                .map(|row| {
                    let columns = self.shown[columns.clone()].iter();
                    columns.map(|at| self.cell(doc, row, *at, &states)).collect::<Vec<Value>>().into()
                })
                .collect();
            json!({
                "qMatrix": matrix,
                "qTails": [],
                "qArea": {"qLeft": columns.start, "qTop": rows.start, "qWidth": columns.len(), "qHeight": rows.len()},
            })
        };
        Ok(areas.iter().map(cut).collect::<Vec<Value>>().into())
    }

    fn cell(&self, doc: &Doc, row: &Row, at: usize, states: &[Vec<&'static str>]) -> Value {
        let Some(dimension) = self.dimensions.get(at) else {
            return value_cell(&row.values[at - self.dimensions.len()]);
        };
        let element = row.elements[at];
        let Some(column) = dimension.column else { return Value::Null };
        let symbol = &doc.table().columns[column].symbols[element as usize];
        let mut cell = json!({
            "qText": symbol.text,
            "qNum": number(symbol.num),
            "qElemNumber": element,
            "qState": states[at][element as usize],
        });
        if symbol.num.is_some() {
            cell["qIsNumeric"] = json!(true);
        }
        cell
    }
}

fn info(doc: &Doc, dimension: &Dimension) -> Value {
    let mut info = match dimension.column {
        Some(at) => dimension_info(doc, at, &dimension.title),
        None => json!({
            "qFallbackTitle": dimension.title,
            "qCardinal": 0,
            "qError": {"qErrorCode": 7000, "qExtendedMessage": "Invalid dimension"},
        }),
    };
    if let Some(id) = &dimension.library_id {
        info["qLibraryId"] = json!(id);
    }
    info
}

/// Returns the cell of a measure.
pub(crate) fn value_cell(value: &Val) -> Value {
    match value {
        Val::Null => json!({"qText": "-", "qNum": "NaN", "qElemNumber": 0, "qState": "L", "qIsNull": true}),
        Val::Num(num) => {
            json!({"qText": value.text(), "qNum": num, "qElemNumber": 0, "qState": "L", "qIsNumeric": true})
        }
        Val::Text(text) => json!({"qText": text, "qNum": "NaN", "qElemNumber": 0, "qState": "L"}),
    }
}

fn compare_elements(doc: &Doc, dimension: &Dimension, a: u32, b: u32) -> Ordering {
    if let (Some(x), Some(y)) = (dimension.weights.get(a as usize), dimension.weights.get(b as usize)) {
        let by = x.total_cmp(y);
        let descending = dimension.criteria["qSortByExpression"].as_i64() == Some(-1);
        return if descending { by.reverse() } else { by };
    }
    let Some(at) = dimension.column else { return Ordering::Equal };
    symbol_order(&doc.table().columns[at], &dimension.criteria, None, a, b)
}

fn compare_values(sort: &Value, a: &Val, b: &Val) -> Ordering {
    let direction = |name: &str| sort[name].as_i64().unwrap_or(0);
    let (numeric, ascii) = (direction("qSortByNumeric"), direction("qSortByAscii"));
    let (by, direction) = if numeric != 0 {
        let num = |value: &Val| value.num().unwrap_or(f64::NEG_INFINITY);
        (num(a).total_cmp(&num(b)), numeric)
    } else if ascii != 0 {
        (a.text().cmp(&b.text()), ascii)
    } else {
        return Ordering::Equal;
    };
    if direction < 0 { by.reverse() } else { by }
}

/// A page as asked for.
pub(crate) struct Area {
    top: usize,
    left: usize,
    width: usize,
    height: usize,
}

impl Area {
    pub(crate) fn parse(page: &Value) -> Self {
        let side = |name: &str| page[name].as_f64().unwrap_or(0.0).clamp(0.0, 1e12) as usize;
        Self { top: side("qTop"), left: side("qLeft"), width: side("qWidth"), height: side("qHeight") }
    }

    pub(crate) fn rows(&self, count: usize) -> std::ops::Range<usize> {
        self.top.min(count)..self.top.saturating_add(self.height).min(count)
    }

    pub(crate) fn columns(&self, count: usize) -> std::ops::Range<usize> {
        self.left.min(count)..self.left.saturating_add(self.width).min(count)
    }
}

/// Refuses more cells than the limit, summed over all pages as asked for.
pub(crate) fn check_areas(areas: &[Area], cell_limit: usize) -> Result<(), EngineError> {
    let cells =
        areas.iter().fold(0_usize, |sum, area| sum.saturating_add(area.width.saturating_mul(area.height)));
    if cells > cell_limit {
        return Err(EngineError::new(7009, format!("{cells} cells asked for, {cell_limit} allowed")));
    }
    Ok(())
}
