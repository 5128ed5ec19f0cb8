//! Takes in events and counts.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use qix_protocol::{Effect, Lineage};
use qix_transport::printable;

use super::tally::Tally;
use crate::{
    filter::Filter,
    model::{Call, Event, Fetch, Object},
    show::{facts, facts_of_exchange},
};

/// The most objects and methods that are counted apart; later ones are counted together.
const MOST_OBJECTS: usize = 100_000;
const MOST_METHODS: usize = 10_000;
/// What those beyond that are called.
const OTHER_OBJECTS: &str = "other objects";
const OTHER_METHODS: &str = "other methods";

/// What a recording comes to.
#[derive(Debug)]
pub(crate) struct Stats {
    filter: Filter,
    slowest_wanted: usize,
    pub(super) methods: HashMap<Arc<str>, Tally>,
    pub(super) objects: HashMap<Key, Counted>,
    /// How objects came to be that were counted before that was known, by their numbers.
    learned: HashMap<u64, Lineage>,
    slowest: BinaryHeap<Reverse<Slow>>,
    pub(super) sockets: Sockets,
    pub(super) changes: Changes,
    /// When the first call was made and the last was answered.
    pub(super) time: Option<(Duration, Duration)>,
    /// Messages of engines that were too large to be recorded.
    pub(super) omitted: u64,
}

/// What makes objects the same.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    /// How the object came to be.
    Lineage(Lineage),
    /// Its number, if that is not known.
    Number(u64),
    /// That there are too many others.
    Others,
}

/// The calls of an object.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// What it was called last.
    pub(super) name: String,
    has_title: bool,
    pub(super) tally: Tally,
}

impl Counted {
    /// Takes in what the object is called; one that is opened again has no title at first.
    fn named(&mut self, object: &Object) {
        if !self.has_title || !object.title.is_empty() {
            (self.name, self.has_title) = (object.name(), !object.title.is_empty());
        }
    }
}

/// Connections.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) opened: u64,
    pub(super) refused: u64,
    /// Those that the recording does not see the end of.
    pub(super) open: u64,
    /// Those that ended, by code; `None` for those that were cut.
    pub(super) closed: BTreeMap<Option<u16>, u64>,
    /// The most that were open at a time.
    pub(super) most_at_a_time: u64,
    now: u64,
    /// Whether the time that the filter shows has begun.
    has_begun: bool,
}

/// What changes, and what clients make of it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Calls that may change something.
    pub(super) writes: u64,
    /// What engines say of it; `None` if not all calls are counted, to which it could be compared.
    pub(super) pushes: Option<Pushes>,
    /// Fetches of what nobody had asked before, of what has changed, and of what has not.
    pub(super) first: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
}

/// Messages that say that objects have changed.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    pub(super) messages: u64,
    /// Those of which a call is known to have made them so.
    pub(super) caused: u64,
    /// Objects that they name, altogether and at most.
    pub(super) objects: u64,
    pub(super) most: u64,
}

#[derive(Debug)]
pub(super) struct Slow(pub(super) Duration, pub(super) Arc<Call>);

impl Ord for Slow {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Of equally slow ones the first is kept.
        (self.0, Reverse(self.1.seq)).cmp(&(other.0, Reverse(other.1.seq)))
    }
}

impl PartialOrd for Slow {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Slow {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Slow {}

impl Stats {
    /// Starts, for the calls that a filter shows. So many of the slowest are kept.
    pub(crate) fn new(filter: Filter, slowest: usize) -> Self {
        let pushes = filter.is_open().then(Pushes::default);
        Self {
            filter,
            slowest_wanted: slowest,
            methods: HashMap::new(),
            objects: HashMap::new(),
            learned: HashMap::new(),
            slowest: BinaryHeap::new(),
            sockets: Sockets::default(),
            changes: Changes { pushes, ..Changes::default() },
            time: None,
            omitted: 0,
        }
    }

