//! An object whose layout shows selections and what follows from them; and what is known of values that only one worker
//! writes, when outcomes of writes may be unknown.

use std::fmt::Debug;

use serde_json::{Value, json};

use super::{Fault, model::FIELDS};

/// The values that something may have: one, or more while it is not known which writes were carried out.
#[derive(Clone, Debug)]
pub(super) struct Known<T>(Vec<T>);

impl<T: Clone + PartialEq + Debug> Known<T> {
    pub(super) fn new(value: T) -> Self {
        Self(vec![value])
    }

    /// A write was answered.
    pub(super) fn written(&mut self, value: T) {
        self.0 = vec![value];
    }

    /// A write may have been carried out, or not.
    pub(super) fn perhaps(&mut self, value: T) {
        if !self.0.contains(&value) {
            self.0.push(value);
        }
    }

    /// Returns what is known after a write that makes another value of the one before.
    pub(super) fn after(&self, write: impl Fn(&T) -> T, is_done: bool, is_refused: bool) -> Self {
        let mut after = if is_done { Self(Vec::new()) } else { self.clone() };
        if !is_refused {
            self.0.iter().for_each(|value| after.perhaps(write(value)));
        }
        after
    }

    /// A value was read; it must be one of those.
    pub(super) fn read(&mut self, value: T, what: &str) -> Result<(), Fault> {
        if !self.0.contains(&value) {
            return Err(format!("{what} is {value:?}, but should be one of {:?}", self.0));
        }
        self.0 = vec![value];
        Ok(())
    }
}

/// Returns the properties of a probe.
pub(super) fn probe_properties(id: &str, text: &str) -> Value {
    let list = |field: &str| {
        json!({"qListObjectDef": {
            "qDef": {"qFieldDefs": [field]},
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 1, "qHeight": 100}],
        }})
    };
    json!({
        "qInfo": {"qId": id, "qType": "probe"},
        "text": text,
        "regions": list(FIELDS[0]),
        "years": list(FIELDS[1]),
        "total": {"qValueExpression": "Sum(Sales)"},
        "qHyperCubeDef": {
            "qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}],
            "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 50}],
        },
    })
}
