//! Layouts: properties with their dynamic members evaluated.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use super::app::{Entity, Kind, TIMESTAMP};
use super::doc::Doc;
use super::eval::{Hold, Val};
use super::listobject::number;
use super::{hypercube, listobject, lists};

/// What an evaluation needs to know.
pub(crate) struct View<'a> {
    pub(crate) doc: &'a Doc,
    pub(crate) hold: &'a Cell<Option<Hold>>,
    pub(crate) cell_limit: usize,
}

/// Returns the layout of an entity.
pub(crate) fn layout(view: &View<'_>, entity: &Entity) -> Value {
    let Some(props) = entity.effective().as_object() else { return json!({}) };
    let mut out = Map::new();
    out.insert("qInfo".into(), props.get("qInfo").cloned().unwrap_or_default());
    out.insert("qMeta".into(), meta(entity));
    if entity.kind == Kind::Object {
        out.insert("qSelectionInfo".into(), selection_info(view.doc, entity.id()));
    }
    let mut path = String::new();
    for (key, value) in props {
        if !matches!(key.as_str(), "qInfo" | "qMetaDef") {
            member(view, entity, key, value, &mut path, &mut out);
        }
    }
    match entity.kind {
        Kind::Variable => {
            let value = entity.props["qName"].as_str().and_then(|name| view.doc.variable_value(name));
            let value = value.unwrap_or(Val::Null);
            out.remove("qName");
            out.remove("qDefinition");
            out.insert("qText".into(), json!(value.text()));
            out.insert("qNum".into(), number(value.num()));
        }
        Kind::Bookmark => {
            out.insert("qBookmark".into(), lists::bookmark_fields(view.doc, entity));
        }
        _ => {}
    }
    Value::Object(out)
}

fn selection_info(doc: &Doc, id: &str) -> Value {
    match &doc.modal {
        Some(modal) if modal.object == id => {
            let made = modal.start.fields() != doc.selections.fields();
            json!({"qInSelections": true, "qMadeSelections": made})
        }
        _ => json!({}),
    }
}

/// Returns `qMeta`: what the author wrote in `qMetaDef`, and what the engine knows.
pub(crate) fn meta(entity: &Entity) -> Value {
    let mut out = entity.effective()["qMetaDef"].as_object().cloned().unwrap_or_default();
    if entity.persisted {
        out.insert("createdDate".into(), json!(TIMESTAMP));
        out.insert("modifiedDate".into(), json!(TIMESTAMP));
        out.insert("published".into(), json!(false));
    }
    out.insert("privileges".into(), json!(["read", "update", "delete", "exportdata"]));
    Value::Object(out)
}

/// Evaluates one member of the properties into the layout, whatever its depth.
fn member(
    view: &View<'_>,
    entity: &Entity,
    key: &str,
    value: &Value,
    path: &mut String,
    out: &mut Map<String, Value>,
) {
    let length = path.len();
    path.push('/');
    path.push_str(key);
    let (name, evaluated) = match key {
        "qHyperCubeDef" => {
            let cube = view
                .doc
                .cube(&format!("{}{path}", entity.id()), || hypercube::compute(view.doc, value, view.hold));
            ("qHyperCube", cube.layout(view.doc, value, view.cell_limit))
        }
        "qListObjectDef" => ("qListObject", list_object(view, entity, value, path)),
        _ => match lists::layout(view.doc, entity, key, value) {
            Some(pair) => pair,
            None => (key, nested(view, entity, value, path)),
        },
    };
    out.insert(name.to_owned(), evaluated);
    path.truncate(length);
}

fn list_object(view: &View<'_>, entity: &Entity, def: &Value, path: &str) -> Value {
    let search = view.doc.searches.get(&(entity.id().to_owned(), path.to_owned()));
    match listobject::compute(view.doc, def, search.map(String::as_str)) {
        Some(list) => list.layout(view.doc, def, view.cell_limit),
        None => json!({
            "qSize": {"qcx": 0, "qcy": 0},
            "qError": {"qErrorCode": 7000, "qContext": ""},
            "qDimensionInfo": {"qCardinal": 0, "qError": {"qErrorCode": 7000}},
            "qExpressions": [],
            "qDataPages": [],
        }),
    }
}

fn nested(view: &View<'_>, entity: &Entity, value: &Value, path: &mut String) -> Value {
    match value {
        Value::Object(map) => {
            if let Some(evaluated) = expression(view, map) {
                return evaluated;
            }
            let mut out = Map::new();
            for (key, value) in map {
                member(view, entity, key, value, path, &mut out);
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut out = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let length = path.len();
                path.push_str(&format!("/{index}"));
                out.push(nested(view, entity, item, path));
                path.truncate(length);
            }
            Value::Array(out)
        }
        other => other.clone(),
    }
}

/// Evaluates `{"qStringExpression": …}` and `{"qValueExpression": …}`.
fn expression(view: &View<'_>, map: &Map<String, Value>) -> Option<Value> {
    let text = |value: &Value| value.as_str().or_else(|| value["qExpr"].as_str()).map(str::to_owned);
    if let Some(definition) = map.get("qStringExpression") {
        let text = text(definition).unwrap_or_default();
        let shown = view.doc.eval(&text, view.hold).map_or_else(|error| error, |value| value.text());
        return Some(json!(shown));
    }
    let definition = map.get("qValueExpression")?;
    let text = text(definition).unwrap_or_default();
    Some(number(view.doc.eval(&text, view.hold).ok().and_then(|value| value.num())))
}

/// What makes a layout invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Selections, data or variables: whatever is calculated.
    Data,
    /// Objects came, went or were renamed: whatever lists them.
    Lists,
}

/// Tells whether properties hold a member, at any depth, that the cause touches.
pub(crate) fn depends(props: &Value, cause: Cause) -> bool {
    match props {
        Value::Object(map) => map.iter().any(|(key, value)| {
            let own = match key.as_str() {
                "qHyperCubeDef"
                | "qListObjectDef"
                | "qSelectionObjectDef"
                | "qStringExpression"
                | "qValueExpression"
                | "qTreeDataDef" => cause == Cause::Data,
                "qAppObjectListDef" | "qDimensionListDef" | "qMeasureListDef" | "qBookmarkListDef"
                | "qVariableListDef" | "qChildListDef" => cause == Cause::Lists,
                "qFieldListDef" => true,
                _ => false,
            };
            own || depends(value, cause)
        }),
        Value::Array(items) => items.iter().any(|item| depends(item, cause)),
        _ => false,
    }
}
