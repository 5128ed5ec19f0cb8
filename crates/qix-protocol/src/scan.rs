//! A validating scanner for JSON text that builds nothing.
//!
//! Two rules hold in this file. Nothing recurses, so text from the network cannot exhaust the stack. And every byte that is
//! stepped over was checked against the grammar of RFC 8259, so a range this scanner returns is one valid JSON value
//! (UTF-8 aside, which the socket has checked). [`Items`] alone leaves objects and arrays within its container unchecked.

use std::ops::Range;

use crate::{ProtocolError, siblings::Siblings, skip};

/// Values nested deeper than this are refused. Engines nest a few dozen levels; `jq` gives up soon after this many.
pub const MAX_DEPTH: usize = 256;

/// Where text stops being JSON, and whether it is because it nests too deep.
///
/// One number, so that the scanner's results travel in registers: it returns one for every token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fault(usize);

impl Fault {
    const TOO_DEEP: usize = 1 << (usize::BITS - 1);

    pub(crate) fn at(offset: usize) -> Self {
        Self(offset)
    }

    pub(crate) fn too_deep(offset: usize) -> Self {
        Self(offset | Self::TOO_DEEP)
    }
}

impl From<Fault> for ProtocolError {
    fn from(Fault(at): Fault) -> Self {
        let offset = at & !Fault::TOO_DEEP;
        if at == offset {
            Self::MalformedFrame { offset }
        } else {
            Self::TooDeep { offset, limit: MAX_DEPTH }
        }
    }
}

/// Returns whether `text` can stand as a value on a line of its own: UTF-8, exactly one JSON value, white space around it
/// allowed, no line feed, nested less than [`MAX_DEPTH`] levels, so that it can be read inside another value.
pub fn is_json_line(text: &[u8]) -> bool {
    let mut seen = Seen::default();
    let start = spaces(text, 0, &mut seen);
    let end = value_within(text, start, MAX_DEPTH - 1, &mut seen);
    end.is_ok_and(|end| spaces(text, end, &mut seen) == text.len())
        && !seen.line_feed
        && (seen.high == 0 || str::from_utf8(text).is_ok())
}

/// What the scanner notices on its way.
#[derive(Default)]
struct Seen {
    /// Not zero if a byte is not ASCII.
    high: u64,
    /// Whether a line feed was stepped over; valid text has them between tokens only.
    line_feed: bool,
}

/// Steps over white space.
fn spaces(text: &[u8], mut at: usize, seen: &mut Seen) -> usize {
    while let Some(space @ (b' ' | b'\n' | b'\r' | b'\t')) = text.get(at) {
        seen.line_feed |= *space == b'\n';
        at += 1;
    }
    at
}

/// Returns the range of the one value in `text`, white space around it left out.
pub(crate) fn document(text: &[u8]) -> Result<Range<usize>, Fault> {
    let start = space(text, 0);
    let end = value(text, start)?;
    match space(text, end) {
        at if at == text.len() => Ok(start..end),
        at => Err(Fault::at(at)),
    }
}

/// Steps over one value that starts at or after `at`, and returns where it ends.
pub(crate) fn value(text: &[u8], at: usize) -> Result<usize, Fault> {
    value_within(text, at, MAX_DEPTH, &mut Seen::default())
}

#[inline]
fn value_within(text: &[u8], mut at: usize, limit: usize, seen: &mut Seen) -> Result<usize, Fault> {
    let mut open = Nesting { objects: [0; MAX_DEPTH / 64], depth: 0, limit };
    let mut siblings = Siblings::worthwhile(text.get(at..).unwrap_or_default());
    let mut in_object = false;
    loop {
        match text.get(at) {
            Some(b'"') => at = string(text, at, &mut seen.high)?,
            Some(b'{') => {
                if let Some(siblings) = &mut siblings {
                    siblings.begin(open.depth);
                }
                let inside = spaces(text, at + 1, seen);
                if text.get(inside) == Some(&b'}') {
                    at = inside + 1;
                } else {
                    open.push(true, at)?;
                    in_object = true;
                    at = next_name(text, at, open.depth - 1, &mut siblings, seen)?;
                    continue;
                }
            }
            Some(b'[') => {
                let inside = spaces(text, at + 1, seen);
                if text.get(inside) == Some(&b']') {
                    at = inside + 1;
                } else {
                    open.push(false, at)?;
                    in_object = false;
                    at = inside;
                    continue;
                }
            }
            Some(b'-' | b'0'..=b'9') => at = number(text, at)?,
            Some(b't') => at = literal(text, at, b"true")?,
            Some(b'f') => at = literal(text, at, b"false")?,
            Some(b'n') => at = literal(text, at, b"null")?,
            Some(b' ' | b'\n' | b'\r' | b'\t') => {
                at = spaces(text, at, seen);
                continue;
            }
            _ => return Err(Fault::at(at)),
        }
        while open.depth > 0 {
            match text.get(at) {
                Some(b',') if in_object => {
                    at = next_name(text, at, open.depth - 1, &mut siblings, seen)?;
                    break;
                }
                Some(b',') => {
                    at += 1;
                    break;
                }
                Some(b'}') if in_object => {
                    at += 1;
                    in_object = open.pop();
                }
                Some(b']') if !in_object => {
                    at += 1;
                    in_object = open.pop();
                }
                Some(b' ' | b'\n' | b'\r' | b'\t') => at = spaces(text, at, seen),
                _ => return Err(Fault::at(at)),
            }
        }
        if open.depth == 0 {
            return Ok(at);
        }
    }
}

