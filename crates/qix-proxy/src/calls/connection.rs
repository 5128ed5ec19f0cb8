//! One recorded connection: what is open, what is unanswered.

use std::{
    collections::{BTreeMap, HashMap, VecDeque, hash_map},
    sync::Arc,
};

use bytes::Bytes;
use qix_protocol::{
    Handle, Lineages, ObjectReference, Tree,
    delta::Baselines,
    frame::{
        Raw,
        client::Request,
        elements,
        engine::{Frame, Kind, Response},
        members,
    },
    references,
};

use super::{Answered, Asked, errors::has_error};
use crate::record::Entry;

/// How many requests without id wait for an answer: most engines give them none.
const MOST_WITHOUT_ID: usize = 256;

/// How many requests wait for an answer, and how many bytes they have together. A client waits for far fewer; more come of answers
/// that are missing, or of an engine that hangs.
const MOST_UNANSWERED: (usize, usize) = (1 << 14, 64 << 20);

/// Of how many objects is kept what they are called.
const MOST_OBJECTS: usize = 1 << 18;

/// How much the values that patches are about may take on one connection, in bytes.
const BASELINES: usize = Baselines::DEFAULT_LIMIT / 2;

#[derive(Debug)]
pub(super) struct Connection {
    lineages: Lineages,
    objects: HashMap<Handle, Arc<ObjectReference>>,
    baselines: Baselines,
    /// Requests without answer, by the number of their entry, so that the oldest comes first.
    unanswered: BTreeMap<u64, Arc<Asked>>,
    /// The same by id; those without are under an empty one.
    by_id: HashMap<Bytes, VecDeque<u64>>,
    /// How many bytes they have.
    bytes: usize,
    /// The number of the last entry behind which messages are missing: requests up to it may have been answered unseen.
    missed: u64,
    /// The number of the latest entry.
    latest: u64,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            lineages: Lineages::default(),
            objects: HashMap::new(),
            baselines: Baselines::new(BASELINES),
            unanswered: BTreeMap::new(),
            by_id: HashMap::new(),
            bytes: 0,
            missed: 0,
            latest: 0,
        }
    }

    /// Takes in what the client said; `None` if it is no request. Requests that no longer wait because of it go to `given_up`.
    pub(super) fn asked(
        &mut self,
        entry: &Entry,
        conn: u64,
        text: &Bytes,
        given_up: &mut Vec<Arc<Asked>>,
    ) -> Option<Arc<Asked>> {
        self.latest = entry.seq;
        let request = Request::parse(text).ok()?;
        let occurrence = self.lineages.requested(request.handle, &request.method, request.params);
        let asked = Arc::new(Asked {
            seq: entry.seq,
            conn,
            at: entry.at,
            id: request.id.map(|id| text.slice_ref(id.as_bytes())),
            handle: request.handle,
            lineage: self.lineages.get(request.handle).cloned(),
            object: self.objects.get(&request.handle).cloned(),
            method: request.method.into_owned(),
            params: request.params.map(|params| text.slice_ref(params.as_bytes())),
            delta: request.delta,
            text: text.clone(),
            occurrence,
        });
        self.bytes += text.len();
        let id = asked.id.clone().unwrap_or_default();
        while let Some(oldest) = self.by_id.get(&id).and_then(|same| same.front().copied())
            && oldest <= self.missed
            && let Some(asked) = self.remove(oldest)
        {
            // A client that uses the id again has the answer, which the recording misses.
            given_up.push(asked);
        }
        let same = self.by_id.entry(id).or_default();
        same.push_back(asked.seq);
        let oldest =
            if asked.id.is_none() && same.len() > MOST_WITHOUT_ID { same.front().copied() } else { None };
        self.unanswered.insert(asked.seq, asked.clone());
        given_up.extend(oldest.and_then(|oldest| self.remove(oldest)));
        while (self.unanswered.len() > MOST_UNANSWERED.0 || self.bytes > MOST_UNANSWERED.1)
            && let Some(oldest) = self.unanswered.first_key_value().map(|(seq, _)| *seq)
            && oldest != asked.seq
        {
            given_up.extend(self.remove(oldest));
        }
        Some(asked)
    }

    /// Takes in what the engine said; `None` if it is no answer to a request. Patched results are kept if they are wanted of the request with that number.
    pub(super) fn said(
        &mut self,
        entry: &Entry,
        text: &Bytes,
        wants: impl Fn(u64) -> bool,
    ) -> Option<Answered> {
        self.latest = entry.seq;
        let Frame { kind, changes } = Frame::parse(text).ok()?;
        let answered = match kind {
            Kind::Response(response) => {
                let asked = self.take(&response);
                if asked.is_none() && response.delta {
                    // It is not known which values it has changed.
                    self.baselines.clear();
                }
                asked.map(|asked| {
                    let mut answered = Answered {
                        asked,
                        seq: entry.seq,
                        at: entry.at,
                        began: entry.began,
                        bytes: text.len() as u64,
                        error: response.error.clone(),
                        result: None,
                        opened: Vec::new(),
                        changes: changes.clone(),
                        fault: None,
                        text: text.clone(),
                    };
                    if answered.error.is_none() {
                        let results = wants(answered.asked.seq);
                        self.read(&mut answered, &response, text, results);
                    }
                    answered
                })
            }
            _ => None,
        };
        for handle in changes.closed {
            self.lineages.closed(handle);
            self.baselines.closed(handle);
            self.objects.remove(&handle);
        }
        answered
    }

    /// Takes out all requests that were not answered.
    pub(super) fn unanswered(&mut self) -> Vec<Arc<Asked>> {
        self.bytes = 0;
        self.by_id.clear();
        std::mem::take(&mut self.unanswered).into_values().collect()
    }

    /// Returns how much memory the values that patches are about take, in bytes.
    pub(super) fn footprint(&self) -> usize {
        self.baselines.footprint()
    }

    /// Returns the number of the latest entry.
    pub(super) fn latest(&self) -> u64 {
        self.latest
    }

    /// Forgets the values that patches are about.
    pub(super) fn forget(&mut self) {
        self.baselines.clear();
    }

    /// Forgets what depends on messages that are missing.
    pub(super) fn gap(&mut self) {
        self.baselines.clear();
        self.missed = self.latest;
    }

    /// Takes out the oldest request that the response can belong to. Ids may repeat or be missing; a request without one may be
    /// answered with 0.
    fn take(&mut self, response: &Response<'_>) -> Option<Arc<Asked>> {
        let id = response.id.map(|id| id.as_bytes()).unwrap_or_default();
        let oldest = |id: &[u8]| self.by_id.get(id).and_then(VecDeque::front).copied();
        let oldest = oldest(id).or_else(|| if id == b"0" { oldest(b"") } else { None })?;
        self.remove(oldest)
    }

    /// Takes out a request.
    fn remove(&mut self, seq: u64) -> Option<Arc<Asked>> {
        let asked = self.unanswered.remove(&seq)?;
        self.bytes -= asked.text.len();
        if let hash_map::Entry::Occupied(mut same) = self.by_id.entry(asked.id.clone().unwrap_or_default()) {
            // Always the oldest goes, which is the first unless the numbers of entries go back.
            if same.get().front() == Some(&seq) {
                same.get_mut().pop_front();
            } else {
                same.get_mut().retain(|other| *other != seq);
            }
            if same.get().is_empty() {
                same.remove();
            }
        }
        Some(asked)
    }

    fn read(&mut self, answered: &mut Answered, response: &Response<'_>, text: &Bytes, results: bool) {
        let asked = answered.asked.clone();
        let Some(result) = response.result else { return };
        let plain = if response.delta {
            match self.baselines.apply(asked.handle, &asked.method, result) {
                Ok(plain)
                    if !results
                        && !plain.members().any(|(_, out)| is_telling(&asked.method, out))
                        && !has_new_title(&asked.method, result) =>
                {
                    return;
                }
                Ok(plain) => Bytes::from(plain.to_string()),
                Err(fault) => {
                    answered.fault = Some(fault.to_string());
                    return;
                }
            }
        } else {
            self.baselines.plain_answer(asked.handle, &asked.method);
            text.slice_ref(result.as_bytes())
        };
        if let Ok(plain) = Raw::new(&plain) {
            self.open(answered, &asked, plain);
        }
        answered.result = Some(plain);
    }

    fn open(&mut self, answered: &mut Answered, asked: &Asked, plain: Raw<'_>) {
        let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
        for reference in references(plain) {
            let Some(handle) = reference.handle.filter(|handle| *handle != Handle::GLOBAL) else { continue };
            self.lineages.opened(&reference, asked.handle, &asked.method, params, asked.occurrence);
            // What is open already is the same object, and may be said anew because it was renamed.
            if self.objects.len() < MOST_OBJECTS || self.objects.contains_key(&handle) {
                self.objects.insert(handle, Arc::new(reference));
            }
            answered.opened.push((handle, self.lineages.get(handle).cloned()));
        }
    }
}

/// Returns whether views want to know an out member even where results are not wanted: what opens objects, refuses, says what is
/// selected or how far a reload is, or has an error in it.
fn is_telling(method: &str, out: &Tree) -> bool {
    matches!(method, "GetProgress" | "DoReload" | "DoReloadEx")
        || out.member("qHandle").is_some()
        || out.member("qSelectionObject").is_some()
        || out.as_bool() == Some(false)
        || out.member("qApplySuccess").is_some()
        || has_error(out)
}

/// Returns whether the patches of a layout or of properties are about a title. All of a value has its title where it is.
fn has_new_title(method: &str, patches: Raw<'_>) -> bool {
    let is_title = |path: &[u8]| path.ends_with(b"/title\"") || path.ends_with(b"/qTitle\"");
    matches!(method, "GetLayout" | "GetAppLayout" | "GetProperties" | "GetEffectiveProperties")
        && members(patches)
            .flat_map(|(_, patches)| elements(patches))
            .any(|patch| patch.member("path").is_some_and(|path| is_title(path.as_bytes())))
}
