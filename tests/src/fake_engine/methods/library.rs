//! Creating and destroying on the Doc, and the methods of dimensions, measures, bookmarks and variables.

use serde_json::{Map, Value, json};

use super::super::app::Kind;
use super::super::errors::EngineError;
use super::super::eval::Val;
use super::super::handles::Target;
use super::super::layout::Cause;
use super::super::listobject::number;
use super::super::peer::Outcome;
use super::dispatch::{Call, nothing, one};
use super::generic_object;

/// The methods of Doc that make, apply or destroy entities.
pub(super) fn doc_call(call: &mut Call<'_>, method: &str) -> Option<Outcome> {
    let with_info = |call: &mut Call<'_>, kind| create(call, kind, true, true);
    Some(match method {
        "CreateObject" => with_info(call, Kind::Object),
        "CreateDimension" => with_info(call, Kind::Dimension),
        "CreateMeasure" => with_info(call, Kind::Measure),
        "CreateBookmark" | "CreateBookmarkEx" => with_info(call, Kind::Bookmark),
        "CreateVariableEx" => with_info(call, Kind::Variable),
        "CreateSessionObject" => create(call, Kind::Object, false, false),
        "CreateSessionVariable" => create(call, Kind::Variable, false, false),
        "GetOrCreateObject" => get_or_create(call),
        "DestroyObject" | "DestroySessionObject" => destroy(call, Kind::Object),
        "DestroyDimension" => destroy(call, Kind::Dimension),
        "DestroyMeasure" => destroy(call, Kind::Measure),
        "DestroyBookmark" => destroy(call, Kind::Bookmark),
        "DestroyVariableById" | "DestroySessionVariable" | "DestroySessionVariableById" => {
            destroy(call, Kind::Variable)
        }
        "DestroyVariableByName" | "DestroySessionVariableByName" => destroy_by_name(call),
        "ApplyBookmark" => {
            let id = call.params.str(0).map(str::to_owned);
            id.and_then(|id| apply_bookmark(call, &id))
        }
        "GetBookmarks" => entries(call, Kind::Bookmark),
        "GetVariables" => entries(call, Kind::Variable),
        _ => return None,
    })
}

/// The methods of a dimension, measure, bookmark or variable.
pub(super) fn call(call: &mut Call<'_>, method: &str, kind: Kind, id: &str) -> Option<Outcome> {
    let part = |call: &mut Call<'_>, name: &str, member: &str| {
        let value = call.session.doc().map(|doc| {
            doc.app.entities.get(id).map(|entity| entity.effective()[member].clone()).unwrap_or_default()
        });
        value.and_then(|value| one(name, value))
    };
    Some(match (kind, method) {
        (Kind::Dimension, "GetDimension") => part(call, "qDim", "qDim"),
        (Kind::Measure, "GetMeasure") => part(call, "qMeasure", "qMeasure"),
        (Kind::Dimension | Kind::Measure, "GetLinkedObjects") => one("qItems", json!([])),
        (Kind::Bookmark, "Apply") => apply_bookmark(call, id),
        (Kind::Variable, "SetStringValue") => {
            let text = call.params.str(0).map(str::to_owned);
            text.and_then(|text| set_variable(call, id, text))
        }
        (Kind::Variable, "SetNumValue") => {
            let num = call.params.num(0);
            num.and_then(|num| set_variable(call, id, Val::Num(num).text()))
        }
        (Kind::Variable, "SetDualValue") => {
            let text = call.params.str(0).map(str::to_owned);
            text.and_then(|text| set_variable(call, id, text))
        }
        (Kind::Variable, "GetRawContent") => part(call, "qReturn", "qDefinition"),
        (_, "GetLayout" | "GetProperties" | "SetProperties" | "GetInfo" | "ApplyPatches") => {
            return generic_object::call(call, method, id);
        }
        (_, "Publish" | "UnPublish" | "Approve" | "UnApprove") => nothing(),
        _ => return None,
    })
}

fn default_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Object => "object",
        Kind::Dimension => "dimension",
        Kind::Measure => "measure",
        Kind::Bookmark => "bookmark",
        Kind::Variable => "variable",
    }
}

// More than any real app has, and little enough to bound the engine's memory.
const MAX_ENTITIES: usize = 100_000;

// A property tree of this depth is the deepest that JSON parsers with the usual limit can still read.
const MAX_DEPTH: usize = 50;