/// Steps over a brace or comma, a name and its colon.
#[inline]
fn next_name(
    text: &[u8],
    at: usize,
    depth: usize,
    siblings: &mut Option<Box<Siblings>>,
    seen: &mut Seen,
) -> Result<usize, Fault> {
    if let Some(siblings) = siblings
        && let Some(end) = siblings.known(text, at, depth)
    {
        return Ok(end);
    }
    let end = name(text, spaces(text, at + 1, seen), seen)?.1;
    if let Some(siblings) = siblings {
        siblings.learn(&text[at..end], depth);
    }
    Ok(end)
}

/// The members of an object, or the elements of an array, one level deep.
///
/// Built on text that may be anything; yields one error and then nothing when the text is not a valid container. Names and
/// scalars were checked; values that are containers themselves were stepped over by [structure](skip) alone.
pub(crate) struct Items<'a> {
    text: &'a [u8],
    at: usize,
    state: State,
    object: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    First,
    Later,
    Done,
}

/// One item: the range of its name without quotes (empty in an array) and the range of its value.
pub(crate) struct Item {
    pub(crate) name: Range<usize>,
    pub(crate) value: Range<usize>,
}

impl<'a> Items<'a> {
    /// Walks the container that starts at or after byte `at`; `None` if no container starts there.
    pub(crate) fn new(text: &'a [u8], at: usize) -> Option<Self> {
        let at = space(text, at);
        let object = match text.get(at) {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return None,
        };
        Some(Self { text, at: at + 1, state: State::First, object })
    }

    pub(crate) fn is_object(&self) -> bool {
        self.object
    }

    /// Where the container ends; only true once the iterator has returned `None` without an error before.
    pub(crate) fn end(&self) -> usize {
        self.at
    }

    fn step(&mut self) -> Result<Option<Item>, Fault> {
        let close = if self.object { b'}' } else { b']' };
        let mut at = space(self.text, self.at);
        match (self.text.get(at), self.state) {
            (Some(byte), State::First | State::Later) if *byte == close => {
                self.at = at + 1;
                self.state = State::Done;
                return Ok(None);
            }
            (Some(b','), State::Later) => at = space(self.text, at + 1),
            (Some(_), State::First) => {}
            _ => return Err(Fault::at(at)),
        }
        self.state = State::Later;
        let mut item_name = at..at;
        if self.object {
            (item_name, at) = name(self.text, at, &mut Seen::default())?;
        }
        let start = space(self.text, at);
        let end = skim(self.text, start)?;
        self.at = end;
        Ok(Some(Item { name: item_name, value: start..end }))
    }
}

impl Iterator for Items<'_> {
    type Item = Result<Item, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Done {
            return None;
        }
        let item = self.step().transpose();
        if matches!(item, Some(Err(_))) {
            self.state = State::Done;
        }
        item
    }
}

/// Steps over the value that starts at `at`, a container by its structure alone.
#[inline]
pub(crate) fn skim(text: &[u8], at: usize) -> Result<usize, Fault> {
    match text.get(at) {
        Some(b'"') => string(text, at, &mut 0),
        Some(b'-' | b'0'..=b'9') => number(text, at),
        Some(b'{' | b'[') => skip::container(text, at),
        Some(b't') => literal(text, at, b"true"),
        Some(b'f') => literal(text, at, b"false"),
        Some(b'n') => literal(text, at, b"null"),
        _ => Err(Fault::at(at)),
    }
}

