//! Lists in another order than those of the engine that is here else.

use serde_json::{Map, Value};

/// Turns the lists round that an engine gives in the order in which it finds things, at any depth.
pub(crate) fn reverse_lists(method: &str, result: &mut Map<String, Value>) {
    for (name, value) in result {
        let is_list = match name.as_str() {
            "qDocList" | "qList" | "qTags" | "tags" | "privileges" => true,
            "qInfos" => method == "GetAllInfos",
            _ => false,
        };
        if is_list && let Value::Array(elements) = value {
            elements.reverse();
        }
        let owns = [
            "qAppObjectList",
            "qDimensionList",
            "qMeasureList",
            "qBookmarkList",
            "qVariableList",
            "qFieldList",
        ];
        if owns.contains(&name.as_str())
            && let Some(items) = value.get_mut("qItems").and_then(Value::as_array_mut)
        {
            items.reverse();
        }
        walk(method, value);
    }
}

fn walk(method: &str, value: &mut Value) {
    match value {
        Value::Object(members) => reverse_lists(method, members),
        Value::Array(elements) => elements.iter_mut().for_each(|element| walk(method, element)),
        _ => {}
    }
}
