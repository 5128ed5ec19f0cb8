//! Property patches (`ApplyPatches`): pointer paths, values as JSON text inside a string.

use serde_json::Value;

use super::errors::EngineError;

/// Applies one `{qOp, qPath, qValue}`; missing parents are made, as an engine does.
pub(crate) fn apply(props: &mut Value, patch: &Value) -> Result<(), EngineError> {
    let bad = |detail: &str| EngineError::invalid_params(detail);
    let op = patch["qOp"].as_str().unwrap_or("add").to_ascii_lowercase();
    let path = patch["qPath"].as_str().ok_or_else(|| bad("qPath is missing"))?;
    let mut parts: Vec<String> =
        path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let last = parts.pop().filter(|last| !last.is_empty()).ok_or_else(|| EngineError::new(4, path))?;
    let value = if op == "remove" {
        Value::Null
    } else {
        let text = patch["qValue"].as_str().ok_or_else(|| bad("qValue is no string"))?;
        serde_json::from_str(text).map_err(|_| bad("qValue is no JSON text"))?
    };
    let mut parent = props;
    for part in parts {
        if parent.is_null() {
            *parent = Value::Object(serde_json::Map::new());
        }
        parent = match parent {
            Value::Object(map) => map.entry(part).or_insert(Value::Null),
            Value::Array(items) => part
                .parse()
                .ok()
                .and_then(|at: usize| items.get_mut(at))
                .ok_or_else(|| EngineError::new(4, path))?,
            _ => return Err(EngineError::new(4, path)),
        };
    }
    if parent.is_null() {
        *parent = Value::Object(serde_json::Map::new());
    }
    match (parent, op.as_str()) {
        (Value::Object(map), "remove") => {
            map.shift_remove(&last).ok_or_else(|| EngineError::new(4, path))?;
        }
        (Value::Object(map), "add" | "replace") => {
            map.insert(last, value);
        }
        (Value::Array(items), op) => {
            let at = if last == "-" { Some(items.len()) } else { last.parse().ok() };
            let at: usize = at.ok_or_else(|| EngineError::new(4, path))?;
            match op {
                "add" if at <= items.len() => items.insert(at, value),
                "replace" if at < items.len() => items[at] = value,
                "remove" if at < items.len() => drop(items.remove(at)),
                _ => return Err(EngineError::new(4, path)),
            }
        }
        (_, "add" | "replace" | "remove") => return Err(EngineError::new(4, path)),
        (_, other) => return Err(bad(other)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(op: &str, path: &str, value: &str) -> Result<Value, i64> {
        let mut props = json!({"a": {"b": [1, 2]}});
        apply(&mut props, &json!({"qOp": op, "qPath": path, "qValue": value})).map_err(|error| error.code)?;
        Ok(props)
    }

    #[test]
    fn values_are_json_inside_a_string() {
        assert_eq!(patched("replace", "/a/b", "\"x\""), Ok(json!({"a": {"b": "x"}})));
        assert_eq!(patched("add", "/a/b/1", "9"), Ok(json!({"a": {"b": [1, 9, 2]}})));
        assert_eq!(patched("add", "/a/b/-", "9"), Ok(json!({"a": {"b": [1, 2, 9]}})));
        assert_eq!(patched("remove", "/a/b/0", ""), Ok(json!({"a": {"b": [2]}})));
        assert_eq!(patched("Add", "/x/y", "{}"), Ok(json!({"a": {"b": [1, 2]}, "x": {"y": {}}})));
    }

    #[test]
    fn bad_patches_are_errors() {
        assert_eq!(patched("replace", "/a/b", "not json"), Err(-32602));
        assert_eq!(patched("remove", "/nope", ""), Err(4));
        assert_eq!(patched("replace", "/a/b/7", "1"), Err(4));
        assert_eq!(patched("copy", "/a/b", "1"), Err(-32602));
        assert_eq!(patched("add", "", "1"), Err(4));
        assert_eq!(patched("add", "/a/b/0/c", "1"), Err(4));
    }
}
