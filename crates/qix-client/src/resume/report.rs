//! What a resume has brought back.

use std::{borrow::Cow, fmt};

use qix_protocol::{Lineage, RequestId};

use crate::object::State;

/// What became of a session that resumed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ResumeReport {
    /// Whether the engine still had the session. If not, it is a new one.
    pub attached: bool,
    /// How many attempts it took.
    pub attempts: u32,
    /// Objects that were found again as they were.
    pub kept: Vec<Fate>,
    /// Objects that were made again: the app if it was opened anew, and session objects and variables from the properties that they
    /// were last given.
    pub rebuilt: Vec<Fate>,
    /// Objects that could not be had again; they are closed.
    pub lost: Vec<Fate>,
    /// Calls that only read and had no answer when the socket ended: they were sent once more.
    pub repeated: Vec<RequestId>,
    /// Calls that had no answer when the socket ended and were not repeated, because they may have had an effect: they ended with
    /// [`ErrorKind::OutcomeUnknown`](crate::ErrorKind::OutcomeUnknown).
    pub unknown: Vec<RequestId>,
    /// What became of the selections.
    pub selections: Selections,
}

/// What became of one object.
#[derive(Clone)]
#[non_exhaustive]
pub struct Fate {
    /// How it was opened.
    pub lineage: Lineage,
    /// Its class.
    pub kind: String,
    /// Its id, if it has one.
    pub id: Option<String>,
    /// Why it was lost, or what of it was; empty if there is nothing to say.
    pub reason: Cow<'static, str>,
}

/// What became of the selections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Selections {
    /// The engine still has them, with alternate states, modal state and the undo stack.
    #[default]
    Kept,
    /// They were restored from a temporary state; alternate states, modal state and the undo stack are lost.
    Restored,
    /// They are lost, with alternate states, modal state and the undo stack.
    Lost,
}

/// The lineage may hold a password, so it is not shown.
impl fmt::Debug for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fate")
            .field("kind", &self.kind)
            .field("id", &self.id)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

impl Fate {
    pub(crate) fn of(state: &State, reason: impl Into<Cow<'static, str>>) -> Self {
        Self {
            lineage: state.lineage().clone(),
            kind: state.kind().to_owned(),
            id: state.id().map(str::to_owned),
            reason: reason.into(),
        }
    }
}
