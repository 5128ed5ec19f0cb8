//! Hypercubes in the other modes: pivot tables, stacks and trees, all fully expanded and without totals.

use std::cell::Cell;
use std::ops::Range;

use serde_json::{Map, Value, json};

use super::doc::Doc;
use super::errors::EngineError;
use super::eval::{Hold, Val};
use super::hypercube::{self, Area, Cube, check_areas};
use super::listobject::number;

/// How a definition wants its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Straight,
    Pivot,
    Stacked,
    Tree,
}

impl Mode {
    pub(crate) fn of(def: &Value) -> Self {
        match def["qMode"].as_str().unwrap_or_default() {
            "P" | "DATA_MODE_PIVOT" => Self::Pivot,
            "K" | "DATA_MODE_PIVOT_STACK" => Self::Stacked,
            "T" | "DATA_MODE_TREE" => Self::Tree,
            _ => Self::Straight,
        }
    }

    /// Returns the letter that a layout shows.
    pub(crate) fn letter(self) -> &'static str {
        match self {
            Self::Straight => "S",
            Self::Pivot => "P",
            Self::Stacked => "K",
            Self::Tree => "T",
        }
    }
}

/// A cube laid out in two directions.
pub(crate) struct Pivot<'a> {
    cube: &'a Cube,
    doc: &'a Doc,
    left: Vec<usize>,
    top: Vec<usize>,
    /// The keys of the rows, in order: the element of each left dimension.
    rows: Vec<Vec<u32>>,
    /// The keys of the columns, each with the measure it shows.
    columns: Vec<(Vec<u32>, usize)>,
}

impl<'a> Pivot<'a> {
    /// Lays out a cube: the first `qNoOfLeftDims` dimensions, in the order of sorting, go left (all of them if negative),
    /// the others to the top, and the measures below those.
    pub(crate) fn new(cube: &'a Cube, doc: &'a Doc, def: &Value) -> Self {
        let mut dimensions = cube.dimension_order();
        let count = def["qNoOfLeftDims"].as_i64().and_then(|count| usize::try_from(count).ok());
        let top = dimensions.split_off(count.unwrap_or(dimensions.len()).min(dimensions.len()));
        let left = dimensions;
        let rows = cube.keys(doc, &left);
        let measures = 0..cube.measure_count();
        let columns = cube
            .keys(doc, &top)
            .into_iter()
            .flat_map(|key| measures.clone().map(move |measure| (key.clone(), measure)))
            .collect();
        Self { cube, doc, left, top, rows, columns }
    }

    /// Returns `qSize`: columns and rows of the data.
    pub(crate) fn size(&self) -> Value {
        json!({"qcx": self.columns.len(), "qcy": self.rows.len()})
    }

    /// Cuts pages out of the table.
    ///
    /// # Errors
    ///
    /// 7009 if they hold more cells than `cell_limit`.
    pub(crate) fn pages(&self, pages: &[Value], cell_limit: usize) -> Result<Value, EngineError> {
        let areas: Vec<Area> = pages.iter().map(Area::parse).collect();
        check_areas(&areas, cell_limit)?;
        Ok(areas.iter().map(|area| self.page(area)).collect::<Vec<Value>>().into())
    }

    fn page(&self, area: &Area) -> Value {
        let (columns, rows) = (area.columns(self.columns.len()), area.rows(self.rows.len()));
        let data: Vec<Value> = self.rows[rows.clone()]
            .iter()
            .map(|row| {
                let cells = self.columns[columns.clone()].iter();
                cells
                    .map(|(column, measure)| self.point(row, column, *measure))
                    .collect::<Vec<Value>>()
                    .into()
            })
            .collect();
        let row_keys: Vec<Vec<Step>> =
            self.rows.iter().map(|key| key.iter().copied().map(Step::Element).collect()).collect();
        let shows_measures = self.cube.measure_count() > 1;
        let column_keys: Vec<Vec<Step>> = self
            .columns
            .iter()
            .map(|(key, measure)| {
                let pseudo = shows_measures.then_some(Step::Measure(*measure));
                key.iter().copied().map(Step::Element).chain(pseudo).collect()
            })
            .collect();
        json!({
            "qLeft": self.headings(&self.left, &row_keys, rows.clone(), 0),
            "qTop": self.headings(&self.top, &column_keys, columns.clone(), 0),
            "qData": data,
            "qArea": {"qLeft": columns.start, "qTop": rows.start, "qWidth": columns.len(), "qHeight": rows.len()},
        })
    }