    /// Takes in an event.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Called(called) => {
                let name = called.call.object.name();
                let texts =
                    [Some(&called.body.request), called.body.answer.as_ref(), called.body.result.as_ref()];
                if self.filter.shows(&facts(&called.call, &name))
                    && self.filter.finds(texts.into_iter().flatten().map(|text| &text[..]))
                {
                    self.call(&called.call);
                }
            }
            Event::Exchanged(exchange) => {
                let method = format!("HTTP {}", printable(&exchange.method, 20));
                if self.filter.texts.is_none() && self.filter.shows(&facts_of_exchange(exchange, &method)) {
                    let (sent, bytes) = (exchange.sent, exchange.bytes);
                    self.method(&method.into()).take(
                        Some(exchange.took),
                        sent,
                        bytes,
                        exchange.failure.is_some(),
                    );
                    self.reached(exchange.at, exchange.at + exchange.took);
                }
            }
            Event::Object(object) => {
                if let Some(lineage) = &object.lineage
                    && let Some(before) = self.objects.remove(&Key::Number(object.number))
                {
                    self.learned.insert(object.number, lineage.clone());
                    self.objects.entry(key(object)).or_default().tally.add(before.tally);
                }
                // A title may be learned behind the last call.
                if let Some(counted) = self.objects.get_mut(&key(object)) {
                    counted.named(object);
                }
            }
            Event::Connected(connection) => {
                let covers = self.filter.covers(connection.conn, connection.at);
                if connection.refused.is_some() {
                    self.sockets.refused += u64::from(covers);
                } else {
                    self.sockets.opened += u64::from(covers);
                    self.socket(connection.conn, connection.at, |now| now + 1);
                }
            }
            Event::Disconnected(end) => {
                self.socket(end.conn, end.at, |now| now.saturating_sub(1));
                let covers = self.filter.covers(end.conn, end.at);
                if end.is_open {
                    self.sockets.open += u64::from(covers);
                } else if covers {
                    // A close frame without a code counts as 1005.
                    let code = end.clean.then_some(end.code.unwrap_or(1005));
                    *self.sockets.closed.entry(code).or_default() += 1;
                }
            }
            Event::Changed(change) if !change.is_suspended && self.filter.covers(change.conn, change.at) => {
                if let Some(pushes) = &mut self.changes.pushes {
                    let count = change.objects.len() as u64;
                    pushes.messages += 1;
                    pushes.caused += u64::from(change.by.is_some());
                    pushes.objects += count;
                    pushes.most = pushes.most.max(count);
                }
            }
            Event::Notice(notice) if notice.is_omitted_answer => {
                self.omitted += u64::from(self.filter.covers(notice.conn.unwrap_or_default(), notice.at));
            }
            _ => {}
        }
    }

    /// Takes in that the number of open sockets changes. It is followed from the start, whatever time is shown.
    fn socket(&mut self, conn: u64, at: Duration, change: impl Fn(u64) -> u64) {
        if !self.filter.is_of(conn) {
            return;
        }
        let sockets = &mut self.sockets;
        let begins = self.filter.time.as_ref().is_none_or(|time| time.start <= at) && !sockets.has_begun;
        if begins {
            // Those that were open when the time began.
            sockets.has_begun = true;
            sockets.most_at_a_time = sockets.now;
        }
        sockets.now = change(sockets.now);
        if self.filter.covers(conn, at) {
            sockets.most_at_a_time = sockets.most_at_a_time.max(sockets.now);
        }
    }

    fn method(&mut self, method: &Arc<str>) -> &mut Tally {
        let is_known = self.methods.len() < MOST_METHODS || self.methods.contains_key(method);
        let method = if is_known { Arc::clone(method) } else { OTHER_METHODS.into() };
        self.methods.entry(method).or_default()
    }

    fn call(&mut self, call: &Arc<Call>) {
        let latency = call.latency();
        let (bytes, failed) = (call.answer.as_ref().map_or(0, |answer| answer.bytes), call.failure.is_some());
        self.method(&call.method).take(latency, call.sent, bytes, failed);
        let key = match self.learned.get(&call.object.number) {
            Some(lineage) => Key::Lineage(lineage.clone()),
            None => key(&call.object),
        };
        let counted = if self.objects.len() < MOST_OBJECTS || self.objects.contains_key(&key) {
            let counted = self.objects.entry(key).or_default();
            counted.named(&call.object);
            counted
        } else {
            let counted = self.objects.entry(Key::Others).or_default();
            OTHER_OBJECTS.clone_into(&mut counted.name);
            counted
        };
        counted.tally.take(latency, call.sent, bytes, failed);
        self.changes.writes += u64::from(call.effect > Effect::Reads);
        match call.fetch {
            Some(Fetch::First) => self.changes.first += 1,
            Some(Fetch::Changed(_)) => self.changes.changed += 1,
            Some(Fetch::Unchanged) => self.changes.unchanged += 1,
            None => {}
        }
        self.reached(call.at, call.at + latency.unwrap_or_default());
        if let Some(latency) = latency.filter(|_| self.slowest_wanted > 0) {
            let is_slow = self.slowest.len() < self.slowest_wanted
                || self.slowest.peek().is_some_and(|Reverse(Slow(least, _))| latency > *least);
            if is_slow {
                self.slowest.push(Reverse(Slow(latency, Arc::clone(call))));
                if self.slowest.len() > self.slowest_wanted {
                    self.slowest.pop();
                }
            }
        }
    }

    fn reached(&mut self, from: Duration, to: Duration) {
        let (first, last) = self.time.unwrap_or((from, to));
        self.time = Some((first.min(from), last.max(to)));
    }

    /// Returns the slowest calls, the slowest first.
    pub(super) fn slowest(&self) -> Vec<&Slow> {
        let mut slowest: Vec<_> = self.slowest.iter().map(|Reverse(slow)| slow).collect();
        slowest.sort_by(|one, other| other.cmp(one));
        slowest
    }
}

fn key(object: &Object) -> Key {
    match &object.lineage {
        Some(lineage) => Key::Lineage(lineage.clone()),
        None => Key::Number(object.number),
    }
}
