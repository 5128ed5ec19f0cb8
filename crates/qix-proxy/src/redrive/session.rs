//! What the live sockets of one session share.

use super::refusal::{Owned, Unmade};
use crate::compare::Ids;

/// One session, recorded and live.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// What its live sockets call it.
    pub(super) identity: String,
    pub(super) ids: Ids,
    pub(super) owned: Owned,
    pub(super) unmade: Unmade,
}

impl Session {
    pub(super) fn new(identity: String) -> Self {
        Self { identity, ..Self::default() }
    }
}
