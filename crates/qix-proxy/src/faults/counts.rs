//! How often each rule has struck.

use std::fmt;

/// How often a rule has struck.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct FaultCount {
    /// The rule, as it was written or named.
    pub rule: String,
    /// Calls or upgrades that it is about, struck or not.
    pub matched: u64,
    /// Those that it has struck.
    pub struck: u64,
}

/// Writes it as the end of a run shows it.
impl fmt::Display for FaultCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, matched, struck } = self;
        write!(f, "struck {struck} of {matched} that matched: {rule}")
    }
}

/// One strike of a rule.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Strike {
    /// Which rule, from 0.
    pub rule: usize,
    /// The path of the connection, without its query.
    pub path: String,
    /// Which of the connections with this path, from 1; 0 for an upgrade.
    pub connection: u64,
    /// Which of the matching calls, from 1.
    pub call: u64,
    /// What was struck, and what was done.
    pub text: String,
}
