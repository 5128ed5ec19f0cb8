//! The handles of one socket, and which of them are due a change notice.

use std::collections::HashMap;

use super::app::Kind;

/// What a handle names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Target {
    Global,
    Doc,
    Entity(Kind, String),
    Field(String),
}

#[derive(Debug)]
struct Slot {
    target: Option<Target>,
    /// False from a change until the client fetches the layout; meanwhile no further change is told.
    valid: bool,
}

/// Handles ascend from 1 in the order of first reference and are never used again.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    slots: Vec<Slot>,
    by_target: HashMap<Target, i64>,
}

impl Handles {
    /// Returns the handle to `target`, and whether it is new. A new one starts invalid.
    pub(crate) fn open(&mut self, target: Target) -> (i64, bool) {
        if let Some(handle) = self.by_target.get(&target) {
            return (*handle, false);
        }
        let handle = self.slots.len() as i64 + 1;
        self.slots.push(Slot { target: Some(target.clone()), valid: false });
        self.by_target.insert(target, handle);
        (handle, true)
    }

    /// Returns what an open handle names; −1 always names Global.
    pub(crate) fn get(&self, handle: i64) -> Option<Target> {
        if handle == -1 {
            return Some(Target::Global);
        }
        self.slots.get(index(handle)?)?.target.clone()
    }

    pub(crate) fn validate(&mut self, handle: i64) {
        if let Some(slot) = index(handle).and_then(|at| self.slots.get_mut(at)) {
            slot.valid = true;
        }
    }

    /// Invalidates the handles whose target matches; returns those that were valid.
    pub(crate) fn invalidate(&mut self, matches: impl Fn(&Target) -> bool) -> Vec<i64> {
        let mut edges = Vec::new();
        for (handle, slot) in (1_i64..).zip(&mut self.slots) {
            if slot.valid && slot.target.as_ref().is_some_and(&matches) {
                slot.valid = false;
                edges.push(handle);
            }
        }
        edges
    }

    /// Closes the handle to `target`, if this socket has one.
    pub(crate) fn close(&mut self, target: &Target) -> Option<i64> {
        let handle = self.by_target.remove(target)?;
        if let Some(slot) = index(handle).and_then(|at| self.slots.get_mut(at)) {
            slot.target = None;
        }
        Some(handle)
    }

    /// Returns every open handle.
    pub(crate) fn open_handles(&self) -> Vec<i64> {
        (1_i64..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.target.is_some())
            .map(|(handle, _)| handle)
            .collect()
    }
}

fn index(handle: i64) -> Option<usize> {
    usize::try_from(handle).ok()?.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(id: &str) -> Target {
        Target::Entity(Kind::Object, id.into())
    }

    #[test]
    fn the_same_object_has_one_handle() {
        let mut handles = Handles::default();
        assert_eq!(handles.open(Target::Doc), (1, true));
        assert_eq!(handles.open(object("a")), (2, true));
        assert_eq!(handles.open(Target::Doc), (1, false));
        assert_eq!(handles.get(-1), Some(Target::Global));
        for unknown in [0, 3, -2, i64::MAX, i64::MIN] {
            assert_eq!(handles.get(unknown), None);
        }
    }

    #[test]
    fn a_change_is_told_once_until_the_layout_is_fetched() {
        let mut handles = Handles::default();
        handles.open(object("a"));
        assert!(handles.invalidate(|_| true).is_empty(), "a new handle is invalid already");
        handles.validate(1);
        assert_eq!(handles.invalidate(|_| true), [1]);
        assert!(handles.invalidate(|_| true).is_empty());
        handles.validate(1);
        assert_eq!(handles.invalidate(|_| true), [1]);
    }

    #[test]
    fn a_closed_handle_is_not_used_again() {
        let mut handles = Handles::default();
        handles.open(object("a"));
        assert_eq!(handles.close(&object("a")), Some(1));
        assert_eq!(handles.close(&object("a")), None);
        assert_eq!(handles.get(1), None);
        assert_eq!(handles.open(object("a")), (2, true));
        assert_eq!(handles.open_handles(), [2]);
    }
}
