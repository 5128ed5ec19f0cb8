//! The open objects of a session, and the news of all of them.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use qix_protocol::{ChangeSet, Handle};
use tokio::sync::watch;

use crate::object::State;

/// The open objects of a session.
pub(crate) struct Objects(Mutex<Option<Known>>);

#[derive(Default)]
struct Known {
    /// Dropping an entry closes the object.
    open: HashMap<Handle, Entry>,
    /// Handles that closed lately, oldest first: an object may die before its caller has seen the answer that opened it.
    closed: VecDeque<Handle>,
}

#[derive(Default)]
struct Entry {
    /// The number grows with each change.
    news: watch::Sender<u64>,
    /// What its users hold, if there are any.
    state: Weak<State>,
}

/// How many closed handles are remembered, more than a burst of answers has.
const REMEMBERED: usize = 4096;

impl Objects {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(Known::default())))
    }

    /// Returns the object with this handle, made if nobody has it yet.
    pub(crate) fn get_or_insert(
        &self,
        handle: Handle,
        make: impl FnOnce(watch::Receiver<u64>) -> State,
    ) -> Arc<State> {
        let mut guard = self.lock();
        let known = guard.as_mut().filter(|known| !known.closed.contains(&handle));
        let Some(known) = known else {
            // A channel whose sender is gone.
            return Arc::new(make(watch::Sender::default().subscribe()));
        };
        let entry = known.open.entry(handle).or_default();
        if let Some(state) = entry.state.upgrade() {
            return state;
        }
        let state = Arc::new(make(entry.news.subscribe()));
        entry.state = Arc::downgrade(&state);
        state
    }

    /// Returns one of the objects that somebody holds.
    pub(crate) fn find(&self, wanted: impl Fn(&State) -> bool) -> Option<Arc<State>> {
        // What is looked at is dropped after the lock: the last clone of an object may be.
        let held: Vec<_> = self
            .lock()
            .iter()
            .flat_map(|known| known.open.values())
            .filter_map(|entry| entry.state.upgrade())
            .collect();
        held.into_iter().find(|state| wanted(state))
    }

    /// Tells everybody. A change of an object that nobody has wrapped yet is kept for whoever does.
    pub(crate) fn apply(&self, changes: &ChangeSet) {
        let mut guard = self.lock();
        let Some(Known { open, closed }) = &mut *guard else { return };
        for handle in &changes.changed {
            closed.retain(|known| known != handle);
            open.entry(*handle).or_default().news.send_modify(|version| *version += 1);
        }
        for handle in &changes.closed {
            open.remove(handle);
            closed.push_back(*handle);
        }
        closed.drain(..closed.len().saturating_sub(REMEMBERED));
    }

    /// Closes everything, also what will be asked for later.
    pub(crate) fn end(&self) {
        self.lock().take();
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        // Nothing under this lock can panic half-way; a poisoned one is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").finish_non_exhaustive()
    }
}
