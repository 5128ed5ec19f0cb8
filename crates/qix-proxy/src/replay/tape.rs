//! What was said in a recording, ready to be said again.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{Handle, Lineage};

use super::{
    Key, UnusedCalls,
    answer::Push,
    cache::Cache,
    history::History,
    index::{AnswerPlace, CallId, Index},
    masks::Masks,
    pages::Pages,
    texts::{Place, Texts},
    volatile::Ignore,
};
use crate::{
    record::{Redaction, entry_of},
    scrub::Anonymizer,
};

/// All that a recording can answer: an index in memory, while what was said stays where it is until it is asked for.
#[derive(Debug, Default)]
pub struct Tapes {
    pub(super) tapes: Vec<Tape>,
    pub(super) texts: Texts,
    pub(super) index: Index,
    pub(super) subjects: Vec<Subject>,
    pub(super) methods: Vec<Box<str>>,
    /// The objects.
    pub(super) lineages: Vec<Lineage>,
    pub(super) pushes: Vec<PushPlace>,
    /// Answers that were patches of something, as what they stand for.
    pub(super) spilled: HashMap<u32, Place>,
    /// Requests that had no id, in order.
    pub(super) without_id: Vec<u32>,
    /// Ids of objects that live no longer than their session.
    pub(super) session_objects: HashSet<Box<str>>,
    /// How long answers took, by method, as far as somebody has asked.
    pub(super) medians: Mutex<HashMap<Box<str>, Duration>>,
    /// What is a secret, in what was recorded and in what clients ask.
    pub(super) redaction: Redaction,
    /// Where secrets were replaced that only the recorder's rules know.
    pub(super) masks: Masks,
    /// What does not count when requests are compared.
    pub(super) ignored: Vec<Ignore>,
    /// Replaces the values that clients name, if the recording was anonymized.
    pub(super) anonymizer: Option<Anonymizer>,
    /// Plain HTTP, and upgrades that were refused.
    pub(super) pages: Pages,
    /// Which calls were taken by anybody, one bit each.
    pub(super) used: Vec<AtomicU64>,
    pub(super) cache: Mutex<Cache>,
}

/// When a push was heard.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Moment {
    /// Between the request and its answer.
    Before,
    /// After the answer.
    After,
}

/// One recorded connection.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Path of the upgrade request, without query.
    pub(super) path: String,
    /// Which session it belongs to.
    pub(super) session: usize,
    /// Whether a replay has added the connection, because it needed answers that the recording did not have.
    pub(super) added: bool,
    /// Whether the client asked for an app to be opened.
    pub(super) opens_app: bool,
    /// When the connection began, since the recording did.
    pub(super) opened: Duration,
    /// When it ended; `None` if the recording ended before it.
    pub(super) closed: Option<Duration>,
    pub(super) first_call: Option<CallId>,
    /// What the engine said before the client said anything.
    pub(super) greeting: Vec<Place>,
    pub(super) history: History,
}

/// What calls have in common.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Subject {
    pub(super) tape: u32,
    /// The object, by its place among the lineages.
    pub(super) lineage: u32,
    /// The method, by its place; an empty one is that of text that is no request.
    pub(super) method: u32,
}

/// Where something is that the engine said unasked, and what it is tied to.
#[derive(Clone, Copy, Debug)]
pub(super) struct PushPlace {
    /// Twice the number of the call, and one more if it came after the answer.
    pub(super) cause: u32,
    /// The connection that hears it.
    pub(super) tape: u32,
    pub(super) place: [u32; 2],
}

impl PushPlace {
    pub(super) fn cause(call: CallId, moment: Moment) -> u32 {
        2 * call.0 + u32::from(moment == Moment::After)
    }
}

/// Recorded calls that nobody has made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Unused {
    /// How many there are.
    pub(super) calls: usize,
    /// The first ones in recorded order, equal ones together with their number.
    pub(super) first: Vec<(Key, usize)>,
}

impl Tapes {
    /// Replaces the values that clients name as they were replaced in the recording.
    #[must_use]
    pub fn anonymized(mut self, anonymizer: Anonymizer) -> Self {
        self.anonymizer = Some(anonymizer);
        self
    }

    /// Returns how many connections were recorded.
    pub fn connections(&self) -> usize {
        self.tapes.len()
    }

    /// Returns how many exchanges of plain HTTP were recorded.
    pub fn exchanges(&self) -> usize {
        self.pages.exchanges()
    }

