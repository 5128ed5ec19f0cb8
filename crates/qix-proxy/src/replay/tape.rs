//! What was said in a recording, ready to be said again.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::Lineage;

use super::{Key, Text, masks::Masks, template::Template};
use crate::{record::Redaction, scrub::Anonymizer};

/// All that a recording can answer.
#[derive(Debug, Default)]
pub struct Tapes {
    pub(super) tapes: Vec<Tape>,
    /// Ids of objects that live no longer than their session.
    pub(super) session_objects: HashSet<Box<str>>,
    /// How long answers took, by method.
    pub(super) medians: OnceLock<HashMap<Box<str>, Duration>>,
    /// What is a secret, in what was recorded and in what clients ask.
    pub(super) redaction: Redaction,
    /// Where secrets were replaced that only the recorder's rules know.
    pub(super) masks: Masks,
    /// Replaces the values that clients name, if the recording was anonymized.
    pub(super) anonymizer: Option<Anonymizer>,
}

/// A recorded call.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct CallId {
    pub(super) tape: usize,
    pub(super) call: usize,
}

/// When a push was heard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Moment {
    /// Between the request and its answer.
    Before,
    /// After the answer.
    After,
}

/// What came of a recorded call.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Answer(Arc<RecordedAnswer>),
    /// There was none.
    Unanswered,
    /// There was one, or may have been, that the recording does not have.
    Lost,
}

/// One recorded connection.
#[derive(Debug, Default)]
pub(super) struct Tape {
    /// Path of the upgrade request, without query.
    pub(super) path: String,
    /// Whether the client named its session in a header.
    pub(super) has_session_header: bool,
    /// Whether the greeting named a session that existed; `None` if there was no greeting.
    pub(super) attached: Option<bool>,
    /// Whether the client asked for an app to be opened.
    pub(super) opens_app: bool,
    /// When the connection began, since the recording did.
    pub(super) opened: Duration,
    /// When it ended; `None` if the recording ended before it.
    pub(super) closed: Option<Duration>,
    /// What the engine said before the client said anything.
    pub(super) greeting: Vec<Push>,
    pub(super) calls: Vec<RecordedCall>,
    pub(super) by_key: HashMap<Key, Vec<usize>>,
}

/// One recorded request and what came of it.
#[derive(Debug)]
pub(super) struct RecordedCall {
    pub(super) key: Key,
    /// When it was asked, since the recording began.
    pub(super) asked: Duration,
    /// How long the answer took.
    pub(super) latency: Option<Duration>,
    /// Whether a replay has asked for it.
    pub(super) used: AtomicBool,
    /// `None` if the recording has no answer.
    pub(super) answer: Option<Arc<RecordedAnswer>>,
    /// Whether there was an answer, or may have been, that the recording does not have.
    pub(super) lost: bool,
    /// What the engine said between this request and the next thing that was said.
    pub(super) before: Vec<Push>,
    /// What the engine said between this answer and the next thing that was said.
    pub(super) after: Vec<Push>,
}

/// A recorded answer, its patches applied.
#[derive(Debug)]
pub(super) struct RecordedAnswer {
    /// Whether all of it is UTF-8, once somebody has looked.
    pub(super) is_text: OnceLock<bool>,
    pub(super) body: Body,
    pub(super) lists: Lists,
    /// Members of the frame that the protocol does not know, as written: `,"name":value`.
    pub(super) extra: Bytes,
    /// The id with which the engine answered a request that had none.
    pub(super) id: Option<Bytes>,
}

#[derive(Debug)]
pub(super) enum Body {
    /// The out members: names as written, values.
    Result(Vec<(Bytes, Template)>),
    /// A result that is no object, or none at all.
    Odd(Option<Bytes>),
    Error(Bytes),
}

/// The lists of a frame, by object.
#[derive(Debug, Default)]
pub(super) struct Lists {
    pub(super) changed: Vec<Lineage>,
    pub(super) closed: Vec<Lineage>,
    pub(super) suspended: Vec<Lineage>,
}

/// Something the engine said without being asked.
#[derive(Debug)]
pub(super) struct Push {
    /// The connection that hears it.
    pub(super) tape: usize,
    /// The time since what it is tied to.
    pub(super) since: Duration,
    pub(super) what: Pushed,
}

#[derive(Debug)]
pub(super) enum Pushed {
    /// A frame without handles, or text that is no frame: said again as it was.
    Text(Bytes),
    Binary(Bytes),
    /// A frame that has only lists.
    Lists(Lists),
    /// The engine closed.
    Close(Option<u16>, String),
    /// The connection broke.
    Drop,
}

