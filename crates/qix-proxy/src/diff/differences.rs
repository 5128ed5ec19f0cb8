//! What can differ between two recordings.

use std::collections::BTreeSet;

use super::Subject;
use crate::redrive::DifferenceKind;

/// What differs of one object.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ObjectDifferences {
    /// What people call it, such as `barchart Sales by region`.
    pub object: String,
    /// Its id or name; empty if it has none.
    pub id: String,
    /// What differs, measures first.
    pub differences: Vec<Difference>,
}

impl ObjectDifferences {
    /// Returns the id, unless people call the object by it; empty then.
    pub(super) fn other_id(&self) -> &str {
        if self.object.ends_with(&self.id) { "" } else { &self.id }
    }
}

/// What differs of one measure, dimension or member, in all calls.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// What it is about.
    pub subject: Subject,
    /// The methods whose answers say so.
    pub methods: BTreeSet<String>,
    /// How many answers say so.
    pub calls: u64,
    /// How many places in them.
    pub places: u64,
    /// The first ones that say different things.
    pub examples: Vec<Example>,
}

impl Difference {
    /// Says in how many places of which answers.
    pub(super) fn extent(&self) -> String {
        let methods = self.methods.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        match (self.places, self.calls) {
            (1, _) => format!("in {methods}"),
            (places, 1) => format!("{places} places in {methods}"),
            (places, calls) => format!("{places} places in {calls} answers to {methods}"),
        }
    }
}

/// A place that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Example {
    /// Where, as a JSON pointer into the result; rows and elements of lists without order are `[NAME]`.
    pub place: String,
    /// How.
    pub kind: DifferenceKind,
    /// What it was, as JSON, shortened; empty for something that is there only after.
    pub before: String,
    /// What it is, likewise.
    pub after: String,
    /// The numbers of the requests' entries: before, after.
    pub calls: [u64; 2],
}

/// A call that succeeds in one recording and fails in the other, or fails otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ErrorDifference {
    /// The object, as people call it.
    pub object: String,
    /// The method.
    pub method: String,
    /// The error before; `None` for a result.
    pub before: Option<String>,
    /// The error after.
    pub after: Option<String>,
    /// How many calls.
    pub calls: u64,
    /// The numbers of the first of them: before, after.
    pub first: [u64; 2],
}

/// Calls that one recording has and the other has not.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct OnlyThere {
    /// The object, as people call it.
    pub object: String,
    /// The method.
    pub method: String,
    /// The parameters of the first of them, shortened.
    pub params: String,
    /// How many calls.
    pub calls: u64,
    /// The number of the first of them.
    pub first: u64,
}
