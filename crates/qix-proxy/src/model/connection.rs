//! One connection: what is open, what is unanswered, what may have made what change.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::BuildHasher,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{ChangeSet, Effect, Handle, Lineage, SessionState, frame::Raw, references};

use super::{
    Call, Change, Event, Fetch, Object,
    names::{self, Hint, Names},
    reload::Running,
};
use crate::{
    calls::Answered,
    record::{Opening, Redaction},
};

/// The most objects of one connection that are followed.
const MOST_OBJECTS: usize = 100_000;
/// Of how many different questions to the objects of one connection is known when they were asked last.
const MOST_QUESTIONS: usize = 1 << 18;
/// The most sessions that a later connection can be found to belong to.
const MOST_SESSIONS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Connection {
    /// The engine's session.
    session: u64,
    /// What a later connection to the same session has too.
    place: String,
    names: Names,
    open: HashMap<Handle, Slot>,
    /// How many questions are known of open objects.
    questions: usize,
    pending: HashMap<u64, Pending>,
    /// Calls with a progress, by their number.
    running: BTreeMap<u64, (Option<Bytes>, Running)>,
    /// Unanswered calls that may change something.
    writes: BTreeSet<u64>,
    /// The latest that was answered.
    written: Option<u64>,
}

#[derive(Debug)]
struct Slot {
    object: Arc<Object>,
    /// The message that opened it, which says that it has changed, too.
    born: u64,
    /// How often it has changed.
    version: u64,
    /// What made it change last.
    by: Option<u64>,
    /// At which version a question was asked last, by its hash.
    asked: HashMap<u64, u64>,
    /// The latest version of which anything was answered.
    answered: Option<u64>,
}

#[derive(Debug)]
struct Pending {
    call: Arc<Call>,
    hint: Hint,
    question: Option<Question>,
}

/// What a call fetches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    hash: u64,
    /// The version of the object when it was asked, and when the same was asked before.
    version: u64,
    before: Option<u64>,
}

/// Which connections share a session.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    latest: u64,
    /// The latest session of a place.
    by_place: HashMap<String, u64>,
}

impl Sessions {
    /// Returns the session of a new connection: its own, until its greeting says more.
    pub(super) fn opened(&mut self) -> u64 {
        self.latest += 1;
        self.latest
    }

    /// Takes in the engine's greeting, and returns the session and whether it was there before.
    pub(super) fn greeted(
        &mut self,
        connection: &mut Connection,
        state: Option<&str>,
    ) -> (u64, Option<bool>) {
        let attached = match state.map(SessionState::new) {
            Some(SessionState::Attached) => Some(true),
            Some(SessionState::Created) => Some(false),
            _ => None,
        };
        if attached == Some(true)
            && let Some(known) = self.by_place.get(&connection.place)
        {
            connection.session = *known;
        } else if attached.is_some()
            && let Some(latest) = self.by_place.get_mut(&connection.place)
        {
            *latest = connection.session;
        } else if attached.is_some() && self.by_place.len() < MOST_SESSIONS {
            self.by_place.insert(connection.place.clone(), connection.session);
        }
        (connection.session, attached)
    }
}

impl Connection {
    pub(super) fn new(session: u64, opening: &Opening, redaction: &Redaction) -> Self {
        let host = opening.request.iter().find(|(name, _)| name == "host").map_or("", |(_, value)| value);
        let path = opening.url.split('?').next().unwrap_or_default();
        Self {
            session,
            place: format!("{host}{path}"),
            names: Names::redacted(redaction.clone()),
            open: HashMap::new(),
            questions: 0,
            pending: HashMap::new(),
            running: BTreeMap::new(),
            writes: BTreeSet::new(),
            written: None,
        }
    }

    /// Returns the object behind a handle; one that nobody was seen to open is told of now.
    pub(super) fn object(
        &mut self,
        conn: u64,
        handle: Handle,
        objects: &mut u64,
        tell: &mut dyn FnMut(Event),
    ) -> Arc<Object> {
        if let Some(slot) = self.open.get(&handle) {
            return Arc::clone(&slot.object);
        }
        *objects += 1;
        let object = Object::unknown(*objects, conn, handle, &self.names.get(handle));
        self.insert(handle, 0, Arc::clone(&object));
        tell(Event::Object(Arc::clone(&object)));
        object
    }

