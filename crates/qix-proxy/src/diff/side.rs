//! The calls of one of the two recordings.

use std::{
    collections::{HashMap, VecDeque},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{
    EngineError, Handle,
    frame::{
        Raw,
        engine::{Frame, Kind},
    },
    references,
};

use super::{
    keys::{Keys, number},
    labels::Labels,
};
use crate::{
    calls::{Answered, Asked, Calls, Step},
    compare::is_volatile,
    model::{
        layout,
        names::{self, Hint, Names, Object},
    },
    record::{ReadError, RecordingParts, TornTail},
};

/// Of how many objects the columns are known, and of how many patched values what they were.
const MOST: usize = 1 << 16;

/// After how many steps it is told how far it is.
const STEPS: u32 = 512;

/// What is compared in any case, whatever it looks like.
pub(super) const UNKNOWN: u64 = 0;

/// A call that is over.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) seq: u64,
    /// What it is called in both recordings; equal calls have the same.
    pub(super) key: u64,
    /// What its object is called in both recordings.
    pub(super) object_key: u64,
    pub(super) object: Arc<Object>,
    pub(super) class: String,
    pub(super) method: String,
    pub(super) params: Option<Bytes>,
    pub(super) labels: Option<Arc<Labels>>,
    /// Equal if the answers are; [`UNKNOWN`] if that is to be found out.
    pub(super) print: u64,
    pub(super) latency: Option<Duration>,
    pub(super) outcome: Outcome,
}

/// What became of a call.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// The result, if it is wanted, with names instead of handles.
    Result(Option<Bytes>),
    Error(EngineError),
    /// The answer's patches cannot be applied.
    Unreadable,
    Unanswered,
}

/// Is told now and then how many more bytes were read, of either side.
pub(super) type Progress<'p> = &'p (dyn Fn(u64) + Sync);

/// Goes through the calls of a recording in the order in which they ended.
pub(super) struct Side<'p> {
    calls: Calls<RecordingParts>,
    progress: Progress<'p>,
    /// How many bytes were told of, and how many steps were taken since.
    told: (u64, u32),
    keys: Keys,
    names: HashMap<u64, Names>,
    labels: HashMap<(u64, Handle), Arc<Labels>>,
    /// What stands for the patched value of a method of an object.
    patched: HashMap<(u64, Handle, String), u64>,
    asked: HashMap<u64, (u64, u64)>,
    over: VecDeque<Seen>,
    wanted: Vec<u64>,
}

impl<'p> Side<'p> {
    /// Opens a recording; results are told of the `wanted` requests, which are in ascending order.
    pub(super) fn open(
        path: &Path,
        apps: &[(String, String)],
        wanted: Vec<u64>,
        progress: Progress<'p>,
    ) -> Result<Self, ReadError> {
        Ok(Self {
            calls: Calls::new(RecordingParts::open([path])?).patched_results_of(wanted.clone()),
            progress,
            told: (0, 0),
            keys: Keys::new(apps),
            names: HashMap::new(),
            labels: HashMap::new(),
            patched: HashMap::new(),
            asked: HashMap::new(),
            over: VecDeque::new(),
            wanted,
        })
    }

    /// Returns the line at the end that was cut, once the end was reached.
    pub(super) fn torn(&self) -> Option<TornTail> {
        self.calls.entries().torn().first().map(|(_, torn)| *torn)
    }

    fn tell(&mut self) {
        let position = self.calls.entries().position();
        (self.progress)(position.saturating_sub(self.told.0));
        self.told = (position, 0);
    }

    fn step(&mut self, step: Step) {
        self.told.1 += 1;
        if self.told.1 >= STEPS {
            self.tell();
        }
        for asked in self.calls.given_up().to_vec() {
            self.unanswered(&asked);
        }
        match step {
            Step::Opened { conn, opening, .. } => self.keys.opened(conn, &opening),
            Step::Asked(asked) => {
                let keys = self.keys.asked(&asked);
                self.asked.insert(asked.seq, keys);
            }
            Step::Answered(answered) => self.answered(&answered),
            Step::Closed { conn, unanswered, .. } => {
                unanswered.iter().for_each(|asked| self.unanswered(asked));
                self.keys.closed(conn);
                self.names.remove(&conn);
                self.labels.retain(|(of, _), _| *of != conn);
                self.patched.retain(|(of, ..), _| *of != conn);
            }
            Step::Said { .. } | Step::Other(_) => {}
        }
    }

