//! Selections made through objects, and the modal state that guards them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::doc::{Doc, Modal};
use super::super::errors::EngineError;
use super::super::peer::Outcome;
use super::super::{hypercube, listobject};
use super::dispatch::{Call, nothing, one};
use super::generic_object::definition;

pub(super) fn call(call: &mut Call<'_>, method: &str, id: &str) -> Option<Outcome> {
    Some(match method {
        "SelectListObjectValues" => list_values(call, id),
        "SelectListObjectAll" => list_states(call, id, &["S", "O", "A", "X", "XS"]),
        "SelectListObjectPossible" => list_states(call, id, &["S", "O"]),
        "SelectListObjectExcluded" => list_states(call, id, &["X", "A", "XS"]),
        "SelectListObjectAlternative" => list_states(call, id, &["A"]),
        "SelectHyperCubeValues" => cube_values(call, id),
        "SelectHyperCubeCells" => cube_cells(call, id),
        "RangeSelectHyperCubeValues" => cube_ranges(call, id),
        "ClearSelections" => clear(call, id),
        "Lock" => lock(call, id, true),
        "Unlock" => lock(call, id, false),
        "SearchListObjectFor" => search(call, id),
        "AbortListObjectSearch" => abort_search(call, id),
        "AcceptListObjectSearch" => accept_search(call, id),
        "BeginSelections" => begin(call, id),
        "EndSelections" => end(call, id),
        "ResetMadeSelections" => reset(call, id),
        _ => return None,
    })
}

/// Returns the field names that an object's path stands for: one for a list, one by dimension for a cube.
fn fields(doc: &Doc, id: &str, path: &str) -> Result<Vec<Option<String>>, EngineError> {
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, path)?;
    let columns = if path.ends_with("qListObjectDef") {
        let list = listobject::compute(doc, def, None);
        vec![list.map(|list| list.column)]
    } else {
        hypercube::dimension_columns(doc, def)
    };
    Ok(columns.into_iter().map(|at| at.map(|at| doc.table().columns[at].name.clone())).collect())
}

fn list_field(doc: &Doc, id: &str, path: &str) -> Result<String, EngineError> {
    let first = fields(doc, id, path)?.into_iter().next().flatten();
    first.ok_or_else(|| EngineError::new(6000, path))
}

fn guard(doc: &Doc, id: &str) -> Result<(), EngineError> {
    if doc.blocked_for(Some(id)) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    Ok(())
}

/// Reads element numbers; unknown ones are dropped, as there is nothing to select.
pub(super) fn elements(doc: &Doc, field: &str, values: &[Value]) -> BTreeSet<u32> {
    let count = doc.table().column(field).map_or(0, |column| column.symbols.len());
    let known =
        |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (*n as usize) < count);
    values.iter().filter_map(known).collect()
}

/// Selects `values`, or in toggle mode turns each of them over.
pub(super) fn choose(
    call: &mut Call<'_>,
    field: &str,
    values: BTreeSet<u32>,
    toggles: bool,
) -> Result<bool, EngineError> {
    let doc = call.session.doc()?;
    let values = if toggles {
        let now = doc.selections.field(field).map(|selection| selection.values.clone()).unwrap_or_default();
        now.symmetric_difference(&values).copied().collect()
    } else {
        values
    };
    let before = doc.selections.fields().clone();
    let done = doc.selections.select(field, values);
    if *doc.selections.fields() != before {
        call.session.selections_changed();
    }
    Ok(done)
}

fn list_values(call: &mut Call<'_>, id: &str) -> Outcome {
    let (path, values) = (call.params.str(0)?.to_owned(), call.params.array(1)?.to_vec());
    let toggles = call.params.flag(2);
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let field = list_field(doc, id, &path)?;
    let wanted = elements(doc, &field, &values);
    if wanted.is_empty() && !values.is_empty() {
        return one("qSuccess", false);
    }
    one("qSuccess", choose(call, &field, wanted, toggles)?)
}

fn list_states(call: &mut Call<'_>, id: &str, letters: &[&str]) -> Outcome {
    let path = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let field = list_field(doc, id, &path)?;
    let wanted = in_states(doc, &field, letters);
    if wanted.is_empty() {
        return one("qSuccess", false);
    }
    one("qSuccess", choose(call, &field, wanted, false)?)
}

