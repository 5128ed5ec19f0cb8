//! The table of recorded calls: small, because a recording may have millions of them.

use std::{collections::HashMap, ops::Range};

use super::texts::Place;

/// A recorded call: its number in recorded order, over all connections.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct CallId(pub(super) u32);

/// What is kept of a call: 28 bytes, and 4 in the order by key.
#[derive(Clone, Copy, Debug)]
struct Call {
    hash: [u32; 2],
    place: [u32; 2],
    /// How far behind the request its answer is, in bytes, or one of the values below.
    answer: u32,
    /// Which object, method and connection.
    subject: u32,
    /// What the session's writes had made of it, and in the highest bit whether the answer is an error.
    state: u32,
}

/// Values of [`Call::answer`].
const NONE: u32 = 0;
const LOST: u32 = u32::MAX;
const FAR: u32 = u32::MAX - 1;
/// The bit of [`Call::state`] that says that the answer is an error.
const FAILED: u32 = 1 << 31;

/// Where the answer of a call is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum AnswerPlace {
    /// There was none.
    None,
    /// There was one, or may have been, that the recording does not have.
    Lost,
    At(Place),
}

/// The table of recorded calls, in recorded order and by key.
#[derive(Debug, Default)]
pub(super) struct Index {
    calls: Vec<Call>,
    /// The numbers of the calls by the hash of their keys, equal ones in recorded order.
    order: Vec<u32>,
    /// Where in `order` hashes begin that start with these bits.
    starts: Vec<u32>,
    shift: u32,
    /// Answers that are farther behind their requests than fits.
    far: HashMap<u32, Place>,
    /// Hash of the key without generated values, and number, of calls that have some; sorted.
    general: Vec<[u32; 3]>,
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Adds a call; `None` if there are too many.
    pub(super) fn push(&mut self, hash: u64, place: Place, subject: u32, state: u32) -> Option<CallId> {
        let id = u32::try_from(self.calls.len()).ok().filter(|id| *id < u32::MAX >> 1)?;
        let call =
            Call { hash: halves(hash), place: place.halves(), answer: NONE, subject, state: state & !FAILED };
        self.calls.push(call);
        Some(CallId(id))
    }

    /// Notes under which key a call is found that differs from it in generated values only.
    pub(super) fn push_general(&mut self, hash: u64, call: CallId) {
        let [high, low] = halves(hash);
        self.general.push([high, low, call.0]);
    }

    /// Notes where the answer is.
    pub(super) fn answered(&mut self, id: CallId, at: Place, failed: bool) {
        let call = &mut self.calls[id.0 as usize];
        call.answer = match at.behind(Place::from_halves(call.place)) {
            Some(distance @ 1..FAR) => distance,
            _ => {
                self.far.insert(id.0, at);
                FAR
            }
        };
        call.state |= if failed { FAILED } else { 0 };
    }

    /// Notes that there was an answer, or may have been, that the recording does not have.
    pub(super) fn lost(&mut self, id: CallId) {
        self.calls[id.0 as usize].answer = LOST;
    }

