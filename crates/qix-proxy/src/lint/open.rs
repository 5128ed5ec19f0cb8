//! What rules keep of open objects.

use std::collections::HashMap;

use crate::model::{Disconnected, Event};

/// Of how many objects something is kept.
const MOST: usize = 100_000;

/// Something of each open object, by its number, until it is closed; and of those that the end of their connection has closed, until
/// the rule has looked at them.
#[derive(Debug)]
pub(super) struct Open<T> {
    open: HashMap<u64, T>,
    /// The objects that the latest event has closed: the end of a connection says first what it closes.
    closed: Vec<(u64, T)>,
}

impl<T> Default for Open<T> {
    fn default() -> Self {
        Self { open: HashMap::new(), closed: Vec::new() }
    }
}

impl<T> Open<T> {
    /// Follows an event. At the end of a connection, returns it with what was kept of the objects that were open until then.
    pub(super) fn follow<'e>(&mut self, event: &'e Event) -> Option<(&'e Disconnected, Vec<(u64, T)>)> {
        let closed = std::mem::take(&mut self.closed);
        match event {
            Event::Closed { objects, .. } => {
                let closed = objects.iter().filter_map(|number| self.open.remove_entry(number));
                self.closed = closed.collect();
                None
            }
            Event::Disconnected(end) => Some((end, closed)),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut T> {
        self.open.get_mut(&number)
    }

    pub(super) fn get(&self, number: u64) -> Option<&T> {
        self.open.get(&number)
    }

    pub(super) fn remove(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Returns what is kept of an object, if there is room.
    pub(super) fn entry(&mut self, number: u64) -> Option<&mut T>
    where
        T: Default,
    {
        if self.open.len() >= MOST && !self.open.contains_key(&number) {
            return None;
        }
        Some(self.open.entry(number).or_default())
    }
}
