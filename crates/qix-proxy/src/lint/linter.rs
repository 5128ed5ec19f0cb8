//! Looks at a recording by all rules, or by some.

use std::cmp::Reverse;

use super::{Finding, Rule, check::Check, rule::rules, rules::ALL};
use crate::{
    model::{Event, ModelBuilder},
    record::{Entry, ReadError},
};

/// Looks at the events of a recording.
#[derive(Debug)]
pub struct Linter {
    checks: Vec<(&'static Rule, Box<dyn Check>)>,
}

/// A name that no rule has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there is no rule '{name}'{}; there are {}", nearest(name), names())]
pub struct UnknownRule {
    /// The name.
    pub name: String,
}

impl Default for Linter {
    fn default() -> Self {
        Self::new()
    }
}

impl Linter {
    /// Starts with all rules.
    pub fn new() -> Self {
        Self { checks: ALL.iter().map(|(rule, start)| (*rule, start())).collect() }
    }

    /// Keeps these rules only.
    ///
    /// # Errors
    ///
    /// [`UnknownRule`] if there is none of a name.
    pub fn only<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self, UnknownRule> {
        let names = known(names)?;
        self.checks.retain(|(rule, _)| names.contains(&rule.name));
        Ok(self)
    }

    /// Leaves these rules out.
    ///
    /// # Errors
    ///
    /// [`UnknownRule`] if there is none of a name.
    pub fn without<N: AsRef<str>>(mut self, names: impl IntoIterator<Item = N>) -> Result<Self, UnknownRule> {
        let names = known(names)?;
        self.checks.retain(|(rule, _)| !names.contains(&rule.name));
        Ok(self)
    }

    /// Takes in an event.
    pub fn take(&mut self, event: &Event) {
        for (_, check) in &mut self.checks {
            check.take(event);
        }
    }

    /// Takes in an entry, before the events that are made of it: headers, URLs, plain HTTP and what the engine says unasked are in no event,
    /// and may have secrets in them. Whoever has no entries leaves it out.
    pub fn see(&mut self, entry: &Entry) {
        for (_, check) in &mut self.checks {
            check.see(entry);
        }
    }

    /// Takes in all of a recording.
    ///
    /// # Errors
    ///
    /// As reading has; what was read before is taken in all the same.
    pub fn read(
        &mut self,
        entries: impl IntoIterator<Item = Result<Entry, ReadError>>,
    ) -> Result<(), ReadError> {
        let mut builder = ModelBuilder::new().without_results();
        let mut outcome = Ok(());
        for entry in entries {
            match entry {
                Ok(entry) => {
                    self.see(&entry);
                    builder.take(entry, &mut |event| self.take(&event));
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        builder.finish(&mut |event| self.take(&event));
        outcome
    }

    /// Returns what was found, the worst first: by weight, then by the time that it has cost, by bytes, and by how often it was seen.
    pub fn finish(mut self) -> Vec<Finding> {
        let found = self.checks.iter_mut().flat_map(|(rule, check)| check.finish(rule));
        let mut found: Vec<_> = found.collect();
        found.sort_by_key(|finding| {
            (
                Reverse(finding.weight),
                Reverse(finding.time),
                Reverse(finding.bytes),
                Reverse(finding.count),
                finding.at,
            )
        });
        found
    }
}

fn known<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> Result<Vec<&'static str>, UnknownRule> {
    let known = |name: N| match super::rule(name.as_ref()) {
        Some(rule) => Ok(rule.name),
        None => Err(UnknownRule { name: qix_transport::printable(name.as_ref(), 60) }),
    };
    names.into_iter().map(known).collect()
}

fn names() -> String {
    rules().map(|rule| rule.name).collect::<Vec<_>>().join(", ")
}

fn nearest(name: &str) -> String {
    let near = rules().map(|rule| (strsim::jaro_winkler(rule.name, name), rule.name));
    let near = near.filter(|(likeness, _)| *likeness > 0.8).max_by(|one, other| one.0.total_cmp(&other.0));
    near.map_or(String::new(), |(_, near)| format!(" (did you mean {near}?)"))
}
