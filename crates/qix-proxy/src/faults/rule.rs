//! One rule: when, and what.

use std::{fmt, str::FromStr};

use super::{FaultError, action::What, check, pattern::Pattern, text};

/// A rule: which calls or upgrades it strikes, and what it does to them.
///
/// It is read from a line such as `GetHyperCubeData nth=3 error=15`, or from a [file](super::FaultFile); `docs/faults.md` has all
/// the words.
#[derive(Clone, Debug)]
pub struct FaultRule {
    /// What it is called in reports.
    pub(super) shown: String,
    /// Where it was written.
    pub(super) place: String,
    pub(super) when: When,
    pub(super) what: What,
}

/// Which calls or upgrades a rule strikes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct When {
    /// Whether it is about upgrades rather than calls.
    pub(super) upgrade: bool,
    pub(super) method: Option<Pattern>,
    /// The class, id, type or lineage of the object that is called.
    pub(super) object: Option<Pattern>,
    /// The path that the client asked for, without its query.
    pub(super) path: Option<Pattern>,
    /// Which of the connections with the same path, from 1.
    pub(super) connection: Option<u64>,
    /// A part of the parameters.
    pub(super) contains: Option<String>,
    pub(super) which: Which,
    /// The most strikes.
    pub(super) times: Option<u64>,
    pub(super) scope: Scope,
}

/// Which of the matching calls, all conditions together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Which {
    pub(super) nth: Option<u64>,
    pub(super) every: Option<u64>,
    pub(super) from: Option<u64>,
    pub(super) first: Option<u64>,
    pub(super) probability: Option<f64>,
}

/// What matching calls are counted over.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scope {
    Connection,
    All,
}

impl Which {
    /// Returns whether the call of this number, from 1, is meant, chance apart.
    pub(super) fn counts(&self, number: u64) -> bool {
        self.nth.is_none_or(|nth| number == nth)
            && self.every.is_none_or(|every| number.is_multiple_of(every))
            && self.from.is_none_or(|from| number >= from)
            && self.first.is_none_or(|first| number <= first)
    }
}

impl FromStr for FaultRule {
    type Err = FaultError;

    /// Reads a line such as `GetHyperCubeData nth=3 error=15`.
    ///
    /// # Errors
    ///
    /// [`FaultError::Rule`] that says which word is wrong, and what would be right.
    fn from_str(line: &str) -> Result<Self, FaultError> {
        let place = format!("the fault '{}'", line.trim());
        let fields = text::fields(line).map_err(|fault| FaultError::at(&place, fault))?;
        check::rule(fields, line.trim().to_owned(), &place)
    }
}

/// Writes its name, or what was written.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