/// Returns the values of a field that are in one of the states.
pub(super) fn in_states(doc: &Doc, field: &str, letters: &[&str]) -> BTreeSet<u32> {
    let Some(at) = doc.table().column_index(field) else { return BTreeSet::new() };
    let states = doc.associations().states(doc.table(), at, doc.selections.fields());
    (0u32..).zip(states).filter(|(_, state)| letters.contains(state)).map(|(value, _)| value).collect()
}

fn cube_values(call: &mut Call<'_>, id: &str) -> Outcome {
    let (path, number, values) =
        (call.params.str(0)?.to_owned(), call.params.num(1)?, call.params.array(2)?.to_vec());
    let toggles = call.params.flag(3);
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let field = fields(doc, id, &path)?.into_iter().nth(number.max(0.0) as usize).flatten();
    let field = field.ok_or_else(|| EngineError::new(6000, path))?;
    let wanted = elements(doc, &field, &values);
    one("qSuccess", choose(call, &field, wanted, toggles)?)
}

fn cube_cells(call: &mut Call<'_>, id: &str) -> Outcome {
    let cell_limit = call.session.config.cell_limit;
    let path = call.params.str(0)?.to_owned();
    let (rows, columns) = (call.params.array(1)?.to_vec(), call.params.array(2)?.to_vec());
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let names = fields(doc, id, &path)?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, _) = definition(entity, &path)?;
    let cube = hypercube::compute(doc, def, &call.hold);
    let mut chosen: Vec<(String, BTreeSet<u32>)> = Vec::new();
    for column in columns.iter().filter_map(Value::as_u64) {
        let Some(Some(name)) = names.get(column as usize) else { continue };
        let mut values = BTreeSet::new();
        for row in rows.iter().filter_map(Value::as_u64).take(cell_limit) {
            let page = serde_json::json!([{"qTop": row, "qLeft": column, "qWidth": 1, "qHeight": 1}]);
            let pages = cube.pages(doc, page.as_array().map_or(&[], Vec::as_slice), cell_limit)?;
            let element = &pages[0]["qMatrix"][0][0]["qElemNumber"];
            values.extend(elements(doc, name, std::slice::from_ref(element)));
        }
        chosen.push((name.clone(), values));
    }
    let mut done = !chosen.is_empty();
    for (name, values) in chosen {
        done &= choose(call, &name, values, false)?;
    }
    one("qSuccess", done)
}

/// Selects the dimension values of the rows whose measures are within the ranges.
fn cube_ranges(call: &mut Call<'_>, id: &str) -> Outcome {
    let (path, ranges) = (call.params.str(0)?.to_owned(), call.params.array(1)?.to_vec());
    let columns = call.params.value(2).and_then(Value::as_array).cloned().unwrap_or_default();
    let any = call.params.flag(3);
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let names = fields(doc, id, &path)?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, _) = definition(entity, &path)?;
    let cube = hypercube::compute(doc, def, &call.hold);
    let mut hits: Option<BTreeSet<Vec<u32>>> = None;
    for wanted in &ranges {
        let within = |value: f64| {
            let (range, bound) = (&wanted["qRange"], |name: &str| wanted["qRange"][name].as_f64());
            let low =
                bound("qMin").is_none_or(|low| value > low || (value == low && range["qMinInclEq"] == true));
            let high = bound("qMax")
                .is_none_or(|high| value < high || (value == high && range["qMaxInclEq"] == true));
            low && high
        };
        let measure = wanted["qMeasureIx"].as_u64().unwrap_or(0) as usize;
        let rows: BTreeSet<Vec<u32>> = cube.elements_where(measure, within).into_iter().collect();
        hits = Some(match hits {
            None => rows,
            Some(before) if any => before.union(&rows).cloned().collect(),
            Some(before) => before.intersection(&rows).cloned().collect(),
        });
    }
    let hits = hits.unwrap_or_default();
    let mut done = !hits.is_empty();
    for (at, name) in names.iter().enumerate() {
        let wanted = columns.is_empty() || columns.iter().any(|column| column.as_u64() == Some(at as u64));
        if let Some(name) = name.as_ref().filter(|_| wanted && !hits.is_empty()) {
            done &= choose(call, name, hits.iter().map(|elements| elements[at]).collect(), false)?;
        }
    }
    one("qSuccess", done)
}