    /// Returns how many requests were recorded.
    pub fn calls(&self) -> usize {
        self.index.len()
    }

    /// Returns the bytes of memory that the index takes: all but texts that were read lately.
    pub fn index_bytes(&self) -> usize {
        let lineages = self.lineages.iter().map(Lineage::footprint);
        let methods = self.methods.iter().map(|method| method.len() + size_of::<Box<str>>());
        let tapes = self.tapes.iter().map(|tape| {
            size_of::<Tape>()
                + tape.path.capacity()
                + size_of::<Place>() * tape.greeting.capacity()
                + tape.history.bytes()
        });
        self.index.bytes()
            + size_of::<Subject>() * self.subjects.capacity()
            + size_of::<Lineage>() * self.lineages.capacity()
            + size_of::<PushPlace>() * self.pushes.capacity()
            + 2 * size_of::<(u32, Place)>() * self.spilled.capacity()
            + size_of::<u32>() * self.without_id.capacity()
            + size_of::<AtomicU64>() * self.used.capacity()
            + lineages.chain(methods).chain(tapes).sum::<usize>()
    }

    /// Returns the recorded calls that nobody has made so far, in recorded order of the first of each method on each object. What an
    /// upstream has added to the recording counts only if no equal call was made.
    pub fn unused(&self) -> Vec<UnusedCalls> {
        let calls = || self.index.subjects();
        let is_added = |subject: u32| self.tapes[self.subjects[subject as usize].tape as usize].added;
        let made: HashSet<u64> = match self.tapes.iter().any(|tape| tape.added) {
            true => calls()
                .filter(|(call, _)| self.is_used(*call))
                .map(|(call, _)| self.index.hash(call))
                .collect(),
            false => HashSet::new(),
        };
        let mut places: HashMap<(u32, u32), usize> = HashMap::new();
        let mut unused: Vec<UnusedCalls> = Vec::new();
        for (call, subject) in calls() {
            if self.is_used(call) || is_added(subject) && made.contains(&self.index.hash(call)) {
                continue;
            }
            let Subject { lineage, method, .. } = self.subjects[subject as usize];
            let at = *places.entry((lineage, method)).or_insert(unused.len());
            if at == unused.len() {
                let object = self.lineage(call).clone();
                unused.push(UnusedCalls { object, method: self.method(call).into(), count: 0 });
            }
            unused[at].count += 1;
        }
        unused
    }

    /// Returns the recorded calls of `wanted` methods that nobody has made so far, the first `most` different ones by name.
    pub(super) fn unused_calls(&self, wanted: impl Fn(&str) -> bool, most: usize) -> Unused {
        let mut unused = Unused::default();
        let mut places: HashMap<(u64, u32), usize> = HashMap::new();
        for (call, subject) in self.index.subjects() {
            if self.is_used(call) || !wanted(self.method(call)) {
                continue;
            }
            unused.calls += 1;
            let same = (self.index.hash(call), subject);
            match places.get(&same) {
                Some(at) => unused.first[*at].1 += 1,
                None if unused.first.len() < most => {
                    places.insert(same, unused.first.len());
                    unused.first.push((self.key(call), 1));
                }
                None => {}
            }
        }
        unused
    }

    pub(super) fn is_used(&self, call: CallId) -> bool {
        self.used[call.0 as usize / 64].load(Relaxed) & (1 << (call.0 % 64)) != 0
    }

    pub(super) fn note_use(&self, call: CallId) {
        // Most calls that are made often were made before, and a look is cheaper than a change.
        if !self.is_used(call) {
            self.used[call.0 as usize / 64].fetch_or(1 << (call.0 % 64), Relaxed);
        }
    }

    /// Returns which connection made a call.
    pub(super) fn tape_of(&self, call: CallId) -> usize {
        self.subject(call).tape as usize
    }

    /// Returns the object of a call.
    pub(super) fn lineage(&self, call: CallId) -> &Lineage {
        &self.lineages[self.subject(call).lineage as usize]
    }

    /// Returns whether a handle that a call has guessed came to name this object.
    pub(super) fn came_to_name(&self, call: CallId, handle: Handle, object: &Lineage) -> bool {
        let history = &self.tapes[self.tape_of(call)].history;
        let named = history.next_object(handle, self.index.place(call));
        named.is_some_and(|named| self.lineages[named as usize] == *object)
    }

