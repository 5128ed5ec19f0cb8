//! Calls in flight, and cancelled ones whose answers may still come.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
    time::Instant,
};

use bytes::Bytes;

use crate::{Handle, RequestId, frame::Raw};

/// One request that was sent: enough to understand its answer, which names neither handle nor method.
#[derive(Debug)]
pub(crate) struct Entry<T> {
    /// The caller's; `None` once cancelled.
    pub(crate) data: Option<T>,
    pub(crate) to: Handle,
    /// The request's text, shared with the transmit queue.
    pub(crate) text: Bytes,
    pub(crate) method: Range<usize>,
    pub(crate) params: Range<usize>,
    /// What [`Lineages::requested`](crate::Lineages::requested) said of it.
    pub(crate) occurrence: u32,
    /// Whether a delta answer was asked for.
    pub(crate) delta: bool,
    pub(crate) deadline: Option<Instant>,
}

impl<T> Entry<T> {
    pub(crate) fn params(&self) -> Raw<'_> {
        Raw::scanned(&self.text[self.params.clone()])
    }

    pub(crate) fn method(&self) -> String {
        Raw::scanned(&self.text[self.method.clone()]).decode().unwrap_or_default()
    }
}

/// The requests of one connection that expect an answer.
#[derive(Debug)]
pub(crate) struct Pending<T> {
    entries: HashMap<RequestId, Entry<T>, BuildHasherDefault<IdHasher>>,
    deadlines: BTreeSet<(Instant, RequestId)>,
    /// Entries without data, oldest first; may name some that were answered since.
    cancelled: VecDeque<RequestId>,
    /// How many entries somebody waits for.
    live: usize,
    max_cancelled: usize,
}

impl<T> Pending<T> {
    pub(crate) fn new(max_cancelled: usize) -> Self {
        Self {
            entries: HashMap::default(),
            deadlines: BTreeSet::new(),
            cancelled: VecDeque::new(),
            live: 0,
            max_cancelled,
        }
    }

    /// How many calls somebody waits for.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn contains(&self, id: RequestId) -> bool {
        self.entries.contains_key(&id)
    }

    pub(crate) fn insert(&mut self, id: RequestId, entry: Entry<T>) {
        if let Some(deadline) = entry.deadline {
            self.deadlines.insert((deadline, id));
        }
        match entry.data {
            Some(_) => self.live += 1,
            None => self.cancelled.push_back(id),
        }
        self.entries.insert(id, entry);
    }

    /// Takes out the request that an answer belongs to.
    pub(crate) fn take(&mut self, id: RequestId) -> Option<Entry<T>> {
        let entry = self.entries.remove(&id)?;
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        if entry.data.is_some() {
            self.live -= 1;
        }
        Some(entry)
    }

    /// Gives the caller's data back and keeps expecting the answer.
    pub(crate) fn cancel(&mut self, id: RequestId) -> Option<T> {
        let entry = self.entries.get_mut(&id)?;
        let data = entry.data.take()?;
        if let Some(deadline) = entry.deadline.take() {
            self.deadlines.remove(&(deadline, id));
        }
        self.live -= 1;
        self.cancelled.push_back(id);
        Some(data)
    }

    /// Forgets the oldest cancelled call beyond the limit.
    pub(crate) fn forget(&mut self) -> Option<Entry<T>> {
        // Each cancelled call has a `CancelRequest` beside it whose answer nobody waits for either.
        let most = self.max_cancelled.saturating_mul(2);
        let waits = |entries: &HashMap<_, Entry<T>, _>, id: &RequestId| {
            entries.get(id).is_some_and(|entry| entry.data.is_none())
        };
        if self.cancelled.len() > most.saturating_mul(2) {
            self.cancelled.retain(|id| waits(&self.entries, id));
        }
        while self.entries.len() - self.live > most {
            let oldest = self.cancelled.pop_front()?;
            if waits(&self.entries, &oldest) {
                return self.entries.remove(&oldest);
            }
        }
        None
    }

    pub(crate) fn first_deadline(&self) -> Option<(Instant, RequestId)> {
        self.deadlines.first().copied()
    }

    /// Takes out all calls that somebody waits for, the oldest first.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (RequestId, T)> + use<T> {
        self.drain_entries().map(|(id, _, data)| (id, data))
    }

    /// Takes out the requests that somebody waits for, the oldest first.
    pub(crate) fn drain_entries(&mut self) -> impl Iterator<Item = (RequestId, Entry<T>, T)> + use<T> {
        self.live = 0;
        self.deadlines.clear();
        self.cancelled.clear();
        let mut live: Vec<_> = self
            .entries
            .drain()
            .filter_map(|(id, mut entry)| entry.data.take().map(|data| (id, entry, data)))
            .collect();
        live.sort_by_key(|(id, ..)| *id);
        live.into_iter()
    }
}

/// Spreads consecutive ids over the table; nobody outside chooses them, so no defence against collisions is needed.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