    fn point(&self, row: &[u32], column: &[u32], measure: usize) -> Value {
        let mut elements = vec![0; self.left.len() + self.top.len()];
        for (at, element) in self.left.iter().chain(&self.top).zip(row.iter().chain(column)) {
            elements[*at] = *element;
        }
        match self.cube.value(&elements, measure) {
            None | Some(Val::Null) => json!({"qText": "-", "qNum": "NaN", "qType": "U"}),
            Some(value) => json!({"qText": value.text(), "qNum": number(value.num()), "qType": "V"}),
        }
    }

    /// Returns the cells of a heading at one depth, with those below them.
    ///
    /// A cell that goes on outside the window says by how many rows or columns.
    fn headings(
        &self,
        dimensions: &[usize],
        keys: &[Vec<Step>],
        window: Range<usize>,
        depth: usize,
    ) -> Value {
        let mut cells = Vec::new();
        let mut at = window.start;
        while at < window.end {
            let Some(step) = keys[at].get(depth) else { break };
            let same = |other: usize| keys[other][..=depth] == keys[at][..=depth];
            let first = (0..=at).rev().take_while(|other| same(*other)).last().unwrap_or(at);
            let last = (at..keys.len()).take_while(|other| same(*other)).last().unwrap_or(at);
            let end = (last + 1).min(window.end);
            let (text, element, value, kind) = match step {
                Step::Element(element) => {
                    let (text, value) = self.cube.symbol(self.doc, dimensions[depth], *element);
                    (text, i64::from(*element), value, "N")
                }
                Step::Measure(measure) => (self.cube.measure_title(*measure), -1, None, "P"),
            };
            cells.push(json!({
                "qText": text, "qElemNo": element, "qValue": number(value), "qType": kind,
                "qCanExpand": false, "qCanCollapse": false,
                "qUp": at - first, "qDown": last + 1 - end,
                "qSubNodes": self.headings(dimensions, keys, at..end, depth + 1),
            }));
            at = end;
        }
        cells.into()
    }

    /// Returns stacked pages: one root each, the dimensions below it, and the values as their leaves.
    ///
    /// # Errors
    ///
    /// 7009 if a page has more cells than `most`.
    pub(crate) fn stack(&self, pages: &[Value], most: usize) -> Result<Value, EngineError> {
        let areas: Vec<Area> = pages.iter().map(Area::parse).collect();
        let mut out = Vec::new();
        for area in &areas {
            let (columns, rows) = (area.columns(self.columns.len()), area.rows(self.rows.len()));
            let cells = rows.len().saturating_mul(columns.len());
            if cells > most {
                return Err(EngineError::new(7009, format!("{cells} cells asked for, {most} allowed")));
            }
            let mut paths = Vec::new();
            for row in &self.rows[rows.clone()] {
                for (column, measure) in &self.columns[columns.clone()] {
                    let point = self.point(row, column, *measure);
                    // A stack has no cells for what does not occur.
                    if point["qType"] == "V" {
                        paths.push((row.iter().chain(column).copied().collect(), point));
                    }
                }
            }
            let dimensions: Vec<usize> = self.left.iter().chain(&self.top).copied().collect();
            let mut root = json!({"qElemNo": 0, "qType": "R", "qValue": "NaN", "qRow": 0});
            self.stack_below(&mut root, &dimensions, &paths, 0);
            let (width, height) = (columns.len(), rows.len());
            let area =
                json!({"qLeft": columns.start, "qTop": rows.start, "qWidth": width, "qHeight": height});
            out.push(json!({"qData": [root], "qArea": area}));
        }
        Ok(out.into())
    }