    /// Returns the method of a call; empty if it was text that is no request.
    pub(super) fn method(&self, call: CallId) -> &str {
        &self.methods[self.subject(call).method as usize]
    }

    fn subject(&self, call: CallId) -> &Subject {
        &self.subjects[self.index.subject(call) as usize]
    }

    /// Returns what the engine said unasked around a call, and if it is `paced`, how long after.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub(super) fn pushes(&self, call: CallId, moment: Moment, paced: bool) -> io::Result<Vec<Push>> {
        let places = self.push_places(call, moment);
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let asked = self.index.place(call);
        let cause = match (moment, self.index.answer(call)) {
            (Moment::After, AnswerPlace::At(answer)) => answer,
            _ => asked,
        };
        let start = if paced { self.time(cause)? } else { Duration::ZERO };
        let push = |push: &PushPlace| {
            self.push_since(push.tape as usize, Place::from_halves(push.place), start, paced)
        };
        places.iter().map(push).collect()
    }

    /// Returns whether the engine said something unasked around a call.
    pub(super) fn has_pushes(&self, call: CallId, moment: Moment) -> bool {
        !self.push_places(call, moment).is_empty()
    }

    fn push_since(&self, tape: usize, at: Place, start: Duration, paced: bool) -> io::Result<Push> {
        let mut push = self.push_at(tape, at)?;
        if paced {
            push.since = self.time(at)?.saturating_sub(start);
        }
        Ok(push)
    }

    fn push_places(&self, call: CallId, moment: Moment) -> &[PushPlace] {
        let cause = PushPlace::cause(call, moment);
        let start = self.pushes.partition_point(|push| push.cause < cause);
        let count = self.pushes[start..].iter().take_while(|push| push.cause == cause).count();
        &self.pushes[start..start + count]
    }

    /// Returns what the engine of a connection said before it was asked anything, and if it is `paced`, how long after the connection
    /// began.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub(super) fn greeting(&self, tape: usize, paced: bool) -> io::Result<Vec<Push>> {
        let Tape { greeting, opened, .. } = &self.tapes[tape];
        greeting.iter().map(|place| self.push_since(tape, *place, *opened, paced)).collect()
    }

    /// Returns how long the answer to a call took; `None` if it has none, or the file cannot be read.
    pub(super) fn latency(&self, call: CallId) -> Option<Duration> {
        let AnswerPlace::At(answer) = self.index.answer(call) else { return None };
        Some(self.time(answer).ok()?.saturating_sub(self.time(self.index.place(call)).ok()?))
    }

    /// Returns how long half of the first recorded answers to a method took at most; of all methods if this one has no answer.
    pub(super) fn median_latency(&self, method: &str) -> Duration {
        /// As many tell.
        const MOST: usize = 1000;

        let mut medians = self.medians.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(median) = medians.get(method) {
            return *median;
        }
        let calls = || self.index.subjects().map(|(call, _)| call);
        let of_method = calls().filter(|call| self.method(*call) == method);
        let mut times: Vec<Duration> = of_method.filter_map(|call| self.latency(call)).take(MOST).collect();
        if times.is_empty() {
            times = calls().filter_map(|call| self.latency(call)).take(MOST).collect();
        }
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        medians.insert(method.into(), median);
        median
    }

    /// Returns the first call of a recorded connection.
    pub(super) fn first_call(&self, tape: usize) -> Option<CallId> {
        self.tapes[tape].first_call
    }

    /// Returns whether the recording shows how an app came to be open on this connection: by a call of its own or of one before.
    pub(super) fn app_was_opened(&self, tape: usize) -> bool {
        self.tapes[..=tape].iter().any(|tape| tape.opens_app)
    }

    /// Returns whether any recorded call is one of this method.
    pub(super) fn has_method(&self, method: &str) -> bool {
        self.methods.iter().any(|known| **known == *method)
    }

    /// Returns when the line at a place was taken in, since the recording started.
    fn time(&self, at: Place) -> io::Result<Duration> {
        let line: Bytes = self.texts.line(at)?;
        entry_time(&line).ok_or_else(|| self.texts.changed(at))
    }

    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        // It is never half changed where something could panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry_time(line: &Bytes) -> Option<Duration> {
    match super::line::Line::parse(line) {
        Some(line) => Some(Duration::from_micros(line.t)),
        None => entry_of(line).ok().map(|entry| entry.at),
    }
}