    /// Returns an object as it is called now; as it was, if it is closed.
    pub(super) fn latest(&self, object: &Arc<Object>) -> Arc<Object> {
        let slot = self.open.get(&object.handle).filter(|slot| slot.object.number == object.number);
        Arc::clone(slot.map_or(object, |slot| &slot.object))
    }

    fn insert(&mut self, handle: Handle, born: u64, object: Arc<Object>) {
        if self.open.len() < MOST_OBJECTS {
            self.open.insert(
                handle,
                Slot { object, born, version: 0, by: None, asked: HashMap::new(), answered: None },
            );
        }
    }

    /// Returns why a call fetches what it fetches, and what that is, if it does.
    pub(super) fn fetch(
        &mut self,
        handle: Handle,
        method: &str,
        params: Option<&[u8]>,
    ) -> Option<(Fetch, Question)> {
        let fetches =
            matches!(method, "GetLayout" | "GetAppLayout" | "GetProperties" | "GetEffectiveProperties")
                || method.starts_with("GetHyperCube")
                || method.starts_with("GetListObject");
        if !fetches {
            return None;
        }
        let hash = foldhash::fast::FixedState::default().hash_one((method, params));
        let Some(slot) = self.open.get_mut(&handle) else {
            return Some((Fetch::First, Question { hash, version: 0, before: None }));
        };
        let before = slot.asked.get(&hash).copied();
        if before.is_some() || self.questions < MOST_QUESTIONS {
            slot.asked.insert(hash, slot.version);
            self.questions += usize::from(before.is_none());
        }
        let fetch = match before {
            // Another question about the same object: what it changed by is what made the client ask, unless it has the new state.
            None if slot.answered.is_some_and(|answered| answered < slot.version) => Fetch::Changed(slot.by),
            None => Fetch::First,
            Some(version) if version == slot.version => Fetch::Unchanged,
            Some(_) => Fetch::Changed(slot.by),
        };
        Some((fetch, Question { hash, version: slot.version, before }))
    }

    /// Takes in a call that is to be answered.
    pub(super) fn asked(
        &mut self,
        call: &Arc<Call>,
        id: Option<Bytes>,
        hint: Hint,
        question: Option<Question>,
        running: Option<Running>,
    ) {
        if call.effect > Effect::Reads {
            self.writes.insert(call.seq);
        }
        if let Some(running) = running {
            self.running.insert(call.seq, (id, running));
        }
        self.pending.insert(call.seq, Pending { call: Arc::clone(call), hint, question });
    }

    /// Takes out a call that was answered, with data or without, or will not be.
    pub(super) fn answered(&mut self, seq: u64, has_data: bool) -> Option<(Arc<Call>, Hint)> {
        if self.writes.remove(&seq) {
            self.written = Some(seq);
        }
        self.running.remove(&seq);
        let Pending { call, hint, question } = self.pending.remove(&seq)?;
        let slot = self.open.get_mut(&call.object.handle);
        if let (Some(question), Some(slot)) =
            (question, slot.filter(|slot| slot.object.number == call.object.number))
        {
            if has_data {
                slot.answered = slot.answered.max(Some(question.version));
                if let Some(known) = slot.asked.get_mut(&question.hash) {
                    *known = question.version.max(*known);
                }
            } else if slot.asked.get(&question.hash) == Some(&question.version) {
                // Who asks again has nothing of this version that could have stayed as it was.
                match question.before {
                    Some(before) => {
                        slot.asked.insert(question.hash, before);
                    }
                    None => {
                        slot.asked.remove(&question.hash);
                        self.questions -= 1;
                    }
                }
            }
        }
        Some((call, hint))
    }

