//! Finds the few frames that may hold a secret, without reading the others as JSON.

use std::ops::Range;

use aho_corasick::{AhoCorasick, packed};

use super::texts::jwt_at;

/// Parts of names and texts without which there is no secret. They begin where spellings agree, and are no shorter than three
/// bytes, so that the vector search has something to go by. Larger groups, and three bytes that stand in each cell of a hypercube,
/// make it slow.
const GROUPS: [&[&str]; 2] = [
    &[
        "assword",
        "ASSWORD",
        "asswd",
        "assphrase",
        "ecret",
        "ECRET",
        "oken",
        "OKEN",
        "icket",
        "ICKET",
        "piKey",
        "pi_key",
        "pi-key",
        "pikey",
        "rivateKey",
        "rivate_key",
        "uthorization",
        "AUTHORIZATION",
        "ookie",
        "COOKIE",
        "qlik-",
        "Qlik-",
        "QLIK-",
        "csrf",
        "Csrf",
        "CSRF",
        "rfkey",
        "rfKey",
        "ssertion",
    ],
    &[
        "qUserName",
        "qSerial",
        "onnectionString",
        "qInput",
        "serDirectory",
        "serId",
        "serid",
        "SAMLResp",
        "samlresp",
        "verifier",
        "pwd",
        "Pwd",
        "PWD",
        "jwt",
        "JWT",
        "earer ",
        "EARER ",
        "asic ",
        "eas.sid",
        "://",
        ":\\/\\/",
        "\\u00",
        "eyJ",
        "eyA",
        "ewo",
    ],
];

/// As they begin in URLs, and in URLs inside those: `state=` alone would stop at each `"qState":` of a hypercube.
const IN_URLS: &[&str] = &[
    "?code", "&code", "#code", "?state", "&state", "#state", "?State", "&State", "26code", "3Fcode",
    "3fcode", "26state", "3Fstate", "3fstate",
];

/// A prepared search for what may be a secret.
#[derive(Debug)]
pub(super) struct Search(Vec<Group>);

#[derive(Debug)]
enum Group {
    /// Where the machine has vectors.
    Packed(packed::Searcher),
    /// Elsewhere.
    Automaton(AhoCorasick),
}

impl Search {
    /// Prepares the search for all built-in patterns and `more`.
    pub(super) fn new(more: &[String]) -> Self {
        let others: Vec<&str> = IN_URLS.iter().copied().chain(more.iter().map(String::as_str)).collect();
        let groups = GROUPS.into_iter().chain(others.chunks(GROUPS[0].len()));
        Self(groups.filter_map(Group::new).collect())
    }

    /// Returns where, from `start` on, something may be a secret.
    pub(super) fn next(&self, text: &[u8], start: usize) -> Option<usize> {
        let mut end = text.len();
        let mut first = None;
        for group in &self.0 {
            if let Some(found) = group.next(text, start..end) {
                first = Some(found.start);
                // Others matter only if they come before.
                end = found.end;
            }
        }
        first
    }

    /// Looks for what may be a secret in `text`, part by part.
    pub(super) fn suspects<'a>(&'a self, text: &'a [u8]) -> Suspects<'a> {
        Suspects { groups: self.0.iter().map(|group| (group, 0..0)).collect(), ..Suspects::none(text) }
    }
}

/// A search that goes through a text once, whatever it finds.
#[derive(Debug)]
pub(crate) struct Suspects<'a> {
    text: &'a [u8],
    /// What each group has found last, or the end of the text.
    groups: Vec<(&'a Group, Range<usize>)>,
    all: bool,
}

impl<'a> Suspects<'a> {
    /// Suspects nothing.
    pub(super) fn none(text: &'a [u8]) -> Self {
        Self { text, groups: Vec::new(), all: false }
    }

    /// Suspects everything.
    pub(super) fn all(text: &'a [u8]) -> Self {
        Self { all: true, ..Self::none(text) }
    }

    /// Returns whether something in this part of the text may be a secret. Parts must be asked for in order.
    pub(crate) fn within(&mut self, part: Range<usize>) -> bool {
        let mut within = self.all;
        for (group, found) in &mut self.groups {
            if found.start < part.start || found.start == found.end && found.start < self.text.len() {
                let all = self.text.len();
                *found = group.next(self.text, part.start..all).unwrap_or(all..all);
            }
            within |= found.start < part.end;
        }
        within
    }
}

impl Group {
    fn new<P: AsRef<[u8]>>(patterns: &[P]) -> Option<Self> {
        let packed = packed::Config::new().builder().extend(patterns).build();
        packed.map(Self::Packed).or_else(|| AhoCorasick::new(patterns).ok().map(Self::Automaton))
    }

    /// Returns the first place within `range` that may be a secret.
    fn next(&self, text: &[u8], range: Range<usize>) -> Option<Range<usize>> {
        let (mut at, mut seen) = (range.start, 0);
        while let Some(found) = self.find(&text[..range.end], at) {
            if may_be_secret(text, found.clone(), &mut seen) {
                return Some(found);
            }
            at = found.start + 1;
        }
        None
    }

    fn find(&self, text: &[u8], at: usize) -> Option<Range<usize>> {
        let found = match self {
            Self::Packed(searcher) => {
                searcher.find_in(text, aho_corasick::Span { start: at, end: text.len() })
            }
            Self::Automaton(automaton) => automaton.find(aho_corasick::Input::new(text).span(at..text.len())),
        };
        found.map(|found| found.start()..found.end())
    }
}

/// Looks around what was found, where that spares the reading of many frames; `seen` as for [`jwt_at`].
fn may_be_secret(text: &[u8], found: Range<usize>, seen: &mut usize) -> bool {
    let after = &text[found.end..];
    match &text[found.clone()] {
        b"://" | b":\\/\\/" => {
            let end =
                after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\\' | 0..=b' '));
            memchr::memchr(b'@', &after[..end.unwrap_or(after.len())]).is_some()
        }
        // An escaped letter or sign of ASCII, behind which a name may hide.
        b"\\u00" => matches!(after.first(), Some(b'2'..=b'7')),
        b"eyJ" | b"eyA" | b"ewo" => jwt_at(text, found.start, seen).is_some(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_of_all_groups_is_found() {
        let search = Search::new(&["own-name".to_owned()]);
        let text = br#"{"a":"own-name","qUserName":"x","password":"y"}"#;
        assert_eq!(search.next(text, 0), Some(6));
        assert_eq!(search.next(text, 7), Some(17));
        assert_eq!(search.next(text, 18), Some(34));
        assert_eq!(search.next(text, 35), None);
    }

    #[test]
    fn what_only_looks_alike_is_passed_over() {
        let search = Search::new(&[]);
        for text in
            ["https://host/picture.png", "eyJust text", r"caf\u00e9", "barcode=1", "qState=1", "qText qNum"]
        {
            assert_eq!(search.next(text.as_bytes(), 0), None, "{text}");
        }
        for text in ["https://me:pw@host/", r"\u0070assword", "/?code=1", "%26state%3D1"] {
            assert!(search.next(text.as_bytes(), 0).is_some(), "{text}");
        }
    }
}
