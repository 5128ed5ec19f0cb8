//! Which calls are shown: one filter for all views.

use std::{ops::Range, time::Duration};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use regex::bytes::Regex;

/// Conditions on what is shown, all of which hold for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    methods: Option<Globs>,
    objects: Option<Globs>,
    /// Only what took at least this long.
    pub(crate) slower: Option<Duration>,
    /// Only what has an answer, or a request, of at least this many bytes.
    pub(crate) larger: Option<u64>,
    /// Only what failed.
    pub(crate) errors: bool,
    /// Only of these connections; of all if there are none.
    pub(crate) connections: Vec<u64>,
    /// Only what was made in this time since the recording started.
    pub(crate) time: Option<Range<Duration>>,
    /// Only calls in whose texts this is found.
    pub(crate) texts: Option<Regex>,
}

/// What is to be known of a call, or of an exchange of plain HTTP, to decide whether it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// The connection; 0 for none.
    pub(crate) conn: u64,
    /// When it was made, since the recording started.
    pub(crate) at: Duration,
    /// The method; of plain HTTP `HTTP GET` and its like, for `Get*` is about calls.
    pub(crate) method: &'a str,
    /// What the object is shown as; of plain HTTP the path.
    pub(crate) object: &'a str,
    /// What else the object is found by: type, id, title.
    pub(crate) names: [&'a str; 3],
    /// How long it took; `None` without an answer.
    pub(crate) latency: Option<Duration>,
    /// The larger of the sizes of request and answer.
    pub(crate) bytes: u64,
    /// Whether it failed.
    pub(crate) failed: bool,
}

impl Filter {
    /// Makes a filter. Of several methods or objects one must match; upper and lower case are the same.
    ///
    /// # Errors
    ///
    /// The pattern that is none, and why.
    pub(crate) fn new(methods: &[String], objects: &[String]) -> Result<Self, globset::Error> {
        Ok(Self { methods: globs(methods)?, objects: globs(objects)?, ..Self::default() })
    }

    /// Returns whether calls of all kinds are shown, be it of some connections, or of some time.
    pub(crate) fn is_open(&self) -> bool {
        self.methods.is_none()
            && self.objects.is_none()
            && self.slower.is_none()
            && self.larger.is_none()
            && !self.errors
            && self.texts.is_none()
    }

    /// Returns whether to show what has happened on a connection (0 for none) at a time.
    pub(crate) fn covers(&self, conn: u64, at: Duration) -> bool {
        self.is_of(conn) && self.time.as_ref().is_none_or(|time| time.contains(&at))
    }

    /// Returns whether what is of a connection (0 for none) is shown, whenever it has happened.
    pub(crate) fn is_of(&self, conn: u64) -> bool {
        self.connections.is_empty() || self.connections.contains(&conn)
    }

    /// As [`shows`](Self::shows), but polls for progress are shown only if a pattern names their method or they fail: the progress
    /// itself is told.
    pub(crate) fn tells(&self, facts: &Facts<'_>) -> bool {
        let is_told = self.methods.is_some() || facts.method != "GetProgress" || facts.failed;
        is_told && self.shows(facts)
    }

    /// Returns whether a call or an exchange is to be shown, its texts apart.
    pub(crate) fn shows(&self, facts: &Facts<'_>) -> bool {
        let method = self.methods.as_ref().is_none_or(|methods| methods.is_match(facts.method));
        let object = self.objects.as_ref().is_none_or(|objects| {
            objects.is_match(facts.object) || facts.names.iter().any(|text| objects.is_match(text))
        });
        method
            && object
            && self.slower.is_none_or(|slower| facts.latency.is_some_and(|latency| latency >= slower))
            && self.larger.is_none_or(|larger| facts.bytes >= larger)
            && (!self.errors || facts.failed)
            && self.covers(facts.conn, facts.at)
    }

    /// Returns whether what is looked for is in one of the texts.
    pub(crate) fn finds<'t>(&self, texts: impl IntoIterator<Item = &'t [u8]>) -> bool {
        self.texts.as_ref().is_none_or(|wanted| texts.into_iter().any(|text| wanted.is_match(text)))
    }

    /// Returns whether an object is one of those that are looked for.
    pub(crate) fn is_object(&self, name: &str, names: [&str; 3]) -> bool {
        let mut names = names.into_iter().filter(|name| !name.is_empty());
        self.objects
            .as_ref()
            .is_none_or(|objects| objects.is_match(name) || names.any(|name| objects.is_match(name)))
    }
}

/// Patterns of names, in which upper and lower case are the same.
#[derive(Clone, Debug)]
struct Globs(GlobSet);

impl Globs {
    fn is_match(&self, text: &str) -> bool {
        // The patterns know the two cases of ASCII alone.
        if text.is_ascii() { self.0.is_match(text) } else { self.0.is_match(text.to_lowercase()) }
    }
}

