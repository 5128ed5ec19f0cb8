//! Escapes in JSON strings, halves of surrogate pairs among them.
//!
//! Engines pass on what corrupt source data holds, so half a pair may stand alone. No Rust string can hold one: it becomes
//! U+FFFD, as in every lossy conversion.

use std::borrow::Cow;

/// How many bytes `\uXXXX` has.
const UNICODE: usize = 6;

/// Returns the string whose inside, as written between the quotes, is `inside`.
pub(crate) fn unescaped(inside: &[u8]) -> Cow<'_, str> {
    if memchr::memchr(b'\\', inside).is_none() {
        // Faster than the search for what is no UTF-8.
        return str::from_utf8(inside).map_or_else(|_| String::from_utf8_lossy(inside), Cow::Borrowed);
    }
    let mut out = Vec::with_capacity(inside.len());
    unescape(inside, &mut out);
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

/// Writes what `inside` stands for to the end of `out`, which grows by no more than the length of `inside`.
///
/// What is no escape after all stays as it is; the scanner lets none pass.
pub(crate) fn unescape(mut inside: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'\\', inside) {
        out.extend_from_slice(&inside[..at]);
        inside = &inside[at..];
        let (character, length) = escape(inside).unwrap_or(('\\', 1));
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        inside = &inside[length..];
    }
    out.extend_from_slice(inside);
}

/// Returns the JSON `text` with U+FFFD for each half of a surrogate pair that stands alone; `None` if none does.
///
/// Nothing moves: what replaces an escape is an escape of the same length.
pub(crate) fn without_lone_surrogates(text: &[u8]) -> Option<Vec<u8>> {
    let mut replaced: Option<Vec<u8>> = None;
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'\\', text.get(at..)?) {
        at += found;
        let (character, length) = escape(&text[at..]).unwrap_or(('\\', 1));
        if character == char::REPLACEMENT_CHARACTER && unit(&text[at..]) != Some(0xfffd) {
            let replaced = replaced.get_or_insert_with(|| text.to_vec());
            replaced[at..at + length].copy_from_slice(br"\ufffd");
        }
        at += length;
    }
    replaced
}

/// Reads the escape at the start of `text`; returns what it stands for and its length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let character = match text.get(1)? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode(text),
        byte @ (b'"' | b'\\' | b'/') => char::from(*byte),
        _ => return None,
    };
    Some((character, 2))
}

fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let first = unit(text)?;
    let mut units = [first, 0];
    let second = text.get(UNICODE..).and_then(unit).filter(|second| (0xdc00..0xe000).contains(second));
    let pair = match second {
        Some(second) if (0xd800..0xdc00).contains(&first) => {
            units[1] = second;
            &units[..]
        }
        _ => &units[..1],
    };
    let character = char::decode_utf16(pair.iter().copied()).next()?;
    Some((character.unwrap_or(char::REPLACEMENT_CHARACTER), UNICODE * pair.len()))
}

/// Reads the UTF-16 unit that is escaped at the start of `text`.
fn unit(text: &[u8]) -> Option<u16> {
    let digits = text.get(..UNICODE)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, digit| Some(unit << 4 | char::from(*digit).to_digit(16)? as u16))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn strings_mean_what_serde_json_reads(
            inside in r#"([ -!#-\[\]-~é😀]|\\["\\/bfnrt]|\\u[0-9a-cA-Ce-f][0-9a-fA-F]{3}|\\ud83d\\ude00){0,20}"#
        ) {
            let expected: String = serde_json::from_str(&format!("\"{inside}\"")).unwrap();
            prop_assert_eq!(unescaped(inside.as_bytes()), expected);
            prop_assert_eq!(without_lone_surrogates(inside.as_bytes()), None);
        }

        #[test]
        fn any_text_at_all_is_unescaped_within_its_length(inside in any::<Vec<u8>>()) {
            let mut out = Vec::new();
            unescape(&inside, &mut out);
            prop_assert!(out.len() <= inside.len());
            without_lone_surrogates(&inside);
        }
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_are_not() {
        for (written, meant) in [
            (r"\ud800", "\u{fffd}"),
            (r"a\udc00b", "a\u{fffd}b"),
            (r"\ud800\ud83d\ude00", "\u{fffd}😀"),
            (r"\ud800\u0041", "\u{fffd}A"),
            (r"\\ud800", r"\ud800"),
            (r"\ud83d\ude00\n", "😀\n"),
            (r"\uDBFFx", "\u{fffd}x"),
            (r"\ufffd", "\u{fffd}"),
        ] {
            assert_eq!(unescaped(written.as_bytes()), meant, "{written}");
            let replaced = without_lone_surrogates(written.as_bytes());
            assert_eq!(replaced.is_some(), meant.contains('\u{fffd}') && written != r"\ufffd", "{written}");
            if let Some(replaced) = replaced {
                assert_eq!(replaced.len(), written.len());
                assert_eq!(unescaped(&replaced), meant);
            }
        }
    }
}
