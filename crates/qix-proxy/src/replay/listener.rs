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
    /// How many of those have no id.
    without_id: usize,
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

/// How many requests without id are kept for an answer: most engines give them none.
const MOST_WITHOUT_ID: usize = 256;

impl Listener {
    pub(super) fn new(tape: usize) -> Self {
        Self {
            tape,
            latest: None,
            lineages: Lineages::default(),
            patches: Patches::default(),
            requests: RecentRequests::default(),
            outstanding: Vec::new(),
            without_id: 0,
            asked: HashMap::default(),
        }
    }

    pub(super) fn lineage_of(&self, handle: Handle) -> Lineage {
        self.lineages.get(handle).cloned().unwrap_or_else(|| guessed(handle))
    }

    /// Takes in a request that may be answered, and forgets the oldest one without id if too many of those wait.
    pub(super) fn asks(&mut self, request: Outstanding) {
        self.without_id += usize::from(request.id.is_none());
        self.outstanding.push(request);
        if self.without_id > MOST_WITHOUT_ID
            && let Some(oldest) = self.outstanding.iter().position(|request| request.id.is_none())
        {
            self.outstanding.remove(oldest);
            self.without_id -= 1;
        }
    }

    /// Takes out all requests that are still to be answered.
    pub(super) fn unanswered(&mut self) -> Vec<Outstanding> {
        self.without_id = 0;
        std::mem::take(&mut self.outstanding)
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
        let found = self.outstanding.remove(exact.or_else(without)?);
        self.without_id -= usize::from(found.id.is_none());
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_never_answered_do_not_pile_up() {
        let mut listener = Listener::new(0);
        let request = |id, call| Outstanding {
            id,
            call: CallId(call),
            to: Handle::GLOBAL,
            method: 0,
            params: None,
            occurrence: 0,
            undo: None,
        };
        listener.asks(request(Some(hash_text(b"1")), 0));
        (1..100_000).for_each(|call| listener.asks(request(None, call)));
        assert_eq!(listener.outstanding.len(), MOST_WITHOUT_ID + 1);
        let answered = |listener: &mut Listener, id: Option<&str>| {
            let id = id.map(|id| qix_protocol::frame::Raw::new(id.as_bytes()).unwrap());
            listener.answered(&Response { id, result: None, error: None, delta: false }).unwrap().call.0
        };
        assert_eq!(answered(&mut listener, Some("1")), 0);
        assert_eq!(answered(&mut listener, None), 100_000 - MOST_WITHOUT_ID as u32);
        assert_eq!(listener.unanswered().len(), MOST_WITHOUT_ID - 1);
    }
}
