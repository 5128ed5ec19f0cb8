//! Which recorded answer is next.

use std::{collections::HashMap, sync::Arc};

use qix_protocol::Handle;

use super::{Key, Miss, Repeat, ReplaySettings, Tapes, key::guessed, tape::CallId};

/// Finds recorded calls for requests. It keeps nothing: what a live session has taken so far is its [`Progress`].
///
/// Calls come from the tape that the connection plays; a request that this tape does not know is looked up in the others.
/// Equal requests get their answers in recorded order, and then as [`Repeat`] says.
#[derive(Clone, Debug)]
pub struct ReplayMatcher {
    tapes: Arc<Tapes>,
    repeat: Repeat,
}

/// What the sockets of one live session have taken from the recording so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// How many answers of a key have been taken, by tape and by the first call with that key.
    taken: HashMap<(usize, usize), usize>,
}

/// A recorded call that fits a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) call: CallId,
    /// Whether the call was taken before, so that what followed it has been said already.
    pub(super) again: bool,
}

impl ReplayMatcher {
    /// Makes a matcher.
    pub fn new(tapes: Arc<Tapes>, settings: &ReplaySettings) -> Self {
        Self { tapes, repeat: settings.repeat }
    }

    pub(super) fn tapes(&self) -> &Arc<Tapes> {
        &self.tapes
    }

    /// Takes the next recorded call for `key`, for a connection that plays `tape`.
    ///
    /// A client that asks before the answer which names its handle has guessed that handle, and is recorded so, even if it knows
    /// better now: such calls are found by `handle`.
    #[expect(clippy::result_large_err, reason = "a miss is rare, and moved once")]
    pub(super) fn take(
        &self,
        progress: &mut Progress,
        tape: usize,
        key: Key,
        handle: Option<Handle>,
    ) -> Result<Found, Miss> {
        if let Some(found) = self.find(progress, tape, &key) {
            return Ok(found);
        }
        let guess = handle.map(|handle| Key { lineage: guessed(handle), ..key.clone() });
        if let Some(found) = guess.and_then(|guess| self.find(progress, tape, &guess)) {
            return Ok(found);
        }
        // Only now, for a text may be `***` because a client said so.
        if let Some(masked) = self.tapes.masks.apply(&key)
            && let Some(found) = self.find(progress, tape, &masked)
        {
            return Ok(found);
        }
        let nearest = self.nearest(tape, &key).cloned();
        Err(Miss::new(key, nearest))
    }

    fn find(&self, progress: &mut Progress, own: usize, key: &Key) -> Option<Found> {
        let others = (0..self.tapes.tapes.len()).filter(|tape| *tape != own);
        let found = std::iter::once(own)
            .chain(others)
            .find_map(|tape| Some((tape, self.tapes.tapes[tape].by_key.get(key)?)));
        let (tape, calls) = found?;
        let taken = progress.taken.entry((tape, calls[0])).or_default();
        let again = *taken >= calls.len();
        let recorded = &self.tapes.tapes[tape].calls;
        // The last answer sticks, not a last call that got none.
        let last = || calls.iter().rfind(|call| recorded[**call].answer.is_some()).or(calls.last());
        let call = match self.repeat {
            Repeat::Sticky => calls.get(*taken).or_else(last),
            Repeat::Once => calls.get(*taken),
            Repeat::Cycle => calls.get(*taken % calls.len()),
        };
        *taken += 1;
        let call = CallId { tape, call: *call? };
        self.tapes.use_up(call);
        Some(Found { call, again })
    }

    /// The recorded key that shares most with `key`: first the method, then the object, then the beginning of the parameters.
    fn nearest(&self, tape: usize, key: &Key) -> Option<&Key> {
        let likeness = |other: &Key| {
            let prefix = key.params.bytes().zip(other.params.bytes()).take_while(|(a, b)| a == b).count();
            (other.method == key.method, other.lineage == key.lineage, prefix)
        };
        let tapes = &self.tapes.tapes;
        let keys =
            std::iter::once(&tapes[tape]).chain(tapes).flat_map(|tape| &tape.calls).map(|call| &call.key);
        let near = keys.filter(|other| other.method == key.method || other.lineage == key.lineage);
        // The first of equals, in recorded order.
        near.reduce(|best, next| if likeness(next) > likeness(best) { next } else { best })
    }
}
