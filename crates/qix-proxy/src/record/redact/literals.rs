//! Where something can be replaced in a script without making another program of it: in its strings and comments.

use std::ops::Range;

use super::texts::Kind;

/// The programs in a text.
pub(super) struct Programs {
    programs: Vec<Range<usize>>,
    literals: Vec<Range<usize>>,
}

impl Programs {
    /// Finds the programs in a text of this kind.
    pub(super) fn of(kind: Kind, text: &str) -> Self {
        let programs = match kind {
            Kind::Value | Kind::Loose => Vec::new(),
            Kind::Script => std::iter::once(0..text.len()).collect(),
            Kind::Page => scripts(text),
        };
        let inside = |program: &Range<usize>| {
            let from = program.start;
            literals(&text[program.clone()]).into_iter().map(move |at| at.start + from..at.end + from)
        };
        let literals = programs.iter().flat_map(inside).collect();
        Self { programs, literals }
    }

    /// Returns how far a text of `length` can be replaced from `at` on; `None` if that is code.
    pub(super) fn limit(&self, at: usize, length: usize) -> Option<usize> {
        let around = |ranges: &[Range<usize>]| {
            let before = ranges.partition_point(|range| range.start <= at);
            ranges[..before].last().filter(|range| range.end > at).map(|range| range.end)
        };
        if around(&self.programs).is_some() { around(&self.literals) } else { Some(length) }
    }
}

/// Returns where the scripts of a page are.
fn scripts(page: &str) -> Vec<Range<usize>> {
    let lower = page.to_ascii_lowercase();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(tag) = lower[at..].find("<script") {
        let Some(start) = lower[at + tag..].find('>').map(|end| at + tag + end + 1) else { break };
        at = lower[start..].find("</script").map_or(page.len(), |end| start + end);
        found.push(start..at);
    }
    found
}

/// Returns where strings, templates and comments of JavaScript or CSS have their text, in order.
///
/// What is no program gives ranges too, but none that cross a line without a template or comment.
fn literals(code: &str) -> Vec<Range<usize>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    // How many braces are open inside each `${` that is.
    let mut holes: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let next = bytes.get(at + 1);
        match bytes[at] {
            quote @ (b'"' | b'\'') => {
                let end = until(bytes, at + 1, |byte| byte == quote || byte == b'\n');
                found.push(at + 1..end);
                at = end;
            }
            b'`' => at = template(bytes, at + 1, &mut found, &mut holes),
            b'{' => holes.iter_mut().last().into_iter().for_each(|open| *open += 1),
            b'}' => match holes.last_mut() {
                Some(0) => {
                    holes.pop();
                    at = template(bytes, at + 1, &mut found, &mut holes);
                }
                Some(open) => *open -= 1,
                None => {}
            },
            b'/' if next == Some(&b'/') => {
                let end = at + memchr::memchr(b'\n', &bytes[at..]).unwrap_or(bytes.len() - at);
                found.push(at + 2..end);
                at = end;
            }
            b'/' if next == Some(&b'*') => {
                let end =
                    memchr::memmem::find(&bytes[at + 2..], b"*/").map_or(bytes.len(), |end| at + 2 + end);
                found.push(at + 2..end);
                at = end + 1;
            }
            b'/' if begins_expression(&bytes[..at]) => at = expression(bytes, at + 1),
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a template from `at` to its end, or to the next `${` in it, and returns the last place that it has read.
fn template(bytes: &[u8], at: usize, found: &mut Vec<Range<usize>>, holes: &mut Vec<usize>) -> usize {
    let mut end = at;
    loop {
        end = until(bytes, end, |byte| matches!(byte, b'`' | b'$'));
        if bytes.get(end) != Some(&b'$') || bytes.get(end + 1) == Some(&b'{') {
            break;
        }
        end += 1;
    }
    found.push(at..end);
    if bytes.get(end) == Some(&b'$') {
        holes.push(0);
        end += 1;
    }
    end
}

/// Returns where a regular expression ends.
fn expression(bytes: &[u8], mut at: usize) -> usize {
    let mut in_class = false;
    loop {
        at = until(bytes, at, |byte| matches!(byte, b'/' | b'[' | b']' | b'\n'));
        match bytes.get(at) {
            Some(b'[') => in_class = true,
            Some(b']') => in_class = false,
            Some(b'/') if in_class => {}
            _ => return at,
        }
        at += 1;
    }
}

/// Returns the first place from `at` on that `is_end` and has no backslash before it.
fn until(bytes: &[u8], mut at: usize, is_end: impl Fn(u8) -> bool) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            byte if is_end(*byte) => return at,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns whether a slash behind `before` begins a regular expression, and does not divide.
fn begins_expression(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let word = |word: &str| before.ends_with(word.as_bytes());
    match before.last() {
        None => true,
        Some(last) if last.is_ascii_alphanumeric() || matches!(last, b'_' | b'$') => {
            ["return", "typeof", "case", "in", "of", "void", "delete"].into_iter().any(word)
        }
        Some(last) => !matches!(last, b')' | b']' | b'}' | b'"' | b'\'' | b'`' | b'.'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_templates_and_comments_are_found_and_code_and_expressions_are_not() {
        for (code, expected) in [
            (r#"a="x",b='y\'"',c"#, &["x", r#"y\'""#][..]),
            ("`a${b+`c${'d'}`}e`+f", &["a", "c", "d", "", "e"]),
            ("`$1$`", &["$1$"]),
            ("`a${{b:{}}}c`", &["a", "c"]),
            ("a/b/\"c\" // d\n/* e */f", &["c", " d", " e "]),
            (r#"x=/["'\/[/]/.test("y")"#, &["y"]),
            (r#"return/'/.exec("z")"#, &["z"]),
            ("'not closed\n'b'", &["not closed", "b"]),
            ("/* not closed", &[" not closed"]),
            ("`${", &[""]),
            ("\"\\", &["\\"]),
        ] {
            let found: Vec<_> = literals(code).into_iter().map(|range| &code[range]).collect();
            assert_eq!(found, expected, "{code}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_survived(code in "[a-z\"'`${}/*\\\\\n\\[\\]é]{0,60}") {
            let mut end = 0;
            for range in literals(&code) {
                proptest::prop_assert!(range.start >= end && code.get(range.clone()).is_some());
                end = range.end;
            }
        }
    }
}
