//! Where two values differ.

use serde_json::Value;

/// How many differences are worth reading.
const SHOWN: usize = 5;

/// Says where the values differ, a line each; nothing if they are equal.
pub(super) fn differences(expected: &Value, got: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare(expected, got, &mut String::new(), &mut found);
    if found.len() > SHOWN {
        let more = found.len() - SHOWN;
        found.truncate(SHOWN);
        found.push(format!("and {more} more"));
    }
    found
}

fn compare(expected: &Value, got: &Value, path: &mut String, found: &mut Vec<String>) {
    let mut step = |name: &str, expected: Option<&Value>, got: Option<&Value>| {
        let length = path.len();
        path.push('/');
        path.push_str(name);
        match (expected, got) {
            (Some(expected), Some(got)) => compare(expected, got, path, found),
            (Some(expected), None) => found.push(format!("{path}: expected {expected}, got nothing")),
            (None, Some(got)) => found.push(format!("{path}: expected nothing, got {got}")),
            (None, None) => {}
        }
        path.truncate(length);
    };
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().for_each(|(name, value)| step(name, Some(value), b.get(name)));
            b.iter().filter(|(name, _)| !a.contains_key(*name)).for_each(|(name, value)| {
                step(name, None, Some(value));
            });
        }
        (Value::Array(a), Value::Array(b)) => {
            for at in 0..a.len().max(b.len()) {
                step(&at.to_string(), a.get(at), b.get(at));
            }
        }
        (a, b) if a == b => {}
        (a, b) => {
            let place = if path.is_empty() { "parameters" } else { path };
            found.push(format!("{place}: expected {a}, got {b}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_say_where_and_what() {
        assert!(differences(&json!([1, {"a": null}]), &json!([1, {"a": null}])).is_empty());
        assert_eq!(
            differences(&json!(["x", {"a": 1, "b": 2}]), &json!(["y", {"a": 1, "c": 3}, true])),
            [
                r#"/0: expected "x", got "y""#,
                "/1/b: expected 2, got nothing",
                "/1/c: expected nothing, got 3",
                "/2: expected nothing, got true",
            ]
        );
        assert_eq!(differences(&json!([]), &json!({})), ["parameters: expected [], got {}"]);
        assert_eq!(differences(&json!([1, 2, 3, 4, 5, 6, 7]), &json!([])).last().unwrap(), "and 2 more");
    }
}
