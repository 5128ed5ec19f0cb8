//! What a rule has found.

use std::time::Duration;

use crate::model::Weight;

/// Something that a rule has found: of one kind, about one object or about what looks alike, however often.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// The name of the rule, such as `session-object-leaked`.
    pub rule: &'static str,
    /// How bad what the rule finds is.
    pub weight: Weight,
    /// When it was seen first, since the recording started.
    pub at: Duration,
    /// The connection, if it is about one.
    pub conn: Option<u64>,
    /// How often it was seen.
    pub count: u64,
    /// The calls that show it, by [`Call::seq`](crate::model::Call::seq); the first few of many.
    pub calls: Vec<u64>,
    /// The objects that it is about, by [`Object::number`](crate::model::Object::number); the first few of many.
    pub objects: Vec<u64>,
    /// The time of the calls that would not have been needed; zero if that is not known, or not what it is about.
    pub time: Duration,
    /// The bytes that would not have been needed; zero if that is not known, or not what it is about.
    pub bytes: u64,
    /// What was found, in words, without secrets and fit for a terminal.
    pub words: String,
}
