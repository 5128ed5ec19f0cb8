//! JSON as Go's `encoding/json` writes it.

use memchr::{memchr, memchr2};

/// What Go's encoder writes in place of characters that HTML and JavaScript take for more than text.
const ESCAPES: [(&str, &str); 5] =
    [("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026"), ("\u{2028}", "\\u2028"), ("\u{2029}", "\\u2029")];

/// Takes the white space between the tokens of valid JSON out, and undoes the escapes that Go's encoder makes of its own accord.
///
/// Whether such a character was escaped before Go saw it cannot be told, and makes no difference to [`indented`].
pub(crate) fn compacted(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for (inside, part) in parts(json) {
        if !inside {
            out.extend(part.split([' ', '\t', '\n', '\r']));
            continue;
        }
        let mut plain = 0;
        let mut at = 0;
        while let Some(found) = memchr(b'\\', &part.as_bytes()[at..]) {
            at += found;
            match ESCAPES.iter().find(|(_, escape)| part[at..].starts_with(escape)) {
                Some((character, escape)) => {
                    out.push_str(&part[plain..at]);
                    out.push_str(character);
                    at += escape.len();
                    plain = at;
                }
                // What is escaped is ASCII, and may be a backslash.
                None => at += 2,
            }
        }
        out.push_str(&part[plain..]);
    }
    out
}

/// Adds valid JSON as `MarshalIndent` writes it `depth` tabs deep, but for the tabs of its first line.
pub(crate) fn indented(json: &str, mut depth: usize, out: &mut Vec<u8>) {
    let mut is_open = false;
    for (inside, part) in parts(json) {
        if inside {
            if std::mem::take(&mut is_open) {
                line(depth, out);
            }
            escaped(part, out);
            continue;
        }
        for byte in part.bytes() {
            if byte.is_ascii_whitespace() {
                continue;
            }
            // An object or array that has nothing ends on the line on which it begins.
            let was_open = std::mem::take(&mut is_open);
            match byte {
                b'}' | b']' => {
                    depth -= 1;
                    if !was_open {
                        line(depth, out);
                    }
                }
                _ if was_open => line(depth, out),
                _ => {}
            }
            out.push(byte);
            match byte {
                b'{' | b'[' => {
                    depth += 1;
                    is_open = true;
                }
                b',' => line(depth, out),
                b':' => out.push(b' '),
                _ => {}
            }
        }
    }
}

fn line(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + depth, b'\t');
}

/// Adds a string with its quotes.
fn escaped(string: &str, out: &mut Vec<u8>) {
    let mut plain = 0;
    // All that is escaped begins with one of these bytes.
    let special = |(at, byte): (usize, u8)| matches!(byte, b'<' | b'>' | b'&' | 0xe2).then_some(at);
    for at in string.bytes().enumerate().filter_map(special) {
        if let Some((character, escape)) =
            ESCAPES.iter().find(|(character, _)| string.as_bytes()[at..].starts_with(character.as_bytes()))
        {
            out.extend_from_slice(&string.as_bytes()[plain..at]);
            out.extend_from_slice(escape.as_bytes());
            plain = at + character.len();
        }
    }
    out.extend_from_slice(&string.as_bytes()[plain..]);
}

/// Returns the strings of JSON, with their quotes, and what stands between them, each with whether it is a string.
fn parts(json: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = json;
    let mut inside = false;
    std::iter::from_fn(move || {
        let end = if inside { string_end(rest) } else { memchr(b'"', rest.as_bytes()) };
        let (part, left) = rest.split_at(end.unwrap_or(rest.len()));
        let found = (!rest.is_empty()).then_some((inside, part));
        rest = left;
        inside = !inside;
        found
    })
}

/// Returns the length of the string that the text begins with.
fn string_end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        match bytes[at] {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn indent(json: &str) -> String {
        let mut out = Vec::new();
        indented(json, 0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn indented_as_go_does_it() {
        let json = "{\"a\" : [ ] ,\"b\":{},\"c\":[1e400,{\"<\":\"\u{2028}é\\\"{\"}],\"d\":[[]]}";
        let expected = r#"{
	"a": [],
	"b": {},
	"c": [
		1e400,
		{
			"\u003c": "\u2028é\"{"
		}
	],
	"d": [
		[]
	]
}"#;
        assert_eq!(indent(json), expected);
        assert_eq!(indent(" null "), "null");
    }

    #[test]
    fn escapes_are_undone_but_not_those_of_a_backslash_or_in_capitals() {
        for (json, expected) in [
            (r#"{ "a\u003c" : "\u003cb\u0026" }"#, r#"{"a<":"<b&"}"#),
            (r#""\\u003c\\\u003e""#, r#""\\u003c\\>""#),
            (r#""\u003C\u00e9\ud83d\"""#, r#""\u003C\u00e9\ud83d\"""#),
        ] {
            assert_eq!(compacted(json), expected, "{json}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let text = "[ -~é<>&\u{2028}\u{2029}\u{20ac}\\\\\"]{0,12}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            text.prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((text, inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_indented_is_compacted_to_what_it_was(value in json()) {
            let compact = value.to_string();
            let indented = indent(&compact);
            prop_assert_eq!(serde_json::from_str::<Value>(&indented).unwrap(), value.clone());
            prop_assert_eq!(compacted(&indented), &*compact);
            prop_assert_eq!(compacted(&format!("{value:#}")), compact);
            prop_assert_eq!(indent(&indented), indented);
        }
    }
}