impl Lists {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.closed.is_empty() && self.suspended.is_empty()
    }

    /// Adds what another has and this one has not.
    pub(super) fn join(&mut self, other: &Self, keep: impl Fn(&Lineage) -> bool) {
        let lists = [
            (&mut self.changed, &other.changed),
            (&mut self.closed, &other.closed),
            (&mut self.suspended, &other.suspended),
        ];
        for (own, others) in lists {
            for lineage in others.iter().filter(|lineage| keep(lineage)) {
                if !own.contains(lineage) {
                    own.push(lineage.clone());
                }
            }
        }
    }
}

impl RecordedAnswer {
    /// Returns how many bytes of the result are copied, about.
    pub(super) fn small_size(&self) -> usize {
        match &self.body {
            Body::Result(members) => {
                members.iter().map(|(name, value)| name.len() + value.small_size()).sum()
            }
            Body::Odd(Some(text)) | Body::Error(text) => Text::small_size(text.len()),
            Body::Odd(None) => 0,
        }
    }

    /// Returns what the answer opened, with the references to it.
    pub(super) fn opened(&self) -> impl Iterator<Item = (&Lineage, &Template)> {
        let members = match &self.body {
            Body::Result(members) => &members[..],
            _ => &[],
        };
        members.iter().filter_map(|(_, value)| Some((value.opens()?, value)))
    }
}

impl Tapes {
    /// Replaces the values that clients name as they were replaced in the recording.
    #[must_use]
    pub fn anonymized(mut self, anonymizer: Anonymizer) -> Self {
        self.anonymizer = Some(anonymizer);
        self
    }

    /// Returns what came of a call.
    pub(super) fn outcome(&self, id: CallId) -> Outcome {
        let call = self.call(id);
        match &call.answer {
            Some(answer) => Outcome::Answer(answer.clone()),
            None if call.lost => Outcome::Lost,
            None => Outcome::Unanswered,
        }
    }

    /// Returns what the engine said unasked around a call.
    pub(super) fn pushes(&self, id: CallId, moment: Moment) -> &[Push] {
        let call = self.call(id);
        match moment {
            Moment::Before => &call.before,
            Moment::After => &call.after,
        }
    }

    /// Returns what the engine of a connection said before it was asked anything.
    pub(super) fn greeting(&self, tape: usize) -> &[Push] {
        &self.tapes[tape].greeting
    }

    /// Returns what makes requests equal to this call.
    pub(super) fn key(&self, id: CallId) -> Key {
        self.call(id).key.clone()
    }

    /// Returns how long the answer to a call took, in the recording.
    pub(super) fn latency(&self, id: CallId) -> Option<Duration> {
        self.call(id).latency
    }

    /// Returns how long half of the recorded answers to a method took at most; of all methods if this one has no answer.
    pub(super) fn median_latency(&self, method: &str) -> Duration {
        let medians = self.medians.get_or_init(|| {
            let mut all: HashMap<Box<str>, Vec<Duration>> = HashMap::new();
            for call in self.tapes.iter().flat_map(|tape| &tape.calls) {
                let Some(latency) = call.latency else { continue };
                all.entry(call.key.method.clone()).or_default().push(latency);
                all.entry("".into()).or_default().push(latency);
            }
            let median = |mut times: Vec<Duration>| {
                times.sort_unstable();
                times[times.len() / 2]
            };
            all.into_iter().map(|(method, times)| (method, median(times))).collect()
        });
        medians.get(method).or_else(|| medians.get("")).copied().unwrap_or_default()
    }

    /// Returns the first call of a recorded connection.
    pub(super) fn first_call(&self, tape: usize) -> Option<CallId> {
        (!self.tapes[tape].calls.is_empty()).then_some(CallId { tape, call: 0 })
    }

    /// Notes that a replay has asked for this call.
    pub(super) fn mark_used(&self, id: CallId) {
        self.call(id).used.store(true, Ordering::Relaxed);
    }

    /// Returns the recorded calls that no replay of these tapes has asked for, in recorded order.
    pub fn unused(&self) -> impl Iterator<Item = &Key> {
        let calls = self.tapes.iter().flat_map(|tape| &tape.calls);
        calls.filter(|call| !call.used.load(Ordering::Relaxed)).map(|call| &call.key)
    }

    /// Returns whether the recording shows how an app came to be open on this connection: by a call of its own or of one before.
    pub(super) fn app_was_opened(&self, tape: usize) -> bool {
        self.tapes[..=tape].iter().any(|tape| tape.opens_app)
    }

    /// Returns whether any recorded call is one of this method.
    pub(super) fn has_method(&self, method: &str) -> bool {
        self.tapes.iter().flat_map(|tape| &tape.calls).any(|call| &*call.key.method == method)
    }

    fn call(&self, id: CallId) -> &RecordedCall {
        &self.tapes[id.tape].calls[id.call]
    }

    /// Returns how many connections were recorded.
    pub fn connections(&self) -> usize {
        self.tapes.len()
    }

    /// Returns how many requests were recorded.
    pub fn calls(&self) -> usize {
        self.tapes.iter().map(|tape| tape.calls.len()).sum()
    }
}
