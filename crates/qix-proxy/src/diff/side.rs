//! The calls of one of the two recordings.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    path::Path,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use memchr::memmem;
use qix_protocol::{
    EngineError, Handle,
    frame::{
        Raw, elements,
        engine::{Frame, Kind},
        members,
    },
    references,
};

use super::{
    keys::{Keys, number},
    labels::Labels,
};
use crate::{
    calls::{Answered, Asked, Calls, Step},
    compare::{Uuid, is_volatile},
    model::{
        self, layout,
        names::{self, Hint, Names, Object},
    },
    record::{self, FrameText, ReadError, RecordingParts, TornTail},
};

/// Of how many objects the columns are known, and of how many patched values what they were.
const MOST: usize = 1 << 16;

/// Of how many out members of an object it is known what they were.
const MOST_OUTS: usize = 256;

/// How many UUIDs of a recording are kept.
const MOST_UUIDS: usize = 1 << 18;

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
    /// What its object is called in all sessions of this recording.
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
    /// What stands for the patched out members of an object, by method and name.
    patched: HashMap<(u64, Handle), HashMap<(String, String), u64>>,
    /// Those in answers, if no results are wanted.
    uuids: HashSet<Uuid>,
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
            uuids: HashSet::new(),
            asked: HashMap::new(),
            over: VecDeque::new(),
            wanted,
        })
    }

    /// Returns the line at the end that was cut, once the end was reached.
    pub(super) fn torn(&self) -> Option<TornTail> {
        self.calls.entries().torn().first().map(|(_, torn)| *torn)
    }

    /// Returns the UUIDs that were found in answers, which is done if no results are wanted.
    pub(super) fn uuids(&mut self) -> HashSet<Uuid> {
        std::mem::take(&mut self.uuids)
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
                self.patched.retain(|(of, _), _| *of != conn);
            }
            Step::Said {
                conn,
                from: record::Side::Engine,
                text: FrameText::Text(text) | FrameText::Binary(text),
                ..
            } => {
                if let Ok(frame) = Frame::parse(&text) {
                    self.closed_objects(conn, &frame.changes.closed);
                }
            }
            Step::Said { .. } | Step::Other(_) => {}
        }
    }

    fn closed_objects(&mut self, conn: u64, handles: &[Handle]) {
        self.keys.closed_objects(conn, handles);
        for handle in handles {
            self.names.entry(conn).or_default().closed(*handle);
            self.labels.remove(&(conn, *handle));
            self.patched.remove(&(conn, *handle));
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
        for reference in plain.into_iter().flat_map(references) {
            let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
            names.opened(&reference, &params.map(Hint::new).unwrap_or_default());
        }
        let frame = Raw::new(&answered.text).ok();
        if let Some(layout) = frame.and_then(|frame| layout(&asked.method, plain, frame)) {
            if let Some(title) = names::title(layout) {
                names.titled(asked.handle, &title);
            }
            let place = (asked.conn, asked.handle);
            if (self.labels.len() < MOST || self.labels.contains_key(&place))
                && let Some(labels) = Labels::of(layout)
            {
                self.labels.insert(place, Arc::new(labels));
            }
        }
        if self.wanted.is_empty() && self.uuids.len() < MOST_UUIDS {
            self.uuids.extend(Uuid::all_in(&answered.text));
        }
        let has_handles = |text: &[u8]| memmem::find(text, b"\"qHandle\"").is_some();
        let has_handles = has_handles(&answered.text) || answered.result.as_deref().is_some_and(has_handles);
        let print = self.print(answered).filter(|_| !has_handles).unwrap_or(UNKNOWN);
        let outcome = match (&answered.error, &answered.fault) {
            (Some(error), _) => Outcome::Error(error.clone()),
            (_, Some(_)) => Outcome::Unreadable,
            _ if self.wanted.binary_search(&asked.seq).is_err() => Outcome::Result(None),
            _ => {
                let result = answered.result.clone().unwrap_or_else(|| Bytes::from_static(b"{}"));
                Outcome::Result(Some(if has_handles {
                    self.keys.without_handles(asked.conn, &result)
                } else {
                    result
                }))
            }
        };
        self.over(asked, Some(answered.latency()), print, outcome);
        self.closed_objects(asked.conn, &answered.changes.closed);
    }

    /// Returns what stands for an answer, if that is known. The same patches to an equal value give an equal one; none change nothing, and
    /// one of the whole value stands for that value, whatever it was.
    fn print(&mut self, answered: &Answered) -> Option<u64> {
        let asked = &answered.asked;
        if let Some(error) = &answered.error {
            return Some(number(&("error", error.code.get())));
        }
        let Ok(Frame { kind: Kind::Response(response), .. }) = Frame::parse(&answered.text) else {
            return None;
        };
        let place = (asked.conn, asked.handle);
        if !response.delta {
            if let Some(outs) = self.patched.get_mut(&place) {
                outs.retain(|(method, _), _| *method != asked.method);
            }
            let result = response.result.map_or(&b"{}"[..], |result| result.as_bytes());
            return Some(number(result)).filter(|_| answered.fault.is_none());
        }
        if self.patched.len() >= MOST && !self.patched.contains_key(&place) {
            return None;
        }
        let outs = self.patched.entry(place).or_default();
        let mut print = 0;
        for (name, patches) in response.result.into_iter().flat_map(members) {
            let place = (asked.method.clone(), name.into_owned());
            let before = outs.get(&place).copied();
            let out = match (whole(patches), before) {
                (Some(value), _) => number(value.as_bytes()),
                (None, Some(before)) if elements(patches).next().is_none() => before,
                (None, before) => number(&(before, patches.as_bytes())),
            };
            if outs.len() >= MOST_OUTS && before.is_none() {
                return None;
            }
            print = number(&(print, &*place.1, out));
            outs.insert(place, out);
        }
        Some(print).filter(|_| answered.fault.is_none())
    }

    /// Returns the columns that a call is about, which is asked for wanted results only.
    fn labels_of(&self, asked: &Asked) -> Option<Arc<Labels>> {
        let labels = self.labels.get(&(asked.conn, asked.handle))?;
        let are_meant = self.wanted.binary_search(&asked.seq).is_ok()
            && asked.params.as_deref().is_some_and(|params| labels.are_meant(params));
        are_meant.then(|| labels.clone())
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
            labels: self.labels_of(asked),
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

/// Returns the value that patches put in the place of the whole, if they do that and nothing else.
fn whole(patches: Raw<'_>) -> Option<Raw<'_>> {
    if elements(patches).nth(1).is_some() { None } else { model::whole(patches) }
}