fn clear(call: &mut Call<'_>, id: &str) -> Outcome {
    let path = call.params.str(0)?.to_owned();
    let columns = call.params.value(1).and_then(Value::as_array).cloned().unwrap_or_default();
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let names = fields(doc, id, &path)?;
    for (at, name) in names.into_iter().enumerate() {
        let wanted = columns.is_empty() || columns.iter().any(|column| column.as_u64() == Some(at as u64));
        if let Some(name) = name.filter(|_| wanted) {
            choose(call, &name, BTreeSet::new(), false)?;
        }
    }
    nothing()
}

fn lock(call: &mut Call<'_>, id: &str, locked: bool) -> Outcome {
    let path = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    for name in fields(doc, id, &path)?.into_iter().flatten() {
        doc.selections.set_lock(&name, locked);
    }
    call.session.selections_changed();
    nothing()
}

// A client can make the engine keep no more searches than this.
const MAX_SEARCHES: usize = 1000;

fn search(call: &mut Call<'_>, id: &str) -> Outcome {
    let (path, text) = (call.params.str(0)?.to_owned(), call.params.str(1)?.to_owned());
    let doc = call.session.doc()?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (_, path) = definition(entity, &path)?;
    if doc.searches.len() >= MAX_SEARCHES {
        doc.searches.pop_first();
    }
    doc.searches.insert((id.to_owned(), path), text);
    call.session.invalidate_entity(id);
    one("qSuccess", true)
}

fn abort_search(call: &mut Call<'_>, id: &str) -> Outcome {
    let path = call.params.str(0)?.to_owned();
    let doc = call.session.doc()?;
    doc.searches.remove(&(id.to_owned(), path));
    call.session.invalidate_entity(id);
    nothing()
}

fn accept_search(call: &mut Call<'_>, id: &str) -> Outcome {
    let path = call.params.str(0)?.to_owned();
    let toggles = call.params.flag(1);
    let doc = call.session.doc()?;
    guard(doc, id)?;
    let field = list_field(doc, id, &path)?;
    let entity = doc.app.entities.get(id).ok_or_else(|| EngineError::not_found(id))?;
    let (def, path) = definition(entity, &path)?;
    let key = (id.to_owned(), path);
    let text = doc.searches.get(&key).cloned();
    let list = listobject::compute(doc, def, text.as_deref());
    let values: BTreeSet<u32> = list.into_iter().flat_map(|list| list.order).collect();
    doc.searches.remove(&key);
    choose(call, &field, values, toggles)?;
    call.session.invalidate_entity(id);
    nothing()
}

fn begin(call: &mut Call<'_>, id: &str) -> Outcome {
    let paths = call.params.array(0)?.to_vec();
    let doc = call.session.doc()?;
    for path in paths.iter().filter_map(Value::as_str) {
        fields(doc, id, path)?;
    }
    // A second begin on the same object keeps the first starting point.
    guard(doc, id)?;
    if doc.modal.is_none() {
        doc.modal = Some(Modal { object: id.to_owned(), start: doc.selections.clone() });
    }
    call.session.invalidate_entity(id);
    nothing()
}

fn end(call: &mut Call<'_>, id: &str) -> Outcome {
    let accepts = call.params.flag(0);
    guard(call.session.doc()?, id)?;
    leave_modal(call, accepts)?;
    nothing()
}

fn reset(call: &mut Call<'_>, id: &str) -> Outcome {
    let doc = call.session.doc()?;
    guard(doc, id)?;
    if let Some(start) = doc.modal.as_ref().map(|modal| modal.start.clone()) {
        doc.selections = start;
        call.session.selections_changed();
    }
    nothing()
}

/// Ends the modal state, if there is one; without acceptance its selections are undone.
pub(super) fn leave_modal(call: &mut Call<'_>, accepts: bool) -> Result<(), EngineError> {
    let doc = call.session.doc()?;
    let Some(modal) = doc.modal.take() else { return Ok(()) };
    let undone = !accepts && modal.start.fields() != doc.selections.fields();
    if undone {
        doc.selections = modal.start;
    }
    call.session.invalidate_entity(&modal.object);
    if undone {
        call.session.selections_changed();
    }
    Ok(())
}
