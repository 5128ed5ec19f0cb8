//! How a re-drive is to behave.

use std::{str::FromStr, time::Duration};

use globset::{Glob, GlobSet, GlobSetBuilder};
use qix_protocol::Lineage;

use crate::{compare::Rules, record::Redaction, replay::Ignore};

/// The longest that anything is waited for: no clock takes any time that can be written.
pub(super) const LONGEST: Duration = Duration::from_secs(366 * 24 * 3600);

/// How a re-drive is to behave.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedriveSettings {
    pub(super) allow_writes: bool,
    pub(super) rules: Rules,
    pub(super) speed: Option<f64>,
    pub(super) concurrency: Concurrency,
    pub(super) apps: Vec<(String, String)>,
    pub(super) only: Only,
    pub(super) max_differences: Option<usize>,
    pub(super) timeout: Duration,
    pub(super) redaction: Redaction,
}

/// How many requests are on their way at a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Concurrency {
    /// As many as there were.
    #[default]
    Recorded,
    /// One.
    One,
}

/// Which calls are compared: all, or those whose method or object one of some patterns fits.
#[derive(Clone, Debug, Default)]
pub struct Only(Option<GlobSet>);

/// A pattern that is none.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{pattern:?} is no pattern: write GetLayout, Get*, GenericObject.GetLayout or *LB02*")]
pub struct OnlyError {
    pattern: String,
    source: globset::Error,
}

impl Only {
    /// Returns whether these are all calls.
    pub(super) fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Reads patterns of methods (`GetLayout`, `Doc.*`) and of objects by the way they were opened (`*LB02*`); all calls if there are
    /// none.
    ///
    /// # Errors
    ///
    /// [`OnlyError`] names the pattern that is none.
    pub fn new<S: AsRef<str>>(patterns: impl IntoIterator<Item = S>) -> Result<Self, OnlyError> {
        let mut set = GlobSetBuilder::new();
        let mut any = false;
        for pattern in patterns {
            let pattern = pattern.as_ref();
            set.add(Glob::new(pattern).map_err(|source| OnlyError { pattern: pattern.to_owned(), source })?);
            any = true;
        }
        let failed = |source| OnlyError { pattern: String::new(), source };
        Ok(Self(if any { Some(set.build().map_err(failed)?) } else { None }))
    }

    pub(super) fn fits(&self, object: &Lineage, method: &str) -> bool {
        self.0.as_ref().is_none_or(|set| {
            set.is_match(method)
                || set.is_match(format!("{}.{method}", object.class()))
                || set.is_match(object.to_string())
        })
    }
}

impl FromStr for Only {
    type Err = OnlyError;

    fn from_str(pattern: &str) -> Result<Self, OnlyError> {
        Self::new([pattern])
    }
}

impl Default for RedriveSettings {
    fn default() -> Self {
        Self {
            allow_writes: false,
            rules: Rules::default(),
            speed: None,
            concurrency: Concurrency::Recorded,
            apps: Vec::new(),
            only: Only::default(),
            max_differences: None,
            timeout: Duration::from_secs(60),
            redaction: Redaction::standard(),
        }
    }
}

impl RedriveSettings {
    /// Sends calls that change what outlives the session or what others see, too. Default: they are not sent.
    #[must_use]
    pub fn allow_writes(mut self, allow: bool) -> Self {
        self.allow_writes = allow;
        self
    }

    /// Sets how much numbers may differ: as part of the larger one, and in all if that is below 1. Default: 10⁻⁹, but not at all
    /// if both are whole.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.rules.tolerance = Some(tolerance.abs());
        self
    }

    /// Does not compare a place in results, such as `/qLayout/title`; can be repeated.
    #[must_use]
    pub fn ignore(mut self, rule: Ignore) -> Self {
        self.rules.ignored.push(rule);
        self
    }

    /// Lets rows come in any order. Default: only in the recorded one, for that is what people see.
    #[must_use]
    pub fn any_row_order(mut self, any: bool) -> Self {
        self.rules.any_row_order = any;
        self
    }

    /// Sets the pace: 1 is as recorded, 4 four times as fast. Default, and for what is no positive number: as fast as possible.
    #[must_use]
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = Some(factor).filter(|factor| factor.is_finite() && *factor > 0.0);
        self
    }

    /// Sets how many requests are on their way at a time. Default: as many as there were.
    #[must_use]
    pub fn concurrency(mut self, concurrency: Concurrency) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// Takes another app for a recorded one, both by id or name; can be repeated.
    #[must_use]
    pub fn app(mut self, recorded: impl Into<String>, other: impl Into<String>) -> Self {
        self.apps.push((recorded.into(), other.into()));
        self
    }

    /// Compares only some calls; others are made only as far as these need them. Default: all.
    #[must_use]
    pub fn only(mut self, only: Only) -> Self {
        self.only = only;
        self
    }

    /// Ends after this many answers that differ. Default: at the end of the recording.
    #[must_use]
    pub fn max_differences(mut self, most: usize) -> Self {
        self.max_differences = Some(most);
        self
    }

    /// Sets how long connecting and an answer may take, besides three times what the answer took in the recording. Default: 60 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Sets what is not to be shown in a report. Default: what [`Redaction::standard`] replaces.
    #[must_use]
    pub fn redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Returns the app that is taken for a recorded one.
    pub(super) fn other_app(&self, recorded: &str) -> Option<&str> {
        self.apps.iter().find(|(from, _)| from == recorded).map(|(_, to)| &**to)
    }
}