    /// Returns the call in flight that a `GetProgress` is about.
    pub(super) fn running(&mut self, about: Option<&Bytes>) -> Option<&mut Running> {
        // 0 asks for whatever runs.
        let any = about.is_none_or(|about| &**about == b"0");
        let mut running = self.running.values_mut();
        running.find(|(id, _)| any || id.as_ref() == about).map(|(_, running)| running)
    }

    /// Takes in the objects that a call has opened, and returns their numbers.
    pub(super) fn opened(
        &mut self,
        call: &Call,
        answered: &Answered,
        plain: Raw<'_>,
        hint: &Hint,
        objects: &mut u64,
        tell: &mut dyn FnMut(Event),
    ) -> Vec<u64> {
        for reference in references(plain) {
            self.names.opened(&reference, hint);
        }
        let mut numbers = Vec::new();
        for (handle, lineage) in &answered.opened {
            let name = self.names.get(*handle);
            if let Some(slot) = self.open.get_mut(handle) {
                numbers.push(slot.object.number);
                let is_news =
                    lineage.is_some() || (&slot.object.kind, &slot.object.id) != (&name.kind, &name.id);
                if slot.object.lineage.is_none() && is_news {
                    // It was used before anybody saw it opened: this says what it is.
                    let object = Arc::make_mut(&mut slot.object);
                    (object.kind, object.id) = (name.kind.clone(), name.id.clone());
                    object.lineage.clone_from(lineage);
                    tell(Event::Object(Arc::clone(&slot.object)));
                }
                continue;
            }
            *objects += 1;
            let object = Arc::new(Object {
                number: *objects,
                conn: call.conn,
                handle: *handle,
                lineage: lineage.clone(),
                kind: name.kind.clone(),
                id: name.id.clone(),
                title: name.title.clone(),
                opened: answered.at,
                by: Some(call.seq),
                is_session_object: lineage
                    .as_ref()
                    .map_or(&*call.method, Lineage::method)
                    .starts_with("CreateSession"),
            });
            numbers.push(object.number);
            self.insert(*handle, answered.seq, Arc::clone(&object));
            tell(Event::Object(object));
        }
        numbers
    }

    /// Takes in a title that an object's layout or properties tell.
    pub(super) fn titled(&mut self, handle: Handle, title: &str, tell: &mut dyn FnMut(Event)) {
        self.names.titled(handle, title);
        let title = names::shown(title);
        if let Some(slot) = self.open.get_mut(&handle)
            && !title.is_empty()
            && slot.object.title != title
        {
            Arc::make_mut(&mut slot.object).title = title;
            tell(Event::Object(Arc::clone(&slot.object)));
        }
    }

    /// Takes in what a message says about handles. `by` is the call that it answers, if that may change something.
    pub(super) fn changes(
        &mut self,
        conn: u64,
        (seq, at): (u64, Duration),
        changes: &ChangeSet,
        by: Option<u64>,
        tell: &mut dyn FnMut(Event),
    ) {
        let by = by.or_else(|| self.writes.last().copied()).or(self.written);
        for (handles, is_suspended) in [(&changes.changed, false), (&changes.suspended, true)] {
            let mut objects = Vec::new();
            for handle in handles {
                // Nobody has anything yet of what is opened by the same message.
                if let Some(slot) = self.open.get_mut(handle).filter(|slot| slot.born != seq) {
                    (slot.version, slot.by) = (slot.version + 1, by);
                    objects.push(slot.object.number);
                }
            }
            if !objects.is_empty() {
                tell(Event::Changed(Change { seq, conn, at, by, objects, is_suspended }));
            }
        }
        let mut closed = Vec::new();
        for handle in &changes.closed {
            self.names.closed(*handle);
            if let Some(slot) = self.open.remove(handle) {
                self.questions -= slot.asked.len();
                closed.push(slot.object.number);
            }
        }
        if !closed.is_empty() {
            tell(Event::Closed { at, objects: closed });
        }
    }

    /// Returns the numbers of all open objects, in their order.
    pub(super) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<_> = self.open.values().map(|slot| slot.object.number).collect();
        numbers.sort_unstable();
        numbers
    }
}
