//! The recorded call that is most like a request which was not recorded.

use std::collections::HashSet;

use super::{Key, Tapes, index::CallId, state};

/// How many different calls are read and compared.
const MOST_COMPARED: usize = 1000;
/// How many calls are looked at in search of a write.
const MOST_STEPS: usize = 100_000;

impl Tapes {
    /// Returns the recorded key that shares most with `key`: first the method, then the object, then the beginning of the
    /// parameters. Of equals, those of the connection `own` are preferred, and then the first.
    pub(super) fn nearest(&self, own: usize, key: &Key) -> Option<Key> {
        // How much each subject has in common.
        let object = self.lineages.iter().position(|lineage| *lineage == key.lineage).map(|at| at as u32);
        let method = self.methods.iter().position(|method| *method == key.method).map(|at| at as u32);
        let likeness = self.subjects.iter().map(|subject| {
            match (Some(subject.method) == method, Some(subject.lineage) == object) {
                (true, true) => 3,
                (true, false) => 2,
                (false, true) => 1,
                (false, false) => 0u8,
            }
        });
        let likeness: Vec<u8> = likeness.collect();
        let most = likeness.iter().copied().max().filter(|most| *most > 0)?;
        let like = |subject: u32| likeness[subject as usize] == most;
        let of_own = |subject: u32| self.subjects[subject as usize].tape as usize == own;
        let mut seen = HashSet::new();
        let mut best: Option<(usize, Key)> = None;
        for is_own in [true, false] {
            for (call, subject) in self.index.subjects() {
                if seen.len() == MOST_COMPARED {
                    break;
                }
                if like(subject) && of_own(subject) == is_own && seen.insert(self.index.hash(call)) {
                    let other = self.key(call);
                    let shared =
                        key.params.bytes().zip(other.params.bytes()).take_while(|(a, b)| a == b).count();
                    if best.as_ref().is_none_or(|(most, _)| shared > *most) {
                        best = Some((shared, other));
                    }
                }
            }
        }
        best.map(|(_, key)| key)
    }

    /// Returns the latest write of its session before a call, if there is one near it.
    pub(super) fn write_before(&self, call: CallId) -> Option<Key> {
        let session = |call: CallId| self.tapes[self.tape_of(call)].session;
        let before = (0..call.0).rev().take(MOST_STEPS).map(CallId);
        let mut writes = before.filter(|other| {
            session(*other) == session(call)
                && state::writes(self.method(*other))
                && !self.index.failed(*other)
        });
        writes.next().map(|write| self.key(write))
    }
}
