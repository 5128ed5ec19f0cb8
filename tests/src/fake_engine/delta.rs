//! Patches from one JSON value to the next, in the engine's dialect.
//!
//! The root is `"/"`. Clients do not undo `~0` and `~1`, so a key that holds `/` or `~` never appears in a path: the
//! object around it is replaced as a whole.

use serde_json::{Map, Value, json};

/// Returns the patch list that makes a client with `baseline` hold `next`, as an engine would send it.
pub fn patches(baseline: Option<&Value>, next: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    match baseline {
        None => out.push(root(next)),
        Some(old) if old == next => {}
        Some(old) => {
            if same_container(old, next) {
                diff(old, next, &mut String::new(), &mut out);
            } else {
                out.push(root(next));
            }
        }
    }
    out
}

fn root(value: &Value) -> Value {
    json!({ "op": "add", "path": "/", "value": value })
}

fn same_container(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)))
}

fn diff(old: &Value, new: &Value, path: &mut String, out: &mut Vec<Value>) {
    if old == new {
        return;
    }
    match (old, new) {
        (Value::Object(old), Value::Object(new)) if paths_are_safe(old, new) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                out.push(json!({ "op": "remove", "path": format!("{path}/{key}") }));
            }
            for (key, value) in new {
                let length = path.len();
                path.push('/');
                path.push_str(key);
                match old.get(key) {
                    Some(before) => diff(before, value, path, out),
                    None => out.push(json!({ "op": "add", "path": path.as_str(), "value": value })),
                }
                path.truncate(length);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            for (index, (before, value)) in old.iter().zip(new).enumerate() {
                let length = path.len();
                path.push('/');
                path.push_str(&index.to_string());
                diff(before, value, path, out);
                path.truncate(length);
            }
            for index in (new.len()..old.len()).rev() {
                out.push(json!({ "op": "remove", "path": format!("{path}/{index}") }));
            }
            for (index, value) in new.iter().enumerate().skip(old.len()) {
                out.push(json!({ "op": "add", "path": format!("{path}/{index}"), "value": value }));
            }
        }
        _ if path.is_empty() => out.push(root(new)),
        _ => out.push(json!({ "op": "replace", "path": path.as_str(), "value": new })),
    }
}

fn paths_are_safe(old: &Map<String, Value>, new: &Map<String, Value>) -> bool {
    let awkward = |key: &String| key.is_empty() || key.contains(['/', '~']);
    !old.keys().chain(new.keys()).any(awkward)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Applies patches as the clients do: no unescaping, indices refer to the state so far.
    fn apply(base: &mut Value, patches: &[Value]) {
        for patch in patches {
            let path = patch["path"].as_str().unwrap();
            if path == "/" {
                *base = patch["value"].clone();
                continue;
            }
            let mut parts: Vec<&str> = path.split('/').skip(1).collect();
            let last = parts.pop().unwrap();
            let mut parent = &mut *base;
            for part in parts {
                parent = match parent {
                    Value::Array(items) => &mut items[part.parse::<usize>().unwrap()],
                    other => &mut other[part],
                };
            }
            let op = patch["op"].as_str().unwrap();
            match (parent, op) {
                (Value::Array(items), "add") => items.insert(last.parse().unwrap(), patch["value"].clone()),
                (Value::Array(items), "remove") => drop(items.remove(last.parse().unwrap())),
                (Value::Array(items), _) => items[last.parse::<usize>().unwrap()] = patch["value"].clone(),
                (Value::Object(map), "remove") => drop(map.remove(last)),
                (Value::Object(map), _) => drop(map.insert(last.to_owned(), patch["value"].clone())),
                _ => panic!("patch into a primitive"),
            }
        }
    }

    fn check(old: Value, new: Value) {
        let list = patches(Some(&old), &new);
        let mut patched = old.clone();
        apply(&mut patched, &list);
        assert_eq!(patched, new, "{old} -> {new} by {list:?}");
    }

    #[test]
    fn the_first_answer_is_one_root_add() {
        assert_eq!(patches(None, &json!("12.1")), vec![json!({"op":"add","path":"/","value":"12.1"})]);
    }

    #[test]
    fn nothing_changed_is_an_empty_list() {
        assert!(patches(Some(&json!({"a":[1]})), &json!({"a":[1]})).is_empty());
    }

    #[test]
    fn a_deep_change_is_one_small_patch() {
        let list = patches(Some(&json!({"a":{"b":[1,{"c":2}]}})), &json!({"a":{"b":[1,{"c":3}]}}));
        assert_eq!(list, vec![json!({"op":"replace","path":"/a/b/1/c","value":3})]);
    }

    #[test]
    fn patches_lead_to_the_new_value() {
        check(json!({"a":1,"b":2}), json!({"b":3,"c":null}));
        check(json!([1, 2, 3, 4]), json!([1, 9]));
        check(json!([1]), json!([1, 2, {"x":[]}]));
        check(json!({"a":[1]}), json!({"a":{"0":1}}));
        check(json!({"a":{"x/y":1}}), json!({"a":{"x/y":2}}));
        check(json!({"x~y":1}), json!({"x~y":2}));
        check(json!({}), json!([]));
        check(json!("a"), json!(true));
        check(json!({"a":null}), json!(null));
    }
}
