//! Which values of a dimension are shown, and what becomes of the others.

use qix_protocol::schema::{OtherLimitMode, OtherMode, OtherSortMode, OtherTotalSpecProp, ValueExpr};

/// The values of a dimension that a cube has rows for, by its first measure. What is left out becomes one row in the end, or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    pub(super) spec: OtherTotalSpecProp,
    pub(super) label: Option<String>,
}

impl Limit {
    /// Shows the `count` values with the largest numbers.
    pub fn top(count: usize) -> Self {
        Self::counted(count, OtherSortMode::Descending)
    }

    /// Shows the `count` values with the smallest numbers.
    pub fn bottom(count: usize) -> Self {
        Self::counted(count, OtherSortMode::Ascending)
    }

    /// Shows values whose number is at least this, a number or an expression.
    pub fn at_least(limit: &str) -> Self {
        Self::limited(limit, OtherMode::AbsLimited)
    }

    /// Shows values with at least this part of the total, a number of percents or an expression.
    pub fn at_least_percent(limit: &str) -> Self {
        Self::limited(limit, OtherMode::RelLimited)
    }

    /// Shows the values with the largest numbers until together they are this much, a number or an expression.
    pub fn up_to(target: &str) -> Self {
        Self::limited(target, OtherMode::AbsAccTarget)
    }

    /// Shows the values with the largest numbers until together they are this part of the total, a number of percents or an
    /// expression.
    pub fn up_to_percent(target: &str) -> Self {
        Self::limited(target, OtherMode::RelAccTarget)
    }

    /// Adds all others up in a row of this name. Default: they are left out.
    pub fn others(mut self, label: &str) -> Self {
        self.spec.suppress_other = false;
        self.label = Some(label.to_owned());
        self
    }

    fn counted(count: usize, order: OtherSortMode) -> Self {
        let spec = OtherTotalSpecProp {
            other_mode: OtherMode::Counted,
            other_counted: ValueExpr { v: count.to_string(), ..ValueExpr::default() },
            other_sort_mode: order,
            suppress_other: true,
            ..OtherTotalSpecProp::default()
        };
        Self { spec, label: None }
    }

    fn limited(limit: &str, mode: OtherMode) -> Self {
        let spec = OtherTotalSpecProp {
            other_mode: mode,
            other_limit: ValueExpr { v: limit.to_owned(), ..ValueExpr::default() },
            other_limit_mode: OtherLimitMode::GeLimit,
            suppress_other: true,
            ..OtherTotalSpecProp::default()
        };
        Self { spec, label: None }
    }
}
