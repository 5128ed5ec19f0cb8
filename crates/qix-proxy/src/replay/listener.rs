//! What is known of a recorded connection while its messages are read.

use std::rc::Rc;

use foldhash::HashMap;
use qix_protocol::{Handle, Lineage, Lineages, frame::engine::Response};

use super::{
    index::CallId,
    key::{RecentRequests, guessed, hash_text},
    patches::Patches,
    state::Undo,
    tape::Moment,
};

/// What a push is tied to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause(pub(super) CallId, pub(super) Moment);

/// Follows one recorded connection.
pub(super) struct Listener {
    pub(super) tape: usize,
    /// The latest call of this connection, to which everything but lists is tied.
    pub(super) latest: Option<Cause>,
    pub(super) lineages: Lineages,
    pub(super) patches: Patches,
    pub(super) requests: RecentRequests,
    /// Requests without answer, oldest first.
    pub(super) outstanding: Vec<Outstanding>,
    /// What calls of an object's method have in common, by handle and method.
    pub(super) asked: HashMap<(Handle, u64), Rc<AskedBefore>>,
}

/// What calls of an object's method have in common.
pub(super) struct AskedBefore {
    pub(super) lineage: Lineage,
    /// Whether nothing had opened the handle.
    pub(super) guessed: bool,
    pub(super) method: u32,
    pub(super) subject: u32,
    /// Whether its calls change what later ones are answered.
    pub(super) writes: bool,
    /// Whether its parameters mean something else each time.
    pub(super) names_a_request: bool,
}

pub(super) struct Outstanding {
    pub(super) id: Option<u64>,
    pub(super) call: CallId,
    pub(super) to: Handle,
    pub(super) method: u32,
    pub(super) params: Option<Box<[u8]>>,
    pub(super) occurrence: u32,
    pub(super) undo: Option<Box<Undo>>,
}

impl Listener {
    pub(super) fn new(tape: usize) -> Self {
        Self {
            tape,
            latest: None,
            lineages: Lineages::default(),
            patches: Patches::default(),
            requests: RecentRequests::default(),
            outstanding: Vec::new(),
            asked: HashMap::default(),
        }
    }

    pub(super) fn lineage_of(&self, handle: Handle) -> Lineage {
        self.lineages.get(handle).cloned().unwrap_or_else(|| guessed(handle))
    }

    /// Takes out the oldest request that the response can belong to. Ids may repeat or be missing; a request without one may
    /// be answered with 0.
    pub(super) fn answered(&mut self, response: &Response<'_>) -> Option<Outstanding> {
        let written = response.id.map(|id| id.as_bytes());
        let id = written.map(hash_text);
        let exact = self.outstanding.iter().position(|request| request.id == id);
        let without = || {
            let zero = matches!(written, None | Some(b"0"));
            self.outstanding.iter().position(|request| zero && request.id.is_none())
        };
        exact.or_else(without).map(|at| self.outstanding.remove(at))
    }
}
