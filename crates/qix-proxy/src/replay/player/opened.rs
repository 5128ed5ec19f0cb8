//! Which objects are open on a socket, by handle.

use qix_protocol::{Handle, Lineage};

/// The objects that are open on a socket, by handle: these are given in order, from 1.
#[derive(Debug, Default)]
pub(super) struct Opened(Vec<Option<Lineage>>);

impl Opened {
    pub(super) fn get(&self, handle: Handle) -> Option<&Lineage> {
        if handle == Handle::GLOBAL {
            return Some(&Lineage::GLOBAL);
        }
        let place = usize::try_from(handle.get()).ok()?.checked_sub(1)?;
        self.0.get(place)?.as_ref()
    }

    pub(super) fn add(&mut self, lineage: Lineage) -> Handle {
        self.0.push(Some(lineage));
        // A socket has not as many objects in all its life.
        Handle::new(i32::try_from(self.0.len()).unwrap_or(i32::MAX))
    }

    pub(super) fn remove(&mut self, handle: Handle) {
        let place = usize::try_from(handle.get()).ok().and_then(|handle| handle.checked_sub(1));
        if let Some(slot) = place.and_then(|place| self.0.get_mut(place)) {
            *slot = None;
        }
    }
}
