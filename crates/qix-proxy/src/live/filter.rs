//! Which calls are shown.

use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::{
    calls::CallDone,
    exchange::Exchange,
    notices::{Notice, Weight},
};

/// Conditions on calls, all of which hold for a call that is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    methods: Option<GlobSet>,
    objects: Option<GlobSet>,
    slower: Option<Duration>,
    errors: bool,
}

impl Filter {
    /// Makes a filter. Of several methods or objects one must match; upper and lower case are the same.
    ///
    /// # Errors
    ///
    /// The pattern that is none, and why.
    pub(crate) fn new(
        methods: &[String],
        objects: &[String],
        slower: Option<Duration>,
        errors: bool,
    ) -> Result<Self, globset::Error> {
        Ok(Self { methods: globs(methods)?, objects: globs(objects)?, slower, errors })
    }

    /// Returns whether calls of all kinds are shown.
    pub(crate) fn is_open(&self) -> bool {
        self.methods.is_none() && self.objects.is_none() && self.slower.is_none() && !self.errors
    }

    /// Returns whether the call is to be shown. Polls for progress are only if a pattern names their method: the progress itself is shown.
    pub(crate) fn shows(&self, call: &CallDone) -> bool {
        let method = match &self.methods {
            Some(methods) => methods.is_match(&call.method),
            None => call.method != "GetProgress" || call.fault.is_some(),
        };
        let object = self.objects.as_ref().is_none_or(|objects| {
            let object = &call.object;
            objects.is_match(object.to_string())
                || [&object.kind, &object.id, &object.title].iter().any(|text| objects.is_match(text))
        });
        let slow = self.slower.is_none_or(|slower| u128::from(call.latency) >= slower.as_micros());
        method && object && slow && (!self.errors || call.fault.is_some())
    }

    /// Returns whether the exchange is to be shown. Its method is `HTTP GET` and its like, for `Get*` is about calls; its object is the path.
    pub(crate) fn shows_exchange(&self, exchange: &Exchange) -> bool {
        let method = || format!("HTTP {}", exchange.method);
        let slow = self.slower.is_none_or(|slower| u128::from(exchange.latency) >= slower.as_micros());
        self.methods.as_ref().is_none_or(|methods| methods.is_match(method()))
            && self.objects.as_ref().is_none_or(|objects| objects.is_match(&exchange.path))
            && slow
            && (!self.errors || exchange.fault.is_some())
    }

    /// Returns whether the notice is to be shown: who looks for something wants to hear beside it only of trouble.
    pub(crate) fn shows_notice(&self, notice: &Notice) -> bool {
        self.is_open() || notice.weight > Weight::Normal
    }
}

fn globs(patterns: &[String]) -> Result<Option<GlobSet>, globset::Error> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        // Names are no paths: `*` matches a slash too.
        set.add(GlobBuilder::new(pattern).case_insensitive(true).literal_separator(false).build()?);
    }
    set.build().map(Some)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::live::{names::Object, words::Fault};

    fn call(method: &str, latency: u64, failed: bool) -> CallDone {
        let object =
            Object { kind: "sheet".to_owned(), id: "Ab12".to_owned(), title: "Overview/EU".to_owned() };
        CallDone {
            conn: 1,
            t: 0,
            latency,
            object: Arc::new(object),
            method: method.to_owned(),
            size: 1,
            fault: failed.then(Fault::script),
        }
    }

    fn filter(methods: &[&str], objects: &[&str], slower: Option<u64>, errors: bool) -> Filter {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        Filter::new(&owned(methods), &owned(objects), slower.map(Duration::from_millis), errors).unwrap()
    }

    #[test]
    fn all_kinds_of_conditions_must_hold_and_one_of_each_kind() {
        let slow = call("GetLayout", 500_000, true);
        for (filter, shown) in [
            (filter(&[], &[], None, false), true),
            (filter(&["getlayout"], &[], None, false), true),
            (filter(&["Do*", "Get*"], &[], None, false), true),
            (filter(&["Do*"], &[], None, false), false),
            (filter(&["Get*"], &["chart*"], None, false), false),
            (filter(&[], &[], Some(500), true), true),
            (filter(&[], &[], Some(501), true), false),
        ] {
            assert_eq!(filter.shows(&slow), shown, "{filter:?}");
        }
        assert!(!filter(&[], &[], None, true).shows(&call("GetLayout", 1, false)));
    }

    #[test]
    fn objects_are_found_by_what_is_shown_and_by_title_id_and_type() {
        for pattern in ["Sheet*", "sheet", "ab12", "overview*", "*EU", "sheet overview/eu"] {
            assert!(filter(&[], &[pattern], None, false).shows(&call("M", 1, false)), "{pattern}");
        }
        assert!(!filter(&[], &["app*"], None, false).shows(&call("M", 1, false)));
    }

    #[test]
    fn polls_for_progress_are_shown_only_if_they_are_named_or_fail() {
        assert!(!filter(&[], &[], None, false).shows(&call("GetProgress", 1, false)));
        assert!(filter(&[], &[], None, false).shows(&call("GetProgress", 1, true)));
        assert!(filter(&["GetProgress"], &[], None, false).shows(&call("GetProgress", 1, false)));
    }

    #[test]
    fn trouble_is_shown_whatever_is_looked_for() {
        let notice = |weight| Notice { conn: 1, t: 0, weight, text: String::new() };
        let looking = filter(&["x"], &[], None, false);
        assert!(!looking.shows_notice(&notice(Weight::Normal)) && looking.shows_notice(&notice(Weight::Odd)));
        assert!(filter(&[], &[], None, false).shows_notice(&notice(Weight::Normal)));
    }

    #[test]
    fn plain_http_is_chosen_by_path_and_a_method_of_its_own() {
        let exchange = Exchange {
            t: 0,
            method: "GET".to_owned(),
            path: "/resources/a.js".to_owned(),
            status: Some(404),
            latency: 500_000,
            size: 1,
            fault: Some("404 Not Found".to_owned()),
        };
        for (filter, shown) in [
            (filter(&[], &[], None, false), true),
            (filter(&["Get*"], &[], None, false), false),
            (filter(&["http get"], &[], None, true), true),
            (filter(&["HTTP *"], &["/res*"], Some(500), true), true),
            (filter(&[], &["/hub*"], None, false), false),
            (filter(&[], &[], Some(501), false), false),
        ] {
            assert_eq!(filter.shows_exchange(&exchange), shown, "{filter:?}");
        }
        let good = Exchange { fault: None, ..exchange };
        assert!(!filter(&[], &[], None, true).shows_exchange(&good));
    }

    #[test]
    fn pattern_that_is_none_is_refused() {
        assert!(Filter::new(&["[".to_owned()], &[], None, false).is_err());
    }
}
