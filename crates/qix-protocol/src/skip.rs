//! Steps over objects and arrays by structure alone.
//!
//! Reading an envelope means finding the end of a `result` that may have many megabytes, and its end is all that is asked.
//! So text is taken in blocks of 64 bytes with one bit a byte: which are quotes, backslashes, brackets, and by that which lie
//! inside strings. Brackets are then counted, and looked at one by one only in blocks where the last of them may close.

use wide::u8x16;

use crate::scan::{Fault, MAX_DEPTH};

const BLOCK: usize = 64;

/// Steps over the object or array that starts at byte `start`, and returns where it ends.
///
/// What was stepped over has its brackets balanced outside its strings, and nests at most [`MAX_DEPTH`] levels. It need not be
/// JSON: brackets of one kind may close those of the other, and between them may stand anything.
pub(crate) fn container(text: &[u8], start: usize) -> Result<usize, Fault> {
    let mut at = start + 1;
    // Many results are `{}`, for which a block would be a detour.
    if let Some(b'}' | b']') = text.get(at) {
        return Ok(at + 1);
    }
    let mut strings = Strings::default();
    let mut depth = 1;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        let mut last = [b' '; BLOCK];
        let block = match rest.first_chunk() {
            Some(block) => block,
            None if rest.is_empty() => return Err(Fault::at(text.len())),
            None => {
                last[..rest.len()].copy_from_slice(rest);
                &last
            }
        };
        let Masks { quotes, backslashes, opens, closes } = Masks::of(block);
        let outside = !strings.inside(quotes, backslashes);
        match count(opens & outside, closes & outside, &mut depth) {
            Seen::Open => at += BLOCK,
            Seen::End(bit) => return Ok(at + bit + 1),
            Seen::TooDeep(bit) => return Err(Fault::too_deep(at + bit)),
        }
    }
}

/// What the brackets of a block came to.
enum Seen {
    Open,
    End(usize),
    TooDeep(usize),
}

/// Counts the brackets of a block.
#[inline]
fn count(mut opens: u64, mut closes: u64, depth: &mut usize) -> Seen {
    if *depth + opens.count_ones() as usize > MAX_DEPTH
        && let Some(bit) = too_deep(opens, closes, *depth)
    {
        return Seen::TooDeep(bit);
    }
    let mut left = closes.count_ones() as usize;
    // Fewer than `depth` brackets that close cannot end it, whatever opens between them.
    while left >= *depth {
        for _ in 1..*depth {
            closes &= closes - 1;
        }
        let bit = closes & closes.wrapping_neg();
        let before = opens & (bit - 1);
        left -= *depth;
        *depth = before.count_ones() as usize;
        if *depth == 0 {
            return Seen::End(bit.trailing_zeros() as usize);
        }
        closes ^= bit;
        opens ^= before;
    }
    *depth = *depth + opens.count_ones() as usize - left;
    Seen::Open
}

/// Returns which bracket nests too deep, if one does before the end.
#[cold]
fn too_deep(opens: u64, closes: u64, mut depth: usize) -> Option<usize> {
    let mut brackets = opens | closes;
    while brackets != 0 && depth > 0 {
        let bit = brackets & brackets.wrapping_neg();
        brackets ^= bit;
        match opens & bit {
            0 => depth -= 1,
            _ if depth == MAX_DEPTH => return Some(bit.trailing_zeros() as usize),
            _ => depth += 1,
        }
    }
    None
}

/// What a block ends in the middle of.
#[derive(Default)]
struct Strings {
    /// One if the next block's first byte follows a backslash.
    escaped: u64,
    /// All ones if the next block starts inside a string.
    open: u64,
}

impl Strings {
    /// Returns which bytes of the next block lie inside strings; of the two quotes, the first counts as inside.
    #[inline]
    fn inside(&mut self, mut quotes: u64, backslashes: u64) -> u64 {
        if backslashes | self.escaped != 0 {
            let mut escaped = self.escaped;
            let mut left = backslashes & !escaped;
            self.escaped = 0;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                escaped |= bit << 1;
                self.escaped = bit >> (BLOCK - 1);
                left &= !(bit | bit << 1);
            }
            quotes &= !escaped;
        }
        // Each bit becomes the parity of the quotes up to it.
        let mut inside = quotes;
        for distance in [1, 2, 4, 8, 16, 32] {
            inside ^= inside << distance;
        }
        inside ^= self.open;
        self.open = 0u64.wrapping_sub(inside >> (BLOCK - 1));
        inside
    }
}