/// Which of the open containers are objects, one bit each.
struct Nesting {
    objects: [u64; MAX_DEPTH / 64],
    depth: usize,
    limit: usize,
}

impl Nesting {
    fn push(&mut self, object: bool, at: usize) -> Result<(), Fault> {
        if self.depth == self.limit {
            return Err(Fault::too_deep(at));
        }
        let bit = 1 << (self.depth % 64);
        if object {
            self.objects[self.depth / 64] |= bit;
        } else {
            self.objects[self.depth / 64] &= !bit;
        }
        self.depth += 1;
        Ok(())
    }

    /// Closes the innermost container; returns whether the one around it is an object.
    fn pop(&mut self) -> bool {
        self.depth -= 1;
        let top = self.depth.saturating_sub(1) % MAX_DEPTH;
        self.objects[top / 64] & (1 << (top % 64)) != 0
    }
}

pub(crate) fn fault(offset: usize) -> ProtocolError {
    Fault::at(offset).into()
}

#[inline]
pub(crate) fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

/// Steps over a name and its colon; returns the name without quotes and where the value may start.
#[inline]
fn name(text: &[u8], at: usize, seen: &mut Seen) -> Result<(Range<usize>, usize), Fault> {
    if text.get(at) != Some(&b'"') {
        return Err(Fault::at(at));
    }
    let end = string(text, at, &mut seen.high)?;
    let colon = spaces(text, end, seen);
    if text.get(colon) != Some(&b':') {
        return Err(Fault::at(colon));
    }
    Ok((at + 1..end - 1, colon + 1))
}

#[inline]
pub(crate) fn string(text: &[u8], start: usize, high: &mut u64) -> Result<usize, Fault> {
    let mut at = start + 1;
    loop {
        at = plain(text, at, high);
        match text.get(at) {
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => match text.get(at + 1) {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => at += 2,
                Some(b'u') => match text.get(at + 2..at + 6) {
                    Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => at += 6,
                    _ => return Err(Fault::at(at)),
                },
                _ => return Err(Fault::at(at)),
            },
            _ => return Err(Fault::at(at)),
        }
    }
}

/// Steps over bytes that mean nothing special inside a string, eight at a time.
#[inline]
pub(crate) fn plain(text: &[u8], mut at: usize, high: &mut u64) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    let has_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGHS;
    while let Some(Ok(bytes)) = text.get(at..at + 8).map(<[u8; 8]>::try_from) {
        let word = u64::from_le_bytes(bytes);
        *high |= word & HIGHS;
        let quote = has_zero(word ^ (ONES * b'"' as u64));
        let backslash = has_zero(word ^ (ONES * b'\\' as u64));
        // Below 0x20: the subtraction borrows; bytes of 0x80 and more are excluded by `!word`.
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
        // A borrow can mark a byte above the first hit, never below it, so the lowest mark is exact.
        let special = quote | backslash | control;
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = text.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        *high |= u64::from(byte & 0x80);
        at += 1;
    }
    at
}

/// Steps over the number that starts at `at`.
#[inline]
pub(crate) fn number(text: &[u8], mut at: usize) -> Result<usize, Fault> {
    if text.get(at) == Some(&b'-') {
        at += 1;
    }
    match text.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => at = digits(text, at),
        _ => return Err(Fault::at(at)),
    }
    if text.get(at) == Some(&b'.') {
        at = some_digits(text, at + 1)?;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        at = some_digits(text, at)?;
    }
    Ok(at)
}

#[inline]
fn some_digits(text: &[u8], at: usize) -> Result<usize, Fault> {
    match digits(text, at) {
        end if end > at => Ok(end),
        end => Err(Fault::at(end)),
    }
}

#[inline]
fn digits(text: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = text.get(at) {
        at += 1;
    }
    at
}

