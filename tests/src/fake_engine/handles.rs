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

/// Handles ascend, from 1 if nothing else was asked for, in the order of first reference and are never used again.
#[derive(Debug)]
pub(crate) struct Handles {
    first: i64,
    step: i64,
    slots: Vec<Slot>,
    by_target: HashMap<Target, i64>,
}

impl Default for Handles {
    fn default() -> Self {
        Self::numbered(1, 1)
    }
}

impl Handles {
    /// Returns a socket's start, with the numbers of its first and its next handles.
    pub(crate) fn numbered(first: i64, step: i64) -> Self {
        Self { first, step: step.max(1), slots: Vec::new(), by_target: HashMap::new() }
    }

    fn handle(&self, at: usize) -> i64 {
        self.first + at as i64 * self.step
    }

    fn index(&self, handle: i64) -> Option<usize> {
        let above = handle.checked_sub(self.first).filter(|above| *above >= 0 && above % self.step == 0)?;
        usize::try_from(above / self.step).ok()
    }

    /// Returns the handle to `target`, and whether it is new. A new one starts invalid.
    pub(crate) fn open(&mut self, target: Target) -> (i64, bool) {
        if let Some(handle) = self.by_target.get(&target) {
            return (*handle, false);
        }
        let handle = self.handle(self.slots.len());
        self.slots.push(Slot { target: Some(target.clone()), valid: false });
        self.by_target.insert(target, handle);
        (handle, true)
    }

    /// Returns what an open handle names; −1 always names Global.
    pub(crate) fn get(&self, handle: i64) -> Option<Target> {
        if handle == -1 {
            return Some(Target::Global);
        }
        self.slots.get(self.index(handle)?)?.target.clone()
    }

    pub(crate) fn validate(&mut self, handle: i64) {
        if let Some(slot) = self.index(handle).and_then(|at| self.slots.get_mut(at)) {
            slot.valid = true;
        }
    }

    /// Invalidates the handles whose target matches; returns those that were valid.
    pub(crate) fn invalidate(&mut self, matches: impl Fn(&Target) -> bool) -> Vec<i64> {
        let mut edges = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.valid && slot.target.as_ref().is_some_and(&matches) {
                slot.valid = false;
                edges.push(self.first + at as i64 * self.step);
            }
        }
        edges
    }

    /// Closes the handle to `target`, if this socket has one.
    pub(crate) fn close(&mut self, target: &Target) -> Option<i64> {
        let handle = self.by_target.remove(target)?;
        if let Some(slot) = self.index(handle).and_then(|at| self.slots.get_mut(at)) {
            slot.target = None;
        }
        Some(handle)
    }

    /// Returns every open handle.
    pub(crate) fn open_handles(&self) -> Vec<i64> {
        let open = self.slots.iter().enumerate().filter(|(_, slot)| slot.target.is_some());
        open.map(|(at, _)| self.handle(at)).collect()
    }
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
    fn handles_may_be_numbered_otherwise() {
        let mut handles = Handles::numbered(100, 7);
        assert_eq!((handles.open(Target::Doc), handles.open(object("a"))), ((100, true), (107, true)));
        assert_eq!(handles.get(107), Some(object("a")));
        for unknown in [1, 99, 101, 114, i64::MIN] {
            assert_eq!(handles.get(unknown), None);
        }
        assert_eq!(handles.open_handles(), [100, 107]);
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
