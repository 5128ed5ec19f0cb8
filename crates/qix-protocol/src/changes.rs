//! What a frame says about handles besides its answer.

use crate::Handle;

/// The `change`, `close` and `suspend` lists of one frame.
///
/// They may ride on any frame of the engine, are usually about other handles than the request's, and are edges: a handle in
/// `change` is not listed again before its object was fetched.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ChangeSet {
    /// Handles whose objects went from valid to invalid.
    pub changed: Vec<Handle>,
    /// Handles that no longer exist.
    pub closed: Vec<Handle>,
    /// Handles in suspended state. Few clients know this list, and no document says how a handle leaves it.
    pub suspended: Vec<Handle>,
}

impl ChangeSet {
    /// Returns whether all three lists are empty.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.closed.is_empty() && self.suspended.is_empty()
    }

    /// Takes the handles out of `changed` that are also in `closed`.
    ///
    /// The engine lists a handle in both when an object dies while dirty. Close wins: a late change would send the
    /// application after a handle that is gone.
    pub(crate) fn let_close_win(&mut self) {
        if self.changed.is_empty() || self.closed.is_empty() {
            return;
        }
        // Sorted, as the two lists of one frame may have millions of handles each.
        let mut closed = self.closed.clone();
        closed.sort_unstable();
        self.changed.retain(|handle| closed.binary_search(handle).is_err());
    }
}
