//! Secrets inside texts: tokens by their shape, credentials by the word before them, URLs by their parameters.

use std::{borrow::Cow, ops::Range};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
    read::DecoderReader,
};
use qix_transport::redact_url_where;
use regex::Regex;

use super::{MASK, literals::Programs, names};

/// The longest header of a token that is decoded, in bytes.
const LONGEST_HEADER: usize = 16 << 10;

/// What a text is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// A value of a frame.
    Value,
    /// A log, a broken frame: `name: value` counts too.
    Loose,
    /// A page, with programs in it.
    Page,
    /// A program, which `name: value` is part of unless it stands in a string or comment.
    Script,
}

/// Returns `text` without its secrets, or nothing if there are none.
pub(super) fn clean<'t>(
    text: &'t str,
    query: &dyn Fn(&str) -> bool,
    own: &[Regex],
    kind: Kind,
) -> Option<Cow<'t, str>> {
    let mut clean = Cow::Borrowed(text);
    if let Some(changed) = tokens(&clean) {
        clean = Cow::Owned(changed);
    }
    if let Some(changed) = bearers(&clean) {
        clean = Cow::Owned(changed);
    }
    if let Some(changed) = urls(&clean, query) {
        clean = Cow::Owned(changed);
    }
    if let Some(changed) = words(&clean, kind) {
        clean = Cow::Owned(changed);
    }
    for regex in own {
        // What is masked already is no secret, whatever it matches.
        let mask = |found: &regex::Captures<'_>| match &found[0] {
            same if same.is_empty() || same.contains(MASK) => same.to_owned(),
            _ => MASK.to_owned(),
        };
        let changed = regex.replace_all(&clean, mask).into_owned();
        clean = Cow::Owned(changed);
    }
    (clean != text).then_some(clean)
}

/// Returns the extent of the JSON web token that begins at `start`: parts of base64url, the first of which is JSON with an `alg`.
///
/// `seen` is where the letters end among which the last `start` was, at first 0; one `start` comes behind the other. Beginnings of tokens
/// may follow each other closely, and all of them have the same end.
pub(super) fn jwt_at(text: &[u8], start: usize, seen: &mut usize) -> Option<Range<usize>> {
    let part = |from: usize| {
        let of_token = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        from + text[from..].iter().take_while(|byte| of_token(byte)).count()
    };
    if start >= *seen {
        *seen = part(start);
    }
    let header = *seen;
    if header - start > LONGEST_HEADER || text.get(header) != Some(&b'.') {
        return None;
    }
    // Read no further than it is JSON.
    let json = DecoderReader::new(&text[start..header], &URL_SAFE_NO_PAD);
    serde_json::from_reader::<_, serde_json::Value>(json).ok()?.get("alg")?;
    let mut end = part(header + 1);
    if end == header + 1 || text.get(end) != Some(&b'.') {
        return None;
    }
    // An unsigned token ends in a dot, an encrypted one has five parts.
    for _ in 0..3 {
        if text.get(end) == Some(&b'.') {
            end = part(end + 1);
        }
    }
    Some(start..end)
}

fn tokens(text: &str) -> Option<String> {
    let mut edits = Vec::new();
    for start in ["eyJ", "eyA", "ewo"] {
        let mut seen = 0;
        edits.extend(text.match_indices(start).filter_map(|(at, _)| jwt_at(text.as_bytes(), at, &mut seen)));
    }
    edits.sort_unstable_by_key(|edit| edit.start);
    masked(text, &edits)
}

