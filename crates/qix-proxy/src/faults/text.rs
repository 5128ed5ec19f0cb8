//! Rules in a line, such as `GetHyperCubeData nth=3 error=15`.

use super::fields::{Fields, Value};

/// Words that mean something by themselves.
const FLAGS: &[&str] = &["upgrade", "abort", "duplicate", "reorder", "refuse", "truncate"];

/// Words whose value is a text, whatever it looks like.
const TEXTS: &[&str] =
    &["name", "method", "object", "path", "contains", "message", "parameter", "reason", "body"];

/// Takes a line apart. A value with spaces is put in double quotes, and `\"` and `\\` stand for themselves there; JSON needs none.
///
/// # Errors
///
/// A sentence that says which word is wrong, and what would be right.
pub(super) fn fields(line: &str) -> Result<Fields, String> {
    let mut fields = Fields::default();
    let mut rest = line.trim_start();
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let place = format!("word {number} of the fault '{}'", line.trim());
        let end = rest.find(|char: char| char == '=' || char.is_whitespace()).unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        let added = if let Some(after) = rest.strip_prefix('=') {
            let (value, behind) = value(after).map_err(|fault| format!("the value of '{word}' {fault}"))?;
            // A text is what was written: no number or JSON that means the same.
            let value = match value {
                Value::Integer(_) | Value::Float(_) | Value::Json(_) if TEXTS.contains(&word) => {
                    Value::Text(after[..after.len() - behind.len()].trim_end().to_owned())
                }
                value => value,
            };
            rest = behind;
            fields.add(word, value, place)
        } else if FLAGS.contains(&word) {
            fields.add(word, Value::Bool(true), place)
        } else if number == 1 {
            fields.add("method", Value::Text(word.to_owned()), place)
        } else {
            return Err(format!(
                "'{word}' is no condition and no fault; write NAME=VALUE, such as nth=3 or error=15, and the method first"
            ));
        };
        added.map_err(|error| match error {
            super::FaultError::Rule { fault, .. } => fault,
            io => io.to_string(),
        })?;
        rest = rest.trim_start();
    }
    if number == 0 { Err("it is empty; write for example GetLayout error=15".to_owned()) } else { Ok(fields) }
}

/// Takes a value off the front.
fn value(text: &str) -> Result<(Value, &str), String> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => return Ok((Value::Text(value), &quoted[at + 1..])),
                '\\' => value.extend(chars.next().map(|(_, char)| char)),
                char => value.push(char),
            }
        }
        return Err("has no closing quote; add one".to_owned());
    }
    if text.starts_with(['{', '[']) {
        let mut values = serde_json::Deserializer::from_str(text).into_iter();
        return match values.next() {
            Some(Ok(json)) => Ok((Value::Json(json), &text[values.byte_offset()..])),
            _ => Err("begins like JSON and is none; put it in double quotes if it is a text".to_owned()),
        };
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    let value = match word {
        "" => return Err("is missing; write it without spaces around '='".to_owned()),
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => match (word.parse(), word.parse()) {
            (Ok(number), _) => Value::Integer(number),
            (_, Ok(number)) => Value::Float(number),
            _ => Value::Text(word.to_owned()),
        },
    };
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted_or_json() {
        let mut fields =
            fields(r#"OpenDoc  close=4204 reason="it's \"gone\"" abort with={"a": [1, 2]} probability=0.5"#)
                .unwrap();
        let mut take = |key: &str| fields.value(key).unwrap().0;
        assert_eq!(take("method"), Value::Text("OpenDoc".to_owned()));
        assert_eq!(take("close"), Value::Integer(4204));
        assert_eq!(take("reason"), Value::Text("it's \"gone\"".to_owned()));
        assert_eq!(take("abort"), Value::Bool(true));
        assert_eq!(take("with"), Value::Json(serde_json::json!({"a": [1, 2]})));
        assert_eq!(take("probability"), Value::Float(0.5));
    }

    #[test]
    fn texts_are_as_they_were_written_even_if_they_look_like_numbers_or_json() {
        for text in ["1.50", "007", "1e5", "-0", r#"{"qTop":0,"qLeft":1.0}"#, "[ 1 ]", "{\"b\": 1}"] {
            let mut fields = fields(&format!("GetLayout contains={text} error=15")).unwrap();
            assert_eq!(fields.value("contains").unwrap().0, Value::Text(text.to_owned()));
            assert_eq!(fields.value("error").unwrap().0, Value::Integer(15));
        }
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, fault) in [
            (" ", "empty"),
            ("GetLayout eror=15", "'error' was meant"),
            ("GetLayout error=15 quickly", "'quickly' is no condition"),
            ("GetLayout error = 15", "write NAME=VALUE"),
            ("GetLayout error=", "is missing"),
            ("GetLayout reason=\"x", "closing quote"),
            ("GetLayout with={a}", "begins like JSON"),
            ("GetLayout nth=1 nth=2", "twice"),
        ] {
            let found = fields(line).unwrap_err();
            assert!(found.contains(fault), "{line}: {found}");
        }
    }
}
