//! Finds in a recording what makes apps slow, fragile or unsafe.

use std::time::Duration;

use crate::model::Event;

/// Something that a rule has found.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the rule, such as `session-object-leaked`.
    pub rule: &'static str,
    /// Where, since the recording started.
    pub at: Duration,
    /// The connection, if it is about one.
    pub conn: Option<u64>,
    /// The calls that show it, by [`Call::seq`](crate::model::Call::seq); the first few of many.
    pub calls: Vec<u64>,
    /// The objects that it is about, by [`Object::number`](crate::model::Object::number).
    pub objects: Vec<u64>,
    /// What was found, in words.
    pub words: String,
}

/// Looks at the events of a recording.
#[derive(Debug, Default)]
pub struct Linter {}

impl Linter {
    /// Starts with all rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in an event.
    pub fn take(&mut self, _event: &Event) {}

    /// Returns what was found, in the order of time.
    pub fn finish(self) -> Vec<Finding> {
        Vec::new()
    }
}