/// Adds an entity; returns its info.
///
/// # Errors
///
/// 3 if the id is taken, 18000 and 18001 for variables without a name of their own.
pub(super) fn insert(
    call: &mut Call<'_>,
    kind: Kind,
    mut props: Value,
    parent: Option<&str>,
    persisted: bool,
) -> Result<Value, EngineError> {
    let generated = match props["qInfo"]["qId"].as_str() {
        Some(id) if !id.is_empty() => None,
        _ => Some(call.session.generate_id()),
    };
    if let Some(map) = props.as_object_mut() {
        let info = map.entry("qInfo").or_insert_with(|| json!({}));
        if !info.is_object() {
            return Err(EngineError::invalid_params("qInfo is no object"));
        }
        if let Some(id) = generated {
            info["qId"] = json!(id);
        }
        if !info["qType"].is_string() {
            info["qType"] = json!(default_type(kind));
        }
    }
    let info = props["qInfo"].clone();
    let id = info["qId"].as_str().unwrap_or_default().to_owned();
    let doc = call.session.doc()?;
    if doc.app.entities.contains_key(&id) {
        return Err(EngineError::new(3, id));
    }
    if doc.app.entities.len() >= MAX_ENTITIES {
        return Err(EngineError::new(6, "too many objects"));
    }
    let mut depth = 0;
    let mut ancestor = parent.and_then(|id| doc.app.entities.get(id));
    while let Some(entity) = ancestor {
        depth += 1;
        ancestor = entity.parent.as_deref().and_then(|id| doc.app.entities.get(id));
    }
    if depth > MAX_DEPTH {
        return Err(EngineError::new(6, "children nested too deep"));
    }
    if kind == Kind::Variable {
        let name = props["qName"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(EngineError::new(18000, ""));
        }
        if doc.app.variable(name).is_some() {
            return Err(EngineError::new(18001, name));
        }
    }
    let fields = if kind == Kind::Bookmark { Some(doc.selections.fields().clone()) } else { None };
    doc.app.insert(kind, props, parent, persisted);
    if let (Some(fields), Some(entity)) = (fields, doc.app.entities.get_mut(&id)) {
        entity.fields = fields;
    }
    if persisted || kind != Kind::Object {
        call.session.invalidate_for(Cause::Lists);
    }
    Ok(info)
}

fn create(call: &mut Call<'_>, kind: Kind, persisted: bool, with_info: bool) -> Outcome {
    let props = call.params.take_object(0)?;
    let info = insert(call, kind, props, None, persisted)?;
    let id = info["qId"].as_str().unwrap_or_default().to_owned();
    let reference = call.session.refer(call.peer, Target::Entity(kind, id));
    let mut result = Map::new();
    if with_info {
        result.insert("qInfo".to_owned(), info);
    }
    result.insert("qReturn".to_owned(), reference);
    Ok(result)
}

fn get_or_create(call: &mut Call<'_>) -> Outcome {
    let props = call.params.take_object(0)?;
    let id = props["qInfo"]["qId"].as_str().unwrap_or_default().to_owned();
    let exists = call.session.doc()?.app.find(Kind::Object, &id).is_some();
    let id = if exists {
        id
    } else {
        let info = insert(call, Kind::Object, props, None, true)?;
        info["qId"].as_str().unwrap_or_default().to_owned()
    };
    let reference = call.session.refer(call.peer, Target::Entity(Kind::Object, id));
    Ok(Map::from_iter([("qNewObject".to_owned(), json!(!exists)), ("qReturn".to_owned(), reference)]))
}

fn destroy(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let id = call.params.str(0)?.to_owned();
    one("qSuccess", call.session.destroy(kind, &id))
}

fn destroy_by_name(call: &mut Call<'_>) -> Outcome {
    let name = call.params.str(0)?.to_owned();
    let id = call.session.doc()?.app.variable(&name).map(|entity| entity.id().to_owned());
    one("qSuccess", id.is_some_and(|id| call.session.destroy(Kind::Variable, &id)))
}

fn apply_bookmark(call: &mut Call<'_>, id: &str) -> Outcome {
    let doc = call.session.doc()?;
    if doc.blocked_for(None) {
        return Err(EngineError::new(6003, "modal selections are made elsewhere"));
    }
    let Some(fields) = doc.app.find(Kind::Bookmark, id).map(|bookmark| bookmark.fields.clone()) else {
        return one("qSuccess", false);
    };
    if doc.selections.replace(fields) {
        call.session.selections_changed();
    }
    one("qSuccess", true)
}

fn set_variable(call: &mut Call<'_>, id: &str, definition: String) -> Outcome {
    if let Some(entity) = call.session.doc()?.app.entities.get_mut(id) {
        entity.props["qDefinition"] = json!(definition);
    }
    call.session.invalidate_entity(id);
    call.session.invalidate_for(Cause::Data);
    call.session.invalidate_for(Cause::Lists);
    nothing()
}

fn entries(call: &mut Call<'_>, kind: Kind) -> Outcome {
    let doc = call.session.doc()?;
    let list = doc.app.in_order().into_iter().filter(|entity| entity.kind == kind);
    let item = |entity: &super::super::app::Entity| {
        let mut item = json!({"qInfo": entity.props["qInfo"], "qMeta": super::super::layout::meta(entity)});
        if let Some(name) = entity.props["qName"].as_str() {
            let value = doc.variable_value(name).unwrap_or(Val::Null);
            item["qName"] = json!(name);
            item["qDefinition"] = entity.props["qDefinition"].clone();
            item["qText"] = json!(value.text());
            item["qNum"] = number(value.num());
        }
        item
    };
    one("qList", list.map(item).collect::<Vec<_>>())
}
