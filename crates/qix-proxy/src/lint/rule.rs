//! What rules are called, and why they are there.

use std::{fmt, time::Duration};

use super::rules::ALL;
use crate::model::Weight;

/// What a linter looks for.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// The name, such as `session-object-leaked`.
    pub name: &'static str,
    /// How bad what it finds is.
    pub weight: Weight,
    /// What it finds, in one line.
    pub finds: &'static str,
    /// Why that is bad.
    pub why: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// From when on it finds something.
    pub limits: &'static [Limit],
}

/// A threshold of a rule.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limit {
    /// What it is about, in words.
    pub of: &'static str,
    /// How much.
    pub amount: Amount,
}

/// How much of something.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Amount {
    /// A number of things.
    Count(u64),
    /// A time.
    Time(Duration),
    /// A number of bytes.
    Bytes(u64),
}

impl Limit {
    pub(super) const fn count(of: &'static str, count: u64) -> Self {
        Self { of, amount: Amount::Count(count) }
    }

    pub(super) const fn time(of: &'static str, time: Duration) -> Self {
        Self { of, amount: Amount::Time(time) }
    }

    pub(super) const fn bytes(of: &'static str, bytes: u64) -> Self {
        Self { of, amount: Amount::Bytes(bytes) }
    }
}

/// Writes numbers with the unit that people read.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Time(time) if time.as_secs() >= 60 => write!(f, "{} min", time.as_secs() / 60),
            Self::Time(time) if time.as_millis() >= 1000 => write!(f, "{} s", time.as_secs()),
            Self::Time(time) => write!(f, "{} ms", time.as_millis()),
            Self::Bytes(bytes) if *bytes >= 1_000_000 => write!(f, "{} MB", bytes / 1_000_000),
            Self::Bytes(bytes) if *bytes >= 1_000 => write!(f, "{} kB", bytes / 1_000),
            Self::Bytes(bytes) => write!(f, "{bytes} B"),
        }
    }
}

/// Returns all rules, in the order in which `docs/lint.md` explains them.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    ALL.iter().map(|(rule, _)| *rule)
}

/// Returns the rule of a name.
pub fn rule(name: &str) -> Option<&'static Rule> {
    rules().find(|rule| rule.name == name)
}
