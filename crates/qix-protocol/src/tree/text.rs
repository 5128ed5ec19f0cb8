//! Strings as they are written between their quotes, and what they mean.

use std::borrow::Cow;

use smol_str::SmolStr;

use crate::escapes;

/// Returns the string that is written as `inside`. An escaped surrogate without its partner becomes U+FFFD.
#[inline]
pub(crate) fn unescaped(inside: &str) -> Cow<'_, str> {
    if backslash(inside).is_none() { Cow::Borrowed(inside) } else { escapes::unescaped(inside.as_bytes()) }
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
