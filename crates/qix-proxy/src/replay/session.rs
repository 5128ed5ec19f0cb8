//! What the sockets of one live session share.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Progress;

/// What the sockets of one live session share.
#[derive(Debug, Default)]
pub struct LiveSession {
    progress: Mutex<Progress>,
}

impl LiveSession {
    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        // No panic is possible while it is half changed.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