    /// Puts the calls in order, once all are there.
    pub(super) fn seal(&mut self) {
        self.calls.shrink_to_fit();
        self.general.sort_unstable();
        self.general.shrink_to_fit();
        // A few calls share a bucket.
        let bits = self.calls.len().max(2).ilog2().saturating_sub(2).max(1);
        self.shift = 64 - bits;
        let bucket = |call: &Call| (whole(call.hash) >> self.shift) as usize;
        let mut starts = vec![0u32; (1 << bits) + 1];
        for call in &self.calls {
            starts[bucket(call) + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut free = starts.clone();
        let mut order = vec![0; self.calls.len()];
        for (id, call) in (0..).zip(&self.calls) {
            let free = &mut free[bucket(call)];
            order[*free as usize] = id;
            *free += 1;
        }
        for ends in starts.windows(2) {
            order[ends[0] as usize..ends[1] as usize].sort_by_key(|id: &u32| self.calls[*id as usize].hash);
        }
        self.order = order;
        self.starts = starts;
    }

    /// Returns the calls whose key has this hash, in recorded order.
    pub(super) fn with_hash(&self, hash: u64) -> &[u32] {
        self.in_order(self.equal(hash))
    }

    /// Returns where in the order by key the calls are whose key has this hash.
    pub(super) fn equal(&self, hash: u64) -> Range<u32> {
        let bucket = (hash >> self.shift) as usize;
        let Some(&[first, end]) = self.starts.get(bucket..bucket + 2) else { return 0..0 };
        let bucket = &self.order[first as usize..end as usize];
        let hash = halves(hash);
        let of = |id: &u32| self.calls[*id as usize].hash;
        let start = bucket.partition_point(|id| of(id) < hash);
        let count = bucket[start..].partition_point(|id| of(id) == hash);
        first + start as u32..first + (start + count) as u32
    }

    /// Returns the calls at places in the order by key that [`equal`](Self::equal) gave.
    pub(super) fn in_order(&self, equal: Range<u32>) -> &[u32] {
        self.order.get(equal.start as usize..equal.end as usize).unwrap_or_default()
    }

    /// Returns the calls whose key without generated values has this hash, in recorded order.
    pub(super) fn with_general_hash(&self, hash: u64) -> Vec<u32> {
        let [high, low] = halves(hash);
        let of = |[high, low, _]: &[u32; 3]| [*high, *low];
        let start = self.general.partition_point(|entry| of(entry) < [high, low]);
        let equal = self.general[start..].iter().take_while(|entry| of(entry) == [high, low]);
        equal.map(|entry| entry[2]).collect()
    }

    pub(super) fn hash(&self, id: CallId) -> u64 {
        whole(self.calls[id.0 as usize].hash)
    }

    pub(super) fn place(&self, id: CallId) -> Place {
        Place::from_halves(self.calls[id.0 as usize].place)
    }

    pub(super) fn subject(&self, id: CallId) -> u32 {
        self.calls[id.0 as usize].subject
    }

    pub(super) fn state(&self, id: CallId) -> u32 {
        self.calls[id.0 as usize].state & !FAILED
    }

    pub(super) fn failed(&self, id: CallId) -> bool {
        self.calls[id.0 as usize].state & FAILED != 0
    }

    pub(super) fn is_answered(&self, id: CallId) -> bool {
        !matches!(self.calls[id.0 as usize].answer, NONE | LOST)
    }

    pub(super) fn answer(&self, id: CallId) -> AnswerPlace {
        let call = &self.calls[id.0 as usize];
        match call.answer {
            NONE => AnswerPlace::None,
            LOST => AnswerPlace::Lost,
            FAR => self.far.get(&id.0).map_or(AnswerPlace::Lost, |at| AnswerPlace::At(*at)),
            distance => AnswerPlace::At(Place::from_halves(call.place).ahead(distance)),
        }
    }

    /// Returns all calls with their subjects, in recorded order.
    pub(super) fn subjects(&self) -> impl Iterator<Item = (CallId, u32)> {
        (0..).map(CallId).zip(self.calls.iter().map(|call| call.subject))
    }

    /// Returns the bytes of memory that the table takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Call>() * self.calls.capacity()
            + size_of::<u32>() * (self.order.capacity() + self.starts.capacity())
            + size_of::<[u32; 3]>() * self.general.capacity()
            + 2 * size_of::<(u32, Place)>() * self.far.capacity()
    }
}

fn halves(hash: u64) -> [u32; 2] {
    [(hash >> 32) as u32, hash as u32]
}

fn whole([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_takes_28_bytes() {
        assert_eq!(size_of::<Call>(), 28);
    }

    #[test]
    fn answers_are_found_near_and_far_and_not_where_there_are_none() {
        let mut index = Index::default();
        let call = |index: &mut Index| index.push(7, Place::new(0, 1000), 0, 5).unwrap();
        let (near, far, other, lost, none) =
            (call(&mut index), call(&mut index), call(&mut index), call(&mut index), call(&mut index));
        index.answered(near, Place::new(0, 1200), true);
        index.answered(far, Place::new(0, 1 << 40), false);
        index.answered(other, Place::new(1, 0), false);
        index.lost(lost);
        index.seal();
        assert_eq!(index.answer(near), AnswerPlace::At(Place::new(0, 1200)));
        assert_eq!(index.answer(far), AnswerPlace::At(Place::new(0, 1 << 40)));
        assert_eq!(index.answer(other), AnswerPlace::At(Place::new(1, 0)));
        assert_eq!((index.answer(lost), index.answer(none)), (AnswerPlace::Lost, AnswerPlace::None));
        assert!(index.failed(near) && !index.failed(far));
        assert_eq!((index.state(near), index.state(far)), (5, 5));
        assert_eq!(index.with_hash(7), [0, 1, 2, 3, 4]);
    }

    proptest! {
        #[test]
        fn calls_are_found_by_hash_in_recorded_order(hashes in prop::collection::vec(any::<u8>(), 0..400)) {
            let spread = |hash: u8| u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut index = Index::default();
            for hash in &hashes {
                let id = index.push(spread(*hash), Place::default(), 0, 0).unwrap();
                index.push_general(spread(*hash), id);
            }
            index.seal();
            for hash in 0..=255u8 {
                let all = (0u32..).zip(&hashes).filter(|(_, other)| **other == hash);
                let expected: Vec<u32> = all.map(|(id, _)| id).collect();
                prop_assert_eq!(index.with_hash(spread(hash)), &*expected);
                prop_assert_eq!(index.with_general_hash(spread(hash)), expected);
            }
        }
    }
}