fn bearers(text: &str) -> Option<String> {
    let mut edits = Vec::new();
    for (at, _) in text.match_indices("earer ").chain(text.match_indices("EARER ")) {
        let start = at + "earer ".len();
        let token = run(text, start, |c| {
            c.is_ascii_graphic() && !matches!(c, '"' | '\'' | ',' | ';' | '<' | '>' | ')')
        });
        // Prose may speak of bearers too.
        if token.len() >= 20 || token.contains(|c: char| !c.is_ascii_alphabetic() && c != '.') {
            edits.push(start..start + token.len());
        }
    }
    for (at, _) in text.match_indices("asic ") {
        let start = at + "asic ".len();
        let token = run(text, start, |c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='));
        if STANDARD.decode(token).is_ok_and(|user| user.contains(&b':')) {
            edits.push(start..start + token.len());
        }
    }
    edits.sort_unstable_by_key(|edit| edit.start);
    masked(text, &edits)
}

/// Cleans what stands between white space and quotes and has the look of a URL.
fn urls(text: &str, query: &dyn Fn(&str) -> bool) -> Option<String> {
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    let mut out = String::new();
    let mut changed = false;
    for piece in text.split_inclusive(ends) {
        let url = piece.strip_suffix(ends).unwrap_or(piece);
        let looks_like_one =
            url.contains("://") || url.starts_with(['/', '?']) || url.contains("%3D") || url.contains("%3d");
        let clean = if looks_like_one { redact_url_where(url, query) } else { url.to_owned() };
        changed |= clean != url;
        out += &clean;
        out += &piece[url.len()..];
    }
    changed.then_some(out)
}

/// Masks `name=value`, as in connection strings and cookies, and `password is value`, as in scripts.
fn words(text: &str, kind: Kind) -> Option<String> {
    let bytes = text.as_bytes();
    let programs = Programs::of(kind, text);
    let mut edits: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| matches!(byte, b'=' | b':' | b' ')) {
        let sign = at + found;
        at = sign + 1;
        let (after, is) = match bytes[sign] {
            b' ' if starts_with_ignoring_case(&bytes[sign..], b" is ") => (sign + 4, true),
            b' ' => continue,
            b':' if kind == Kind::Value => continue,
            _ => (sign + 1, false),
        };
        let before = text[..sign].trim_end_matches([' ', '"', '\'', '\\']);
        let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let name = &before[before.trim_end_matches(of_name).len()..];
        if !names::is_secret_word(name) || is && !names::is_password(name) {
            continue;
        }
        let (start, quote) = value_start(text, after);
        // Expressions compare and list: `==`, `token={'a'}`.
        if edits.last().is_some_and(|last| start < last.end)
            || text[start..].starts_with(MASK)
            || matches!(bytes.get(start), Some(b'=' | b'{')) && !names::is_password(name)
        {
            continue;
        }
        let Some(mut value) = value(text, start, quote, name) else { continue };
        let Some(limit) = programs.limit(start, text.len()) else { continue };
        value.end = value.end.min(limit);
        at = value.end;
        edits.push(value);
    }
    masked(text, &edits)
}

/// Returns where the value begins that may have blanks before it, and the quote it stands in.
fn value_start(text: &str, start: usize) -> (usize, Option<char>) {
    let start = start + run(text, start, |c| matches!(c, ' ' | '\\')).len();
    let quote = text[start..].chars().next().filter(|c| matches!(c, '"' | '\''));
    (start + usize::from(quote.is_some()), quote)
}

/// Returns where the value of `name` stands that begins at `start`.
fn value(text: &str, start: usize, quote: Option<char>, name: &str) -> Option<Range<usize>> {
    let range = if let Some(quote) = quote {
        start..text[start..].find(quote).map_or(text.len(), |end| start + end)
    } else if ["authorization", "cookie"].iter().any(|end| name.to_ascii_lowercase().ends_with(end)) {
        start..start + run(text, start, |c| !matches!(c, '\r' | '\n' | '"')).len()
    } else {
        let ends =
            |c: char| c.is_whitespace() || matches!(c, ';' | '&' | ',' | ')' | ']' | '"' | '\'' | '<' | '>');
        start..start + run(text, start, |c| !ends(c)).len()
    };
    // A backslash before the closing quote belongs to the quote.
    let inner = text[range.clone()].trim_end_matches('\\').len();
    (inner > 0).then(|| range.start..range.start + inner)
}

