//! What was said in a recording, ready to be said again.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use qix_protocol::Lineage;

use super::{Key, UnusedCalls, masks::Masks, template::Template};
use crate::{record::Redaction, scrub::Anonymizer};

/// All that a recording can answer.
#[derive(Debug, Default)]
pub struct Tapes {
    pub(super) tapes: Vec<Tape>,
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
    /// Whether a replay has added the connection, because it needed answers that the recording did not have.
    pub(super) added: bool,
    /// What the engine said before the client said anything.
    pub(super) greeting: Vec<Push>,
    pub(super) calls: Vec<RecordedCall>,
    pub(super) by_key: HashMap<Key, Vec<usize>>,
}

/// One recorded request and what came of it.
#[derive(Debug)]
pub(super) struct RecordedCall {
    pub(super) key: Key,
    /// `None` if the recording has no answer.
    pub(super) answer: Option<Arc<RecordedAnswer>>,
    /// Whether there was an answer, or may have been, that the recording does not have.
    pub(super) lost: bool,
    /// What the engine said between this request and the next thing that was said.
    pub(super) before: Vec<Push>,
    /// What the engine said between this answer and the next thing that was said.
    pub(super) after: Vec<Push>,
    /// Whether somebody has asked for it.
    pub(super) used: AtomicBool,
}

/// A recorded answer, its patches applied.
#[derive(Debug)]
pub(super) struct RecordedAnswer {
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

    /// Notes that somebody has asked for a call.
    pub(super) fn use_up(&self, id: CallId) {
        self.call(id).used.store(true, Ordering::Relaxed);
    }

    /// Returns the recorded calls that nobody has asked for so far, in recorded order. What an upstream has added to the
    /// recording counts only if no equal call was asked for.
    pub fn unused(&self) -> Vec<UnusedCalls> {
        let calls = || self.tapes.iter().flat_map(|tape| tape.calls.iter().map(move |call| (tape, call)));
        let is_used = |call: &RecordedCall| call.used.load(Ordering::Relaxed);
        let used: HashSet<&Key> =
            calls().filter(|(_, call)| is_used(call)).map(|(_, call)| &call.key).collect();
        let is_needless = |tape: &Tape, call: &RecordedCall| tape.added && used.contains(&call.key);
        let unused = calls()
            .filter(|(tape, call)| !is_used(call) && !is_needless(tape, call))
            .map(|(_, call)| call.key.clone());
        UnusedCalls::grouped(unused)
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
