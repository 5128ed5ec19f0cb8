//! What counts as a difference.

use crate::{compare::Rules, replay::Ignore};

/// What counts as a difference of two recordings.
#[derive(Clone, Debug, Default)]
pub struct DiffSettings {
    pub(super) rules: Rules,
    pub(super) apps: Vec<(String, String)>,
}

impl DiffSettings {
    /// Sets how much numbers may differ, as part of the larger one, and in all if that is below 1. Default: a billionth, but not at
    /// all if both are whole.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> Self {
        self.rules.tolerance = Some(tolerance);
        self
    }

    /// Leaves a place in results out. Default: none.
    #[must_use]
    pub fn ignore(mut self, rule: Ignore) -> Self {
        self.rules.ignored.push(rule);
        self
    }

    /// Lets the rows of hypercubes and list objects come in any order. Default: their order counts.
    #[must_use]
    pub fn any_row_order(mut self, any: bool) -> Self {
        self.rules.any_row_order = any;
        self
    }

    /// Takes an app of the second recording for one of the first, both by id or name. Default: apps are called the same.
    #[must_use]
    pub fn app(mut self, first: impl Into<String>, second: impl Into<String>) -> Self {
        self.apps.push((first.into(), second.into()));
        self
    }
}