fn run(text: &str, start: usize, of_it: impl Fn(char) -> bool) -> &str {
    let rest = &text[start..];
    &rest[..rest.find(|c| !of_it(c)).unwrap_or(rest.len())]
}

fn starts_with_ignoring_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

/// Returns `text` with the mask at these places, which are in order.
pub(super) fn masked(text: &str, edits: &[Range<usize>]) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for edit in edits.iter().filter(|edit| text[(*edit).clone()] != *MASK) {
        if edit.start >= copied {
            out.extend([&text[copied..edit.start], MASK]);
            copied = edit.end;
        }
    }
    (copied > 0).then(|| out + &text[copied..])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"none"}`, `{"sub":"ada"}`, and nothing or something for a signature.
    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln";

    fn check(text: &str, expected: &str) {
        let found = clean(text, &|_| false, &[], Kind::Loose);
        assert_eq!(found.as_deref().unwrap_or(text), expected);
        assert_eq!(clean(expected, &|_| false, &[], Kind::Loose), None, "cleaning twice changes nothing");
    }

    #[test]
    fn tokens_are_known_by_their_shape() {
        check(&format!("a {JWT}, b"), "a ***, b");
        check("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.", "***");
        check(&format!("{JWT}.x.y {JWT}"), "*** ***");
        check("eyJhbGciOiJub25lIn0.eyJzdWIi", "eyJhbGciOiJub25lIn0.eyJzdWIi");
        check("eyJzdWIiOiJhZGEifQ.a.b", "eyJzdWIiOiJhZGEifQ.a.b");
    }

    #[test]
    fn bearers_and_basic_logins_are_masked_and_prose_is_not() {
        check("Bearer s3cret-1", "Bearer ***");
        check("bearer aaaaaaaaaaaaaaaaaaaaaaaa", "bearer ***");
        check("the bearer documents.", "the bearer documents.");
        check("Basic YWRhOnB3, x", "Basic ***, x");
        check("Basic plan", "Basic plan");
    }

    #[test]
    fn words_before_a_value_make_it_a_secret() {
        for (text, expected) in [
            ("Provider=x;User Id=a;Password=p;x=1", "Provider=x;User Id=a;Password=***;x=1"),
            ("PWD = 'a b';", "PWD = '***';"),
            ("ODBC CONNECT TO [x] (XPassword is abc)", "ODBC CONNECT TO [x] (XPassword is ***)"),
            ("UserDirectory=ACME; UserId=ada", "UserDirectory=***; UserId=***"),
            ("Cookie: a=1; b=2\nx", "Cookie: ***\nx"),
            (r#"{"password": "x"#, r#"{"password": "***"#),
            (r#"{\"token\":\"x\"}"#, r#"{\"token\":\"***\"}"#),
            ("X-Qlik-Session-vp=1234", "X-Qlik-Session-vp=***"),
            ("Sum({<Token={'a'}>} x)", "Sum({<Token={'a'}>} x)"),
            ("password=", "password="),
        ] {
            check(text, expected);
        }
        assert_eq!(clean("Ticket: open", &|_| false, &[], Kind::Value), None);
    }

    #[test]
    fn urls_inside_a_text_are_cleaned() {
        check(
            "see https://h/login?returnto=https%3A%2F%2Fh%2F%3FqlikTicket%3Dabc now",
            "see https://h/login?returnto=https%3A%2F%2Fh%2F%3FqlikTicket%3D*** now",
        );
        check("https://me:pw@h/x", "https://***@h/x");
        check("/app/x?code=1&y=2", "/app/x?code=***&y=2");
        check("if(code=1, 'state=2')", "if(code=1, 'state=2')");
    }

    #[test]
    fn own_expressions_are_masked_once() {
        let own = [Regex::new(r"SK-\d+|\*+").unwrap()];
        let once = clean("key SK-12 SK-3", &|_| false, &own, Kind::Value).unwrap();
        assert_eq!(once, "key *** ***");
        assert_eq!(clean(&once, &|_| false, &own, Kind::Value), None);
    }
}