    fn stack_below(&self, node: &mut Value, dimensions: &[usize], paths: &[(Vec<u32>, Value)], depth: usize) {
        let nums = || paths.iter().filter_map(|(_, point)| point["qNum"].as_f64());
        node["qMaxPos"] = json!(nums().filter(|num| *num > 0.0).sum::<f64>());
        node["qMinNeg"] = json!(nums().filter(|num| *num < 0.0).sum::<f64>());
        let mut below = Vec::new();
        let Some(dimension) = dimensions.get(depth) else {
            for (row, (_, point)) in paths.iter().enumerate() {
                below.push(json!({
                    "qText": point["qText"], "qElemNo": -1, "qValue": point["qNum"], "qType": "V", "qRow": row,
                    "qSubNodes": [],
                }));
            }
            node["qSubNodes"] = below.into();
            return;
        };
        for group in paths.chunk_by(|(a, _), (b, _)| a[depth] == b[depth]) {
            let element = group[0].0[depth];
            let (text, value) = self.cube.symbol(self.doc, *dimension, element);
            let mut cell = json!({
                "qText": text, "qElemNo": element, "qValue": number(value), "qType": "N", "qRow": below.len(),
            });
            self.stack_below(&mut cell, dimensions, group, depth + 1);
            below.push(cell);
        }
        node["qSubNodes"] = below.into();
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Element(u32),
    Measure(usize),
}

/// Returns the nodes of a tree, from its root down, within the window that `options` asks for.
///
/// # Errors
///
/// 7009 if there are more nodes than `limit`, or than the options allow.
pub(crate) fn tree(doc: &Doc, def: &Value, options: &Value, limit: usize) -> Result<Value, EngineError> {
    let hold: Cell<Option<Hold>> = Cell::new(None);
    let count = def["qDimensions"].as_array().map_or(0, Vec::len);
    // One cube for each depth, so that inner nodes have values of their own, whatever the measures are.
    let cubes: Vec<Cube> = (0..=count)
        .map(|depth| {
            let mut def = def.clone();
            if let Some(dimensions) = def["qDimensions"].as_array_mut() {
                dimensions.truncate(depth);
            }
            def["qInterColumnSortOrder"] = json!([]);
            hypercube::compute(doc, &def, &hold)
        })
        .collect();
    let depth = options["qTreeLevels"]["qDepth"].as_i64().and_then(|depth| usize::try_from(depth).ok());
    let depth = depth.unwrap_or(count).min(count);
    let areas: Vec<Area> = options["qTreeNodes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|node| Area::parse(&node["qArea"]))
        .collect();
    let most =
        options["qMaxNbrOfNodes"].as_u64().filter(|most| *most > 0).map_or(limit, |most| most as usize);
    let mut tree = Tree { doc, cubes: &cubes, depth, areas: &areas, left: most.min(limit) };
    let root = tree.node(&mut Vec::new(), 0, 1)?;
    Ok(json!([root]))
}

struct Tree<'a> {
    doc: &'a Doc,
    cubes: &'a [Cube],
    depth: usize,
    /// By level below the root: which of the nodes are wanted.
    areas: &'a [Area],
    left: usize,
}

impl Tree<'_> {
    fn node(&mut self, path: &mut Vec<u32>, place: usize, siblings: usize) -> Result<Value, EngineError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| EngineError::new(7009, "too many nodes"))?;
        let level = path.len();
        let cube = &self.cubes[level];
        let values: Vec<Value> = (0..cube.measure_count())
            .map(|measure| {
                let value = cube.value(path, measure).cloned().unwrap_or(Val::Null);
                json!({"qText": value.text(), "qValue": number(value.num())})
            })
            .collect();
        let mut node = Map::new();
        let (text, num) = match path.last() {
            Some(element) => cube.symbol(self.doc, level - 1, *element),
            None => (String::new(), None),
        };
        let element = path.last().map_or(-1, |element| i64::from(*element));
        let mut nodes = Vec::new();
        if level < self.depth {
            let below: Vec<u32> = self.cubes[level + 1].elements_below(path);
            let window = self.areas.get(level).map_or(0..below.len(), |area| area.rows(below.len()));
            for place in window {
                path.push(below[place]);
                nodes.push(self.node(path, place, below.len())?);
                path.pop();
            }
        }
        let row = place;
        let kind = if level == 0 { "R" } else { "N" };
        for (name, value) in [
            ("qText", json!(text)),
            ("qValue", number(num)),
            ("qElemNo", json!(element)),
            ("qGroupPos", json!(place)),
            ("qGroupSize", json!(siblings)),
            ("qRow", json!(row)),
            ("qType", json!(kind)),
            ("qValues", json!(values)),
            ("qNodes", json!(nodes)),
            ("qState", json!("O")),
            ("qTreePath", json!(path)),
        ] {
            node.insert(name.to_owned(), value);
        }
        Ok(node.into())
    }
}
