//! The members of a rule as they were written, in a file or in a line.

use std::collections::BTreeMap;

use super::{FaultError, known::nearest};

/// A value as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Bool(bool),
    Json(serde_json::Value),
}

/// The members of one rule, each with its place.
#[derive(Debug, Default)]
pub(super) struct Fields(BTreeMap<String, (Value, String)>);

/// All that a rule may say.
pub(super) const KEYS: &[&str] = &[
    "name",
    "method",
    "object",
    "path",
    "connection",
    "contains",
    "upgrade",
    "nth",
    "every",
    "from",
    "first",
    "probability",
    "times",
    "scope",
    "error",
    "message",
    "parameter",
    "delay",
    "close",
    "reason",
    "notify",
    "with",
    "drop",
    "duplicate",
    "truncate",
    "reorder",
    "abort",
    "refuse",
    "body",
    "headers",
    "change",
    "suspend",
    "at",
];

impl Fields {
    /// Adds a member that stands at `place`.
    pub(super) fn add(&mut self, key: &str, value: Value, place: String) -> Result<(), FaultError> {
        if !KEYS.contains(&key) {
            return Err(FaultError::at(
                place,
                match nearest(key, KEYS.iter().copied()) {
                    Some(near) => format!("a rule has no '{key}'; '{near}' was meant, or see docs/faults.md"),
                    None => format!("a rule has no '{key}'; docs/faults.md lists what it has"),
                },
            ));
        }
        if let Some((_, before)) = self.0.get(key) {
            return Err(FaultError::at(
                &place,
                format!("'{key}' is there twice, first at {before}; keep one"),
            ));
        }
        self.0.insert(key.to_owned(), (value, place));
        Ok(())
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Returns which of these is there.
    pub(super) fn first_of(&self, keys: &[&'static str]) -> Option<&'static str> {
        keys.iter().copied().find(|key| self.has(key))
    }

    pub(super) fn place(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|(_, place)| &**place)
    }

    pub(super) fn value(&mut self, key: &str) -> Option<(Value, String)> {
        self.0.remove(key)
    }

    /// Takes a text out; a number is one too.
    pub(super) fn text(&mut self, key: &str) -> Result<Option<(String, String)>, FaultError> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        match value {
            Value::Text(text) => Ok(Some((text, place))),
            Value::Integer(number) => Ok(Some((number.to_string(), place))),
            Value::Float(number) => Ok(Some((number.to_string(), place))),
            // A part of parameters may look like this.
            Value::Bool(is) => Ok(Some((is.to_string(), place))),
            Value::Json(json) if key == "contains" => Ok(Some((json.to_string(), place))),
            Value::Json(_) => Err(FaultError::at(place, format!("'{key}' is a list or table; write a text"))),
        }
    }

    /// Takes a number of 1 or more out.
    pub(super) fn count(&mut self, key: &str) -> Result<Option<u64>, FaultError> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        let number = match value {
            Value::Integer(number) => u64::try_from(number).ok().filter(|number| *number > 0),
            _ => None,
        };
        match number {
            Some(number) => Ok(Some(number)),
            None => Err(FaultError::at(
                place,
                format!("'{key}' must be a whole number of 1 or more, such as {key} = 2"),
            )),
        }
    }

    /// Takes a number of 1 or more out, or `true`, which is 1, or `false`, which is none.
    pub(super) fn count_or_true(&mut self, key: &str) -> Result<Option<u32>, FaultError> {
        let Some((value, place)) = self.value(key) else { return Ok(None) };
        match value {
            Value::Bool(true) => Ok(Some(1)),
            Value::Bool(false) => Ok(None),
            Value::Integer(number @ 1..=1000) => Ok(Some(number as u32)),
            _ => {
                Err(FaultError::at(place, format!("'{key}' must be true, or a whole number from 1 to 1000")))
            }
        }
    }

    /// Takes `true` or `false` out.
    pub(super) fn flag(&mut self, key: &str) -> Result<bool, FaultError> {
        match self.value(key) {
            None => Ok(false),
            Some((Value::Bool(is), _)) => Ok(is),
            Some((_, place)) => Err(FaultError::at(place, format!("'{key}' must be true or false"))),
        }
    }
}
