//! JSON that reads well in a diff: what fits stands on one line, everything else has a line for each item.

use serde_json::Value;

const WIDTH: usize = 110;

/// Writes a value, with a line end.
pub(super) fn render(value: &Value) -> String {
    let mut out = String::new();
    write(value, 0, &mut out);
    out.push('\n');
    out
}

fn write(value: &Value, indent: usize, out: &mut String) {
    let line = one_line(value);
    let column = out.len() - out.rfind('\n').map_or(0, |end| end + 1);
    // Room for a comma.
    if column + line.len() < WIDTH && !has_lists_of_objects(value) {
        out.push_str(&line);
        return;
    }
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                new_line(index, indent + 1, out);
                write(item, indent + 1, out);
            }
            end_line(indent, out);
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in members.iter().enumerate() {
                new_line(index, indent + 1, out);
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push_str(": ");
                write(member, indent + 1, out);
            }
            end_line(indent, out);
            out.push('}');
        }
        _ => out.push_str(&line),
    }
}

/// Lists of objects get lines of their own however short they are, so that a new item changes one line.
fn has_lists_of_objects(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(Value::is_object),
        Value::Object(members) => members.values().any(has_lists_of_objects),
        _ => false,
    }
}

fn one_line(value: &Value) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::Array(items) => format!("[{}]", list(items.iter().map(one_line).collect())),
        Value::Object(members) => {
            let member = |(name, member): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), one_line(member))
            };
            format!("{{{}}}", list(members.iter().map(member).collect()))
        }
        scalar => scalar.to_string(),
    }
}

fn new_line(index: usize, indent: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
    end_line(indent, out);
}

fn end_line(indent: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", indent));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_that_fit_stand_on_one_line_and_the_value_is_kept() {
        let value =
            json!({"a": [1, "x\"y"], "list": [{"n": "b", "of": []}, {"n": "c"}], "long": ["x".repeat(120)]});
        let text = render(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        assert!(text.starts_with(
            "{\n  \"a\": [1, \"x\\\"y\"],\n  \"list\": [\n    {\"n\": \"b\", \"of\": []},\n    {\"n\": \"c\"}\n  ],\n"
        ));
    }
}
