//! Texts with `*` for anything and `?` for one character.

use regex::Regex;

/// A text with `*` for anything, `?` for any one character and `|` between alternatives.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: Box<str>,
    regex: Regex,
}

impl Pattern {
    /// Reads a pattern; `None` if it is empty or larger than anybody needs.
    pub(super) fn new(text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let escaped = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".").replace(r"\|", "|");
        let regex = Regex::new(&format!("(?s)^(?:{escaped})$")).ok()?;
        Some(Self { text: text.into(), regex })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns the names that are to be found as they are, if there are no wildcards.
    pub(super) fn alternatives(&self) -> impl Iterator<Item = &str> {
        self.text.split('|')
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_anything_and_the_rest_for_itself() {
        for (pattern, text, is_match) in [
            ("Get*", "GetLayout", true),
            ("Get*", "OpenDoc", false),
            ("G?t", "Get", true),
            ("OpenDoc|Get*", "OpenDoc", true),
            ("OpenDoc|Get*", "OpenDocs", false),
            (r#"*GetObject("LB.[1]")*"#, r#"OpenDoc("x") / GetObject("LB.[1]")"#, true),
            (r#"*GetObject("LB.[1]")*"#, r#"OpenDoc("x") / GetObject("LB11")"#, false),
            ("/app/*", "/app/a/b\nc", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(text), is_match, "{pattern} {text}");
        }
        assert!(Pattern::new("").is_none());
    }
}
