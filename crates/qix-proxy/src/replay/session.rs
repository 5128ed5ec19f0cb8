//! What the sockets of one live session share.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Progress, journal::Journal, upstream::Link};

/// What the sockets of one live session share.
#[derive(Debug, Default)]
pub struct LiveSession {
    progress: Mutex<Progress>,
    journal: Arc<Mutex<Journal>>,
    link: OnceLock<Link>,
}

impl LiveSession {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // No panic is possible while it is half changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what the session has done, of which only an upstream has need.
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        // A deed is added whole or not at all.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the way to the upstream, which is made at the first question.
    pub(super) fn link(&self, make: impl FnOnce(Arc<Mutex<Journal>>) -> Link) -> &Link {
        self.link.get_or_init(|| make(self.journal.clone()))
    }
}
