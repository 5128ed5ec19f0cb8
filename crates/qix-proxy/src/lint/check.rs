//! What the rules have in common.

use std::fmt;

use qix_transport::printable;

use super::{Finding, Rule};
use crate::{
    model::{Call, Event, Object},
    record::Entry,
};

/// How much of the name of a method is shown, in characters.
const LONGEST: usize = 60;

/// A rule at work on one recording.
pub(super) trait Check: fmt::Debug + Send {
    /// Takes in an event.
    fn take(&mut self, event: &Event);

    /// Takes in an entry, before its events; nobody may do so.
    fn see(&mut self, _entry: &Entry) {}

    /// Returns what was found.
    fn finish(&mut self, rule: &'static Rule) -> Vec<Finding>;
}

/// Returns what an object is called where those that are alike belong together: ids of session objects are made up.
pub(super) fn label(object: &Object) -> String {
    if object.is_session_object && object.title.is_empty() {
        return object.kind.clone();
    }
    object.name()
}

/// Returns method and object, in words.
pub(super) fn call_of(call: &Call) -> String {
    format!("{} of {}", method(call), label(&call.object))
}

/// Returns the method, fit for a terminal.
pub(super) fn method(call: &Call) -> String {
    printable(&call.method, LONGEST)
}
