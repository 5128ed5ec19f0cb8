//! What was said in a recording, ready to be said again.

use std::{
    collections::HashMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::Lineage;

use super::{
    Key,
    answer::Push,
    cache::Cache,
    history::History,
    index::{AnswerPlace, CallId, Index},
    masks::Masks,
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
    /// The objects, and the calls that opened them.
    pub(super) lineages: Vec<(Lineage, CallId)>,
    pub(super) pushes: Vec<PushPlace>,
    /// Answers that were patches of something, as what they stand for.
    pub(super) spilled: HashMap<u32, Place>,
    /// Requests that had no id, in order.
    pub(super) without_id: Vec<u32>,
    /// What is a secret, in what was recorded and in what clients ask.
    pub(super) redaction: Redaction,
    /// Where secrets were replaced that only the recorder's rules know.
    pub(super) masks: Masks,
    /// What does not count when requests are compared.
    pub(super) ignored: Vec<Ignore>,
    /// Replaces the values that clients name, if the recording was anonymized.
    pub(super) anonymizer: Option<Anonymizer>,
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

/// When things happened around a recorded call.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Pace {
    /// From the request to its answer, if it has one.
    pub(super) answer: Option<Duration>,
    /// From the request to each push before the answer.
    pub(super) before: Vec<Duration>,
    /// From the answer to each push after it, or from the request if there is no answer.
    pub(super) after: Vec<Duration>,
}

/// Recorded calls that nobody has made.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unused {
    /// How many there are.
    pub calls: usize,
    /// The first ones in recorded order, equal ones together with their number.
    pub first: Vec<(Key, usize)>,
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

    /// Returns how many requests were recorded.
    pub fn calls(&self) -> usize {
        self.index.len()
    }

    /// Returns the bytes of memory that the index takes: all but texts that were read lately.
    pub fn index_bytes(&self) -> usize {
        let lineages = self.lineages.iter().map(|(lineage, _)| lineage.footprint());
        let methods = self.methods.iter().map(|method| method.len() + size_of::<Box<str>>());
        let tapes = self.tapes.iter().map(|tape| {
            size_of::<Tape>()
                + tape.path.capacity()
                + size_of::<Place>() * tape.greeting.capacity()
                + tape.history.bytes()
        });
        self.index.bytes()
            + size_of::<Subject>() * self.subjects.capacity()
            + size_of::<(Lineage, CallId)>() * self.lineages.capacity()
            + size_of::<PushPlace>() * self.pushes.capacity()
            + 2 * size_of::<(u32, Place)>() * self.spilled.capacity()
            + size_of::<u32>() * self.without_id.capacity()
            + size_of::<AtomicU64>() * self.used.capacity()
            + lineages.chain(methods).chain(tapes).sum::<usize>()
    }

    /// Returns the recorded calls that nobody has made so far, the first `most` different ones by name.
    pub fn unused(&self, most: usize) -> Unused {
        let mut unused = Unused::default();
        let mut places: HashMap<(u64, u32), usize> = HashMap::new();
        for (call, subject) in self.index.subjects() {
            if self.is_used(call) {
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
        &self.lineages[self.subject(call).lineage as usize].0
    }

    /// Returns the method of a call; empty if it was text that is no request.
    pub(super) fn method(&self, call: CallId) -> &str {
        &self.methods[self.subject(call).method as usize]
    }

    fn subject(&self, call: CallId) -> &Subject {
        &self.subjects[self.index.subject(call) as usize]
    }

    /// Returns the call that opened an object; `None` if none did.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what plays at recorded pace and what re-creates objects need it")
    )]
    pub(super) fn opened_by(&self, object: &Lineage) -> Option<CallId> {
        let found = self.lineages.iter().find(|(lineage, _)| lineage == object)?;
        Some(found.1).filter(|call| call.0 != u32::MAX)
    }

    /// Returns what the engine said unasked around a call.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub(super) fn pushes(&self, call: CallId, moment: Moment) -> io::Result<Vec<Push>> {
        let places = self.push_places(call, moment);
        places.iter().map(|push| self.push_at(push.tape as usize, Place::from_halves(push.place))).collect()
    }

    fn push_places(&self, call: CallId, moment: Moment) -> &[PushPlace] {
        let cause = PushPlace::cause(call, moment);
        let start = self.pushes.partition_point(|push| push.cause < cause);
        let count = self.pushes[start..].iter().take_while(|push| push.cause == cause).count();
        &self.pushes[start..start + count]
    }

    /// Returns what the engine of a connection said before it was asked anything.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    pub(super) fn greeting(&self, tape: usize) -> io::Result<Vec<Push>> {
        self.tapes[tape].greeting.iter().map(|place| self.push_at(tape, *place)).collect()
    }

    /// Returns when things happened around a call.
    ///
    /// # Errors
    ///
    /// As [`outcome`](Self::outcome).
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "what plays at recorded pace and what re-creates objects need it")
    )]
    pub(super) fn pace(&self, call: CallId) -> io::Result<Pace> {
        let asked = self.time(self.index.place(call))?;
        let answered = match self.index.answer(call) {
            AnswerPlace::At(at) => Some(self.time(at)?),
            AnswerPlace::None | AnswerPlace::Lost => None,
        };
        let since = |moment, start: Duration| {
            let time =
                |push: &PushPlace| Ok(self.time(Place::from_halves(push.place))?.saturating_sub(start));
            self.push_places(call, moment).iter().map(time).collect::<io::Result<Vec<_>>>()
        };
        Ok(Pace {
            answer: answered.map(|answered| answered.saturating_sub(asked)),
            before: since(Moment::Before, asked)?,
            after: since(Moment::After, answered.unwrap_or(asked))?,
        })
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
