//! The lists that layouts can show: sheets, dimensions, measures, bookmarks, variables, fields, media, children, selections.

use serde_json::{Map, Value, json};

use super::app::{App, Entity, Kind};
use super::doc::Doc;
use super::layout::meta;
use super::listobject::{number, state_counts};

/// Returns the layout member of a list definition, or nothing if `key` defines no list.
pub(crate) fn layout(doc: &Doc, owner: &Entity, key: &str, def: &Value) -> Option<(&'static str, Value)> {
    let wanted = def["qType"].as_str().unwrap_or_default();
    Some(match key {
        "qAppObjectListDef" => ("qAppObjectList", {
            let takes = |entity: &Entity| {
                entity.kind == Kind::Object
                    && entity.parent.is_none()
                    && entity.persisted
                    && entity.type_() == wanted
            };
            items(doc, def, takes)
        }),
        "qDimensionListDef" => ("qDimensionList", items(doc, def, |entity| entity.kind == Kind::Dimension)),
        "qMeasureListDef" => ("qMeasureList", items(doc, def, |entity| entity.kind == Kind::Measure)),
        "qBookmarkListDef" => ("qBookmarkList", items(doc, def, |entity| entity.kind == Kind::Bookmark)),
        "qVariableListDef" => ("qVariableList", variables(doc, def)),
        "qChildListDef" => ("qChildList", children(doc, owner, def)),
        "qFieldListDef" => ("qFieldList", fields(doc)),
        "qMediaListDef" => ("qMediaList", media(&doc.app)),
        "qSelectionObjectDef" => ("qSelectionObject", selections(doc)),
        _ => return None,
    })
}

fn items(doc: &Doc, def: &Value, takes: impl Fn(&Entity) -> bool) -> Value {
    let listed = doc.app.in_order().into_iter().filter(|entity| takes(entity));
    json!({ "qItems": listed.map(|entity| item(def, entity)).collect::<Vec<_>>() })
}

fn item(def: &Value, entity: &Entity) -> Value {
    json!({
        "qInfo": entity.effective()["qInfo"],
        "qMeta": meta(entity),
        "qData": picked(&def["qData"], entity),
    })
}

/// Returns what `qData` asks for: each member is a path into the properties, or into `qMeta` by its layout name.
fn picked(paths: &Value, entity: &Entity) -> Value {
    let mut out = Map::new();
    for (key, path) in paths.as_object().into_iter().flatten() {
        let path = path.as_str().unwrap_or_default();
        let found = match path.strip_prefix("/qMeta/") {
            Some(rest) => meta(entity).get(rest).cloned(),
            None => entity.effective().pointer(path).cloned(),
        };
        if let Some(value) = found {
            out.insert(key.clone(), value);
        }
    }
    Value::Object(out)
}

fn variables(doc: &Doc, def: &Value) -> Value {
    let shown = doc.app.in_order().into_iter().filter(|entity| entity.kind == Kind::Variable);
    let item = |entity: &Entity| {
        json!({
            "qName": entity.props["qName"],
            "qDefinition": entity.props["qDefinition"],
            "qMeta": meta(entity),
            "qInfo": entity.props["qInfo"],
            "qData": picked(&def["qData"], entity),
            "qDescription": entity.props["qComment"].as_str().unwrap_or_default(),
            "qIsScriptCreated": false,
        })
    };
    json!({ "qItems": shown.map(item).collect::<Vec<_>>() })
}

fn children(doc: &Doc, owner: &Entity, def: &Value) -> Value {
    let children = owner.children.iter().filter_map(|id| doc.app.find(Kind::Object, id));
    json!({ "qItems": children.map(|entity| item(def, entity)).collect::<Vec<_>>() })
}

/// Returns the images of an app: one for an app with data, none for others.
pub(crate) fn media(app: &App) -> Value {
    let url = format!("/appcontent/{}/logo.png", app.id);
    let items = if app.has_data { json!([{"qUrlDef": url, "qUrl": url}]) } else { json!([]) };
    json!({ "qItems": items })
}

fn fields(doc: &Doc) -> Value {
    let table = doc.table();
    let item = |column: &super::table::Column| {
        json!({
            "qName": column.name,
            "qCardinal": column.symbols.len(),
            "qTags": column.tags(),
            "qSrcTables": [table.name],
        })
    };
    json!({ "qItems": table.columns.iter().map(item).collect::<Vec<_>>() })
}

// The engine names single values up to this many; beyond it writes how many there are.
const THRESHOLD: usize = 6;

fn selections(doc: &Doc) -> Value {
    let mut rows = Vec::new();
    let fields = doc.selections.fields();
    for (index, (name, selection)) in fields.iter().enumerate() {
        let Some(at) = doc.table().column_index(name) else { continue };
        let column = &doc.table().columns[at];
        let states = doc.associations().states(doc.table(), at, fields);
        let texts: Vec<&str> = selection
            .values
            .iter()
            .filter_map(|value| column.symbols.get(*value as usize))
            .map(|symbol| symbol.text.as_str())
            .collect();
        let selected = if texts.len() > THRESHOLD {
            format!("{} of {}", texts.len(), column.symbols.len())
        } else {
            texts.join(", ")
        };
        rows.push(json!({
            "qTotal": column.symbols.len(),
            "qIsNum": column.is_numeric(),
            "qField": name,
            "qReadableName": name,
            "qLocked": selection.locked,
            "qOneAndOnlyOne": false,
            "qSelectedCount": texts.len(),
            "qSelected": selected,
            "qRangeInfo": [],
            "qSortIndex": index,
            "qStateCounts": state_counts(&states),
            "qSelectedFieldSelectionInfo":
                texts.iter().take(THRESHOLD).map(|text| json!({"qName": text})).collect::<Vec<_>>(),
            "qNotSelectedFieldSelectionInfo": [],
            "qSelectionThreshold": THRESHOLD,
        }));
    }
    json!({
        "qBackCount": doc.selections.back_count(),
        "qForwardCount": doc.selections.forward_count(),
        "qSelections": rows,
    })
}

/// Returns what a bookmark holds, for its layout.
pub(crate) fn bookmark_fields(doc: &Doc, bookmark: &Entity) -> Value {
    let item = |(name, selection): (&String, &super::selection::FieldSelection)| {
        let texts: Vec<Value> = doc.table().column(name).map_or_else(Vec::new, |column| {
            let symbols = selection.values.iter().filter_map(|value| column.symbols.get(*value as usize));
            symbols.map(|symbol| json!({"qText": symbol.text, "qNumber": number(symbol.num)})).collect()
        });
        json!({
            "qDef": {"qName": name, "qType": "PRESENT"},
            "qSelectInfo": {},
            "qValues": texts,
            "qExcludedValues": [],
            "qLocked": selection.locked,
        })
    };
    let items: Vec<Value> = bookmark.fields.iter().map(item).collect();
    json!({ "qId": bookmark.id(), "qStateData": [{"qStateName": "$", "qFieldItems": items}] })
}
