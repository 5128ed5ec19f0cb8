//! Methods of Field.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::doc::Doc;
use super::super::errors::EngineError;
use super::super::listobject::glob;
use super::super::peer::Outcome;
use super::dispatch::{Call, nothing, one};
use super::object_selections::{choose, elements, in_states};

pub(super) fn call(call: &mut Call<'_>, method: &str, name: &str) -> Option<Outcome> {
    Some(match method {
        "GetCardinal" => call.session.doc().and_then(|doc| {
            one("qReturn", doc.table().column(name).map_or(0, |column| column.symbols.len()))
        }),
        "GetAndMode" => one("qReturn", false),
        "SetAndMode" | "SetNxProperties" => nothing(),
        "GetNxProperties" => one("qProperties", json!({"qOneAndOnlyOne": false})),
        "Select" => select(call, name, false),
        "ToggleSelect" => select(call, name, true),
        "SelectValues" => select_values(call, name),
        "LowLevelSelect" => low_level_select(call, name),
        "SelectAll" => states(call, name, &["S", "O", "A", "X", "XS"]),
        "SelectPossible" => states(call, name, &["S", "O"]),
        "SelectExcluded" => states(call, name, &["X", "A", "XS"]),
        "SelectAlternative" => states(call, name, &["A"]),
        "Clear" => {
            let done = free(call).and_then(|()| choose(call, name, BTreeSet::new(), false));
            done.and_then(|done| one("qReturn", done))
        }
        "ClearAllButThis" => clear_others(call, name),
        "Lock" => lock(call, name, true),
        "Unlock" => lock(call, name, false),
        _ => return None,
    })
}

fn free(call: &mut Call<'_>) -> Result<(), EngineError> {
    if call.session.doc()?.blocked_for(None) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    Ok(())
}

fn matching(doc: &Doc, name: &str, pattern: &str) -> BTreeSet<u32> {
    let Some(column) = doc.table().column(name) else { return BTreeSet::new() };
    let letters: Vec<char> = pattern.to_lowercase().chars().collect();
    let hits = |text: &str| glob(&letters, &text.to_lowercase().chars().collect::<Vec<_>>());
    (0u32..).zip(&column.symbols).filter(|(_, symbol)| hits(&symbol.text)).map(|(value, _)| value).collect()
}

fn select(call: &mut Call<'_>, name: &str, toggles: bool) -> Outcome {
    let pattern = call.params.str(0)?.to_owned();
    free(call)?;
    let values = matching(call.session.doc()?, name, &pattern);
    if values.is_empty() {
        return one("qReturn", false);
    }
    one("qReturn", choose(call, name, values, toggles)?)
}

fn select_values(call: &mut Call<'_>, name: &str) -> Outcome {
    let wanted = call.params.array(0)?.to_vec();
    let toggles = call.params.flag(1);
    free(call)?;
    let doc = call.session.doc()?;
    let Some(column) = doc.table().column(name) else { return one("qReturn", false) };
    let matches = |value: &Value, symbol: &super::super::table::Symbol| {
        if value["qIsNumeric"].as_bool() == Some(true) {
            symbol.num.is_some() && symbol.num == value["qNumber"].as_f64()
        } else {
            value["qText"].as_str() == Some(symbol.text.as_str())
        }
    };
    let found =
        (0u32..).zip(&column.symbols).filter(|(_, symbol)| wanted.iter().any(|value| matches(value, symbol)));
    let values: BTreeSet<u32> = found.map(|(value, _)| value).collect();
    if values.is_empty() {
        return one("qReturn", false);
    }
    one("qReturn", choose(call, name, values, toggles)?)
}

fn low_level_select(call: &mut Call<'_>, name: &str) -> Outcome {
    let values = call.params.array(0)?.to_vec();
    let toggles = call.params.flag(1);
    free(call)?;
    let values = elements(call.session.doc()?, name, &values);
    one("qReturn", choose(call, name, values, toggles)?)
}

fn states(call: &mut Call<'_>, name: &str, letters: &[&str]) -> Outcome {
    free(call)?;
    let values = in_states(call.session.doc()?, name, letters);
    if values.is_empty() {
        return one("qReturn", false);
    }
    one("qReturn", choose(call, name, values, false)?)
}

fn clear_others(call: &mut Call<'_>, name: &str) -> Outcome {
    free(call)?;
    let doc = call.session.doc()?;
    let mut fields = doc.selections.fields().clone();
    fields.retain(|other, selection| other == name || selection.locked);
    if doc.selections.replace(fields) {
        call.session.selections_changed();
    }
    one("qReturn", true)
}

fn lock(call: &mut Call<'_>, name: &str, locked: bool) -> Outcome {
    let done = call.session.doc()?.selections.set_lock(name, locked);
    if done {
        call.session.selections_changed();
    }
    one("qReturn", done)
}