    fn unanswered(&mut self, asked: &Arc<Asked>) {
        self.keys.unanswered(asked);
        self.over(asked, None, UNKNOWN, Outcome::Unanswered);
    }

    fn answered(&mut self, answered: &Answered) {
        let asked = &answered.asked;
        self.keys.answered(answered);
        let names = self.names.entry(asked.conn).or_default();
        let plain = answered.result.as_deref().and_then(|result| Raw::new(result).ok());
        if let Some(plain) = plain.filter(|_| !answered.opened.is_empty()) {
            let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
            let hint = params.map(Hint::new).unwrap_or_default();
            references(plain).for_each(|reference| names.opened(&reference, &hint));
        }
        let frame = Raw::new(&answered.text).ok();
        if let Some(layout) = frame.and_then(|frame| layout(&asked.method, plain, frame)) {
            if let Some(title) = names::title(layout) {
                names.titled(asked.handle, &title);
            }
            if let Some(labels) = Labels::of(layout).filter(|_| self.labels.len() < MOST) {
                self.labels.insert((asked.conn, asked.handle), Arc::new(labels));
            }
        }
        let print = self.print(answered);
        let outcome = match (&answered.error, &answered.fault) {
            (Some(error), _) => Outcome::Error(error.clone()),
            (_, Some(_)) => Outcome::Unreadable,
            _ if self.wanted.binary_search(&asked.seq).is_err() => Outcome::Result(None),
            _ => {
                let result = answered.result.clone().unwrap_or_else(|| Bytes::from_static(b"{}"));
                let opens = !answered.opened.is_empty();
                Outcome::Result(Some(if opens {
                    self.keys.without_handles(asked.conn, &result)
                } else {
                    result
                }))
            }
        };
        self.over(asked, Some(answered.latency()), print, outcome);
        for handle in &answered.changes.closed {
            self.names.entry(asked.conn).or_default().closed(*handle);
            self.labels.remove(&(asked.conn, *handle));
        }
    }

    /// Returns what stands for an answer. Patches to an equal value give an equal one.
    fn print(&mut self, answered: &Answered) -> u64 {
        let asked = &answered.asked;
        if let Some(error) = &answered.error {
            return number(&("error", error.code.get()));
        }
        let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(&answered.text) else {
            return UNKNOWN;
        };
        let place = (asked.conn, asked.handle, asked.method.clone());
        let result = response.result.map_or(&b"{}"[..], |result| result.as_bytes());
        let mut print = number(result);
        if response.delta {
            let before = self.patched.get(&place).copied();
            print = number(&(before, print));
            if before.is_some() || self.patched.len() < MOST {
                self.patched.insert(place, print);
            } else {
                print = UNKNOWN;
            }
        } else {
            self.patched.remove(&place);
        }
        if answered.opened.is_empty() && answered.fault.is_none() { print } else { UNKNOWN }
    }

    fn over(&mut self, asked: &Arc<Asked>, latency: Option<Duration>, print: u64, outcome: Outcome) {
        let Some((key, object_key)) = self.asked.remove(&asked.seq) else { return };
        // How often one asks how far something is, is a matter of time.
        if is_volatile(&asked.method, &[""; 0]) {
            return;
        }
        self.over.push_back(Seen {
            seq: asked.seq,
            key,
            object_key,
            object: self.names.entry(asked.conn).or_default().get(asked.handle),
            class: asked.class().to_owned(),
            method: asked.method.clone(),
            params: asked.params.clone(),
            labels: self.labels.get(&(asked.conn, asked.handle)).cloned(),
            print,
            latency,
            outcome,
        });
    }
}

impl Iterator for Side<'_> {
    type Item = Result<Seen, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(seen) = self.over.pop_front() {
                return Some(Ok(seen));
            }
            match self.calls.next() {
                Some(Ok(step)) => self.step(step),
                Some(Err(error)) => return Some(Err(error)),
                None => {
                    self.tell();
                    return None;
                }
            }
        }
    }
}
