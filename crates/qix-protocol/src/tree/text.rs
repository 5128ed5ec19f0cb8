//! Strings as they are written between their quotes, and what they mean.

use std::borrow::Cow;

use smol_str::SmolStr;

/// Returns the string that is written as `inside`. An escaped surrogate without its partner becomes U+FFFD.
#[inline]
pub(crate) fn unescaped(inside: &str) -> Cow<'_, str> {
    match backslash(inside) {
        None => Cow::Borrowed(inside),
        Some(first) => Cow::Owned(unescaped_from(inside, first)),
    }
}

fn unescaped_from(inside: &str, first: usize) -> String {
    let (plain, mut rest) = inside.split_at(first);
    let mut out = String::with_capacity(inside.len());
    out.push_str(plain);
    while let Some(escape) = rest.strip_prefix('\\') {
        let (meant, after) = escaped_char(escape);
        out.push(meant);
        let (plain, later) = after.split_at(backslash(after).unwrap_or(after.len()));
        out.push_str(plain);
        rest = later;
    }
    out
}

/// Finds the first backslash.
#[inline]
pub(super) fn backslash(text: &str) -> Option<usize> {
    // A name is found free of them before a search has begun in earnest.
    const SHORT: usize = 32;
    match text.as_bytes() {
        short if short.len() < SHORT => short.iter().position(|byte| *byte == b'\\'),
        long => memchr::memchr(b'\\', long),
    }
}

/// Reads the escape whose backslash has been taken off; returns what it means and what follows.
fn escaped_char(escape: &str) -> (char, &str) {
    let mut rest = escape.chars();
    let meant = match rest.next() {
        Some('b') => '\u{8}',
        Some('f') => '\u{c}',
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some('u') => return code_unit(rest.as_str()),
        Some(other) => other,
        None => char::REPLACEMENT_CHARACTER,
    };
    (meant, rest.as_str())
}

/// Reads the digits after `\u`, and the other half of the pair if they are the first half of one.
fn code_unit(text: &str) -> (char, &str) {
    let Some((high, rest)) = hex(text) else { return (char::REPLACEMENT_CHARACTER, text) };
    if !(0xD800..0xDC00).contains(&high) {
        return (char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), rest);
    }
    match rest.strip_prefix("\\u").and_then(hex) {
        Some((low @ 0xDC00..0xE000, rest)) => {
            let both = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER), rest)
        }
        _ => (char::REPLACEMENT_CHARACTER, rest),
    }
}

fn hex(text: &str) -> Option<(u32, &str)> {
    let (digits, rest) = text.split_at_checked(4)?;
    Some((u32::from_str_radix(digits, 16).ok()?, rest))
}

/// Writes a string as it stands between quotes, with as few escapes as JSON allows.
pub(crate) fn escaped(text: &str) -> SmolStr {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        return SmolStr::new(text);
    }
    let quoted = serde_json::Value::from(text).to_string();
    SmolStr::new(quoted.get(1..quoted.len() - 1).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn means_what_serde_json_says(inside in r#"([a-zé€😀 ]|\\["\\/bfnrt]|\\u[0-9a-cA-C][0-9a-fA-F]{3}|\\ud83d\\ude0[0-9a-f]){0,8}"#) {
            let meant: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
            prop_assert_eq!(unescaped(&inside), &*meant);
            let again = escaped(&meant);
            prop_assert_eq!(unescaped(&again), &*meant);
        }
    }

    #[test]
    fn lone_surrogates_become_replacement_characters() {
        assert_eq!(unescaped(r"a\ud800b"), "a\u{fffd}b");
        assert_eq!(unescaped(r"\udc00\ud800\ud800\udc00"), "\u{fffd}\u{fffd}\u{10000}");
        assert_eq!(unescaped(r"\ud800\n"), "\u{fffd}\n");
    }
}