fn globs(patterns: &[String]) -> Result<Option<Globs>, globset::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // Names are no paths: `*` matches a slash too.
        let pattern = pattern.to_lowercase();
        set.add(GlobBuilder::new(&pattern).case_insensitive(true).literal_separator(false).build()?);
    }
    set.build().map(|set| Some(Globs(set)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Facts<'static> = Facts {
        conn: 1,
        at: Duration::from_secs(5),
        method: "GetLayout",
        object: "sheet Overview/EU",
        names: ["sheet", "Ab12", "Overview/EU"],
        latency: Some(Duration::from_millis(500)),
        bytes: 1000,
        failed: true,
    };
    const FAST: Facts<'static> = Facts { failed: false, latency: Some(Duration::from_millis(1)), ..SLOW };

    fn filter(methods: &[&str], objects: &[&str], slower: Option<u64>, errors: bool) -> Filter {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let slower = slower.map(Duration::from_millis);
        Filter { slower, errors, ..Filter::new(&owned(methods), &owned(objects)).unwrap() }
    }

    #[test]
    fn all_kinds_of_conditions_must_hold_and_one_of_each_kind() {
        for (filter, shown) in [
            (filter(&[], &[], None, false), true),
            (filter(&["getlayout"], &[], None, false), true),
            (filter(&["Do*", "Get*"], &[], None, false), true),
            (filter(&["Do*"], &[], None, false), false),
            (filter(&["Get*"], &["chart*"], None, false), false),
            (filter(&[], &[], Some(500), true), true),
            (filter(&[], &[], Some(501), true), false),
            (Filter { larger: Some(1000), ..Filter::default() }, true),
            (Filter { larger: Some(1001), ..Filter::default() }, false),
            (Filter { connections: vec![2, 1], ..Filter::default() }, true),
            (Filter { connections: vec![2], ..Filter::default() }, false),
            (
                Filter { time: Some(Duration::from_secs(5)..Duration::from_secs(6)), ..Filter::default() },
                true,
            ),
            (Filter { time: Some(Duration::ZERO..Duration::from_secs(5)), ..Filter::default() }, false),
        ] {
            assert_eq!(filter.shows(&SLOW), shown, "{filter:?}");
        }
        assert!(!filter(&[], &[], None, true).shows(&FAST));
        assert!(!filter(&[], &[], Some(1), false).shows(&Facts { latency: None, ..FAST }));
    }

    #[test]
    fn objects_are_found_by_what_is_shown_and_by_title_id_and_type() {
        for pattern in ["Sheet*", "sheet", "ab12", "overview*", "*EU", "sheet overview/eu"] {
            assert!(filter(&[], &[pattern], None, false).shows(&FAST), "{pattern}");
        }
        assert!(!filter(&[], &["app*"], None, false).shows(&FAST));
    }

    #[test]
    fn case_does_not_count_in_other_letters_either() {
        let sheet = Facts { object: "sheet ÜBERBLICK", names: ["sheet", "x", "ÜBERBLICK"], ..FAST };
        for pattern in ["überb*", "ÜBERB*", "Sheet üb*", "*BLICK"] {
            assert!(filter(&[], &[pattern], None, false).shows(&sheet), "{pattern}");
        }
        assert!(!filter(&[], &["uberb*"], None, false).shows(&sheet));
    }

    #[test]
    fn polls_for_progress_are_told_only_if_they_are_named_or_fail_and_are_calls_as_any_else() {
        let poll = Facts { method: "GetProgress", ..FAST };
        assert!(!filter(&[], &[], None, false).tells(&poll));
        assert!(filter(&[], &[], None, false).tells(&Facts { failed: true, ..poll }));
        assert!(filter(&["GetProgress"], &[], None, false).tells(&poll));
        assert!(filter(&[], &[], None, false).shows(&poll));
        assert!(!filter(&[], &["app"], None, false).shows(&poll));
    }

    #[test]
    fn plain_http_is_chosen_by_path_and_a_method_of_its_own() {
        let path = "/resources/a.js";
        let exchange = Facts { method: "HTTP GET", object: path, names: [""; 3], ..SLOW };
        for (filter, shown) in [
            (filter(&["Get*"], &[], None, false), false),
            (filter(&["http get"], &[], None, true), true),
            (filter(&["HTTP *"], &["/res*"], Some(500), true), true),
            (filter(&[], &["/hub*"], None, false), false),
        ] {
            assert_eq!(filter.shows(&exchange), shown, "{filter:?}");
        }
    }

    #[test]
    fn texts_are_searched_by_an_expression() {
        let filter = Filter { texts: Some(Regex::new("Nor.h").unwrap()), ..Filter::default() };
        assert!(filter.finds([&b"{}"[..], b"[\"North\"]"]) && !filter.finds([&b"{}"[..]]));
        assert!(Filter::default().finds([]) && !filter.is_open());
    }

    #[test]
    fn pattern_that_is_none_is_refused() {
        assert!(Filter::new(&["[".to_owned()], &[]).is_err());
    }
}