/// Which bytes of a block are what, one bit a byte.
struct Masks {
    quotes: u64,
    backslashes: u64,
    opens: u64,
    closes: u64,
}

impl Masks {
    #[inline]
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut masks = Self { quotes: 0, backslashes: 0, opens: 0, closes: 0 };
        let (chunks, _) = block.as_chunks::<16>();
        for (index, chunk) in chunks.iter().enumerate() {
            let bytes = u8x16::new(*chunk);
            // A square bracket differs from a brace in this bit alone, and nothing else becomes one by it.
            let braces = bytes | u8x16::splat(b'[' ^ b'{');
            let equal = |bytes: u8x16, byte| {
                let mask = bytes.cmp_eq(u8x16::splat(byte)).move_mask();
                u64::from(mask.cast_unsigned()) << (16 * index)
            };
            masks.quotes |= equal(bytes, b'"');
            masks.backslashes |= equal(bytes, b'\\');
            masks.opens |= equal(braces, b'{');
            masks.closes |= equal(braces, b'}');
        }
        masks
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ProtocolError, scan};

    /// The same, one byte after the other.
    fn plainly(text: &[u8]) -> Option<usize> {
        let (mut depth, mut string, mut escaped) = (0, false, false);
        for (at, byte) in text.iter().enumerate() {
            match byte {
                b'"' if !escaped => string = !string,
                b'[' | b'{' if !string => depth += 1,
                b']' | b'}' if !string => depth -= 1,
                _ => {}
            }
            escaped = *byte == b'\\' && !escaped;
            if depth == 0 {
                return Some(at + 1);
            }
        }
        None
    }

    proptest! {
        #[test]
        fn ends_where_brackets_and_strings_say(text in r#"[\[{]([\[\]{}"\\a\x00é]|\\"|"[a\[\\]{0,70}"|\{\[|\]\}){0,120}"#) {
            prop_assert_eq!(container(text.as_bytes(), 0).ok(), plainly(text.as_bytes()), "{:?}", text);
        }

        #[test]
        fn ends_where_the_grammar_says(
            inner in r#"(\{"a":"[ -!#-\[\]-~]{0,80}(\\\\|\\"){0,70}"\},){0,3}"#,
            before in "[ ]{0,70}",
        ) {
            let text = format!(r#"{before}[{inner}[],[[1],[2]]] ]"#);
            let end = scan::value(text.as_bytes(), before.len()).unwrap();
            prop_assert_eq!(container(text.as_bytes(), before.len()).ok(), Some(end));
        }
    }

    #[test]
    fn nesting_bomb_is_refused_where_it_goes_too_deep() {
        let deep = "[".repeat(10_000_000);
        let refused = container(deep.as_bytes(), 0).map_err(ProtocolError::from);
        assert_eq!(refused, Err(ProtocolError::TooDeep { offset: MAX_DEPTH, limit: MAX_DEPTH }));
        for around in 0..130 {
            let space = " ".repeat(around);
            let nested = |depth| format!("{}{space}{}{deep}", "[".repeat(depth), "]".repeat(depth));
            assert!(container(nested(MAX_DEPTH).as_bytes(), 0).is_ok(), "{around}");
            assert!(container(nested(MAX_DEPTH + 1).as_bytes(), 0).is_err(), "{around}");
        }
    }

    #[test]
    fn what_never_ends_is_refused_where_the_text_ends() {
        for text in ["[", "{\"}", "[\"\\\"]", "[[]"] {
            assert_eq!(container(text.as_bytes(), 0), Err(Fault::at(text.len())), "{text}");
            let long = format!("{text}{}", " ".repeat(200));
            assert_eq!(container(long.as_bytes(), 0), Err(Fault::at(long.len())), "{text}");
        }
    }

    #[test]
    fn ten_million_elements_and_a_long_string_are_one_value() {
        let many = format!("[{}0]", "0,".repeat(9_999_999));
        assert_eq!(container(many.as_bytes(), 0), Ok(many.len()));
        let long = format!("[\"{}\"]", "[\\\"".repeat(10_000_000));
        assert_eq!(container(long.as_bytes(), 0), Ok(long.len()));
    }
}
