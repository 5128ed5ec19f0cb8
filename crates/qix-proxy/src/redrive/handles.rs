//! Which live handle stands for which recorded one, on one connection.

use std::collections::HashMap;

use qix_protocol::{Handle, Lineage};

use super::refusal::Why;

/// The handles of one connection, recorded and live.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    live: HashMap<Handle, Result<Handle, Why>>,
    /// Those that were closed since, too.
    ever: HashMap<Handle, Handle>,
    recorded: HashMap<Handle, Lineage>,
}

impl Handles {
    /// Returns the live handle for a recorded one.
    ///
    /// # Errors
    ///
    /// Why there is none, if that is known.
    pub(crate) fn live(&self, recorded: Handle) -> Result<Handle, Option<Why>> {
        if recorded == Handle::GLOBAL {
            return Ok(Handle::GLOBAL);
        }
        match self.live.get(&recorded) {
            Some(Ok(live)) => Ok(*live),
            Some(Err(why)) => Err(Some(why.clone())),
            None => Err(None),
        }
    }

    /// Returns how the object of a live handle came to be.
    pub(crate) fn lineage(&self, live: Handle) -> Option<&Lineage> {
        self.recorded.get(&live)
    }

    /// Returns the live handle that stands or stood for a recorded one.
    pub(crate) fn ever(&self, recorded: Handle) -> Option<Handle> {
        self.ever.get(&recorded).copied()
    }

    /// Notes that two answers to the same call opened these. A handle that stands for another already goes on to do so.
    pub(crate) fn opened(&mut self, recorded: Handle, lineage: &Lineage, live: Handle) {
        if matches!(self.live.get(&recorded), Some(Ok(_))) {
            return;
        }
        self.live.insert(recorded, Ok(live));
        self.ever.insert(recorded, live);
        self.recorded.entry(live).or_insert_with(|| lineage.clone());
    }

    /// Notes that there is no live handle for a recorded one.
    pub(crate) fn lost(&mut self, recorded: Handle, why: &Why) {
        self.live.entry(recorded).or_insert_with(|| Err(why.clone()));
    }

    /// Notes that the recorded engine has closed a handle.
    pub(crate) fn closed(&mut self, recorded: Handle) {
        self.live.remove(&recorded);
    }
}