#[inline]
pub(crate) fn literal(text: &[u8], at: usize, word: &[u8]) -> Result<usize, Fault> {
    match text.get(at..at + word.len()) {
        Some(found) if found == word => Ok(at + word.len()),
        _ => Err(Fault::at(at)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn agrees(text: &str) -> Result<(), TestCaseError> {
        let reference = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
        prop_assert_eq!(document(text.as_bytes()).is_ok(), reference, "{:?}", text);
        prop_assert_eq!(is_json_line(text.as_bytes()), reference && !text.contains('\n'), "{:?}", text);
        Ok(())
    }

    proptest! {
        #[test]
        fn says_what_serde_json_says_of_json_like_text(
            text in r#"([{}\[\],: "\\]|"[a-zé\\u0-9/"]{0,12}"|-?[0-9]{1,3}([.][0-9]{0,2})?([eE][+-]?[0-9]{0,2})?|true|false|null|[\t\n\x00-\x1f]){0,12}"#
        ) {
            agrees(&text)?;
        }

        #[test]
        fn says_what_serde_json_says_of_strings(text in r#""[ -~\x00-\x7fé€😀]{0,40}""#) {
            agrees(&text)?;
        }

        #[test]
        fn says_what_serde_json_says_of_any_text(text in any::<String>()) {
            agrees(&text)?;
        }
    }

    #[test]
    fn accepts_each_kind_of_value_with_space_around() {
        for text in
            [" {} ", "[]", "\"\"", "0", "-0.5e+10", "true", "false", "null", " [ 1 , { \"a\" : [ ] } ] "]
        {
            assert!(is_json_line(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn line_feeds_and_text_that_is_not_utf8_do_not_fit_a_line() {
        for text in [
            &b"{\n}"[..],
            b"\n1",
            b"1\n",
            b"[1\n,2]",
            b"[1,\n2]",
            b"{\"a\"\n:1}",
            b"{\"a\":1\n}",
            b"\"\xff\"",
            b"\"12345678\xc3\"",
            b"[ \n ]",
        ] {
            assert!(!is_json_line(text), "{text:?}");
        }
        assert!(is_json_line("{\"é\":\"12345678é\"}\r\t ".as_bytes()));
    }

    #[test]
    fn like_objects_are_held_to_the_same_grammar() {
        let cell = r#"{"qText":"x","qNum":"NaN","qElemNumber":7,"a name longer than is kept":[1]}"#;
        let list = |last: &str| format!("[{}{last}]", format!("{cell},").repeat(40));
        assert!(is_json_line(list(cell).as_bytes()));
        for last in [
            r#"{"qText":"x","qNum":}"#,
            r#"{"qText":}"#,
            r#"{"qText":1,"qNum":2,}"#,
            r#"{"qText":1 "qNum":2}"#,
            r#"{,"qNum":2}"#,
            r#""qText":1"#,
            r#"["qText":1]"#,
        ] {
            assert!(!is_json_line(list(last).as_bytes()), "{last}");
        }
        for last in
            [r#"{"qText":1}"#, r#"{"qNum":1,"qText":{"qText":[]}}"#, "{}", r#"{ "qText" : 1 , "qNum" : 2 }"#]
        {
            assert!(is_json_line(list(last).as_bytes()), "{last}");
        }
    }

    #[test]
    fn refuses_what_is_almost_json() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,}",
            "01",
            "1.",
            "+1",
            ".5",
            "1e",
            "tru",
            "\"\\x\"",
            "\"\\ud8\"",
            "[1 2]",
            "{1:2}",
            "[}",
        ] {
            assert!(!is_json_line(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn nesting_bomb_is_refused_without_recursion() {
        let deep = "[".repeat(10_000_000);
        let refused = value(deep.as_bytes(), 0).map_err(ProtocolError::from);
        assert_eq!(refused, Err(ProtocolError::TooDeep { offset: MAX_DEPTH, limit: MAX_DEPTH }));
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(nested(MAX_DEPTH).as_bytes(), 0).is_ok());
        assert!(!is_json_line(nested(MAX_DEPTH).as_bytes()));
        assert!(is_json_line(nested(MAX_DEPTH - 1).as_bytes()));
    }

    #[test]
    fn items_yield_names_and_values_in_order() {
        let text = br#" { "a" : 1, "b":[2 , 3], "c":{"d":null} } rest"#;
        let mut items = Items::new(text, 0).unwrap();
        let found: Vec<_> = items
            .by_ref()
            .map(|item| item.unwrap())
            .map(|item| (&text[item.name], &text[item.value]))
            .collect();
        assert_eq!(found, [(&b"a"[..], &b"1"[..]), (b"b", b"[2 , 3]"), (b"c", br#"{"d":null}"#)]);
        assert_eq!(&text[items.end()..], b" rest");
    }

    #[test]
    fn items_report_a_fault_once() {
        let mut items = Items::new(br#"{"a":1 "b":2}"#, 0).unwrap();
        assert!(items.next().unwrap().is_ok());
        assert_eq!(items.next().unwrap().err(), Some(Fault::at(7)));
        assert!(items.next().is_none());
    }
}
