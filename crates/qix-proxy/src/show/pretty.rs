//! JSON for people to read.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, Write},
};

/// Writes JSON with a line for each member and element, as it was written otherwise: digits and the order of members stay. What is no
/// JSON is written as a text. `indent` is where the lines behind the first begin, in columns.
///
/// # Errors
///
/// As writing has.
pub(crate) fn write(out: &mut dyn Write, text: &[u8], indent: usize) -> io::Result<()> {
    if qix_protocol::frame::Raw::new(text).is_err() {
        let text = String::from_utf8_lossy(text);
        let quoted = serde_json::to_string(&text).map_err(io::Error::other)?;
        return out.write_all(escaped(&quoted).as_bytes());
    }
    let text = String::from_utf8_lossy(text);
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        at += 1;
        match bytes[start] {
            b'"' => {
                at = end_of_string(bytes, start);
                out.write_all(escaped(&text[start..at]).as_bytes())?;
            }
            open @ (b'{' | b'[') => {
                let close = bytes[at..].iter().position(|byte| !byte.is_ascii_whitespace());
                out.write_all(&[open])?;
                match close.map(|close| at + close) {
                    Some(close) if bytes[close] == open + 2 => {
                        out.write_all(&[open + 2])?;
                        at = close + 1;
                    }
                    _ => {
                        depth += 1;
                        line(out, indent + 2 * depth)?;
                    }
                }
            }
            close @ (b'}' | b']') => {
                depth = depth.saturating_sub(1);
                line(out, indent + 2 * depth)?;
                out.write_all(&[close])?;
            }
            b',' => {
                out.write_all(b",")?;
                line(out, indent + 2 * depth)?;
            }
            b':' => out.write_all(b": ")?,
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let of_it =
                    |byte: &u8| !matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\r' | b'\n');
                at += bytes[at..].iter().take_while(|byte| of_it(byte)).count();
                out.write_all(&bytes[start..at])?;
            }
        }
    }
    Ok(())
}

fn line(out: &mut dyn Write, indent: usize) -> io::Result<()> {
    write!(out, "\n{:indent$}", "")
}

/// Returns JSON in which characters that could control a terminal are written as escapes: they stand in strings only, so that it says the
/// same. Line feeds and tabs between tokens stay, and carriage returns there become blanks.
pub(crate) fn escaped(json: &str) -> Cow<'_, str> {
    let mut rest = json.char_indices().filter(|(_, c)| is_unsafe(*c) && !matches!(c, '\n' | '\t')).peekable();
    if rest.peek().is_none() {
        return Cow::Borrowed(json);
    }
    let (mut text, mut plain) = (String::with_capacity(json.len() + 16), 0);
    for (at, c) in rest {
        text.push_str(&json[plain..at]);
        match c {
            '\r' => text.push(' '),
            _ => _ = write!(text, "\\u{:04x}", u32::from(c)),
        }
        plain = at + c.len_utf8();
    }
    text.push_str(&json[plain..]);
    Cow::Owned(text)
}

/// Characters that a terminal is not shown, as `printable` has them; all of them fit into four digits.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pretty(text: &str) -> String {
        let mut out = Vec::new();
        write(&mut out, text.as_bytes(), 1).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn members_have_lines_and_nothing_else_is_changed() {
        assert_eq!(
            pretty(r#" {"b":[1.0e+5, {}, [ ]],"a" : "x, [\"y\"]:"}"#),
            "{\n   \"b\": [\n     1.0e+5,\n     {},\n     []\n   ],\n   \"a\": \"x, [\\\"y\\\"]:\"\n }"
        );
        assert_eq!(pretty("true"), "true");
    }

    #[test]
    fn text_of_others_controls_no_terminal_and_what_is_no_json_is_a_text() {
        assert_eq!(pretty("\"\u{9b}2J\u{202e}é\""), "\"\\u009b2J\\u202eé\"");
        assert_eq!(pretty("<html>\u{1b}[2J"), "\"<html>\\u001b[2J\"");
    }

    #[test]
    fn escapes_are_those_of_other_texts_and_json_stays_the_same() {
        for c in '\0'..=char::MAX {
            let mut bytes = [0; 4];
            let text: &str = c.encode_utf8(&mut bytes);
            assert_eq!(is_unsafe(c), qix_transport::printable(text, 1) != text, "{c:?}");
        }
        let text = escaped("{\"a\":\r\n\t\"\u{9b}\u{202e}\u{7f}\u{2028}é\"}\n");
        assert_eq!(text, "{\"a\": \n\t\"\\u009b\\u202e\\u007f\\u2028é\"}\n");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["a"], "\u{9b}\u{202e}\u{7f}\u{2028}é");
        assert!(matches!(escaped("\"é\"\n"), Cow::Borrowed(_)));
    }
}
