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

/// The most objects that are counted apart; later ones are counted together.
const MOST_OBJECTS: usize = 100_000;
/// What objects beyond that are called.
const OTHERS: &str = "other objects";

/// What a recording comes to.
#[derive(Debug)]
pub(crate) struct Stats {
    filter: Filter,
    slowest_wanted: usize,
    pub(super) methods: HashMap<Arc<str>, Tally>,
    /// By how the object came to be, or by its name if that is not known; with what it was called last.
    pub(super) objects: HashMap<Key, (String, Tally)>,
    slowest: BinaryHeap<Reverse<Slow>>,
    pub(super) sockets: Sockets,
    pub(super) changes: Changes,
    /// When the first call was made and the last was answered.
    pub(super) time: Option<(Duration, Duration)>,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    Lineage(Lineage),
    Name(String),
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
}

/// What changes, and what clients make of it.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Calls that may change something.
    pub(super) writes: u64,
    /// Messages that say that objects have changed, and those of which a call is known to have made them so.
    pub(super) pushes: u64,
    pub(super) caused: u64,
    /// Objects that they name, altogether and at most.
    pub(super) objects: u64,
    pub(super) most: u64,
    /// Fetches of what nobody had asked before, of what has changed, and of what has not.
    pub(super) first: u64,
    pub(super) changed: u64,
    pub(super) unchanged: u64,
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
        Self {
            filter,
            slowest_wanted: slowest,
            methods: HashMap::new(),
            objects: HashMap::new(),
            slowest: BinaryHeap::new(),
            sockets: Sockets::default(),
            changes: Changes::default(),
            time: None,
        }
    }

    /// Takes in an event.
    pub(crate) fn take(&mut self, event: &Event) {
        match event {
            Event::Called(called) => {
                let name = called.call.object.name();
                let texts =
                    [Some(&called.body.request), called.body.answer.as_ref(), called.body.result.as_ref()];
                if self.shows(&called.call, &name)
                    && self.filter.finds(texts.into_iter().flatten().map(|text| &text[..]))
                {
                    self.call(&called.call, name);
                }
            }
            Event::Exchanged(exchange) => {
                let method = format!("HTTP {}", printable(&exchange.method, 20));
                if self.filter.texts.is_none() && self.filter.shows(&facts_of_exchange(exchange, &method)) {
                    let tally = self.methods.entry(method.into()).or_default();
                    tally.take(
                        Some(exchange.took),
                        exchange.sent,
                        exchange.bytes,
                        exchange.failure.is_some(),
                    );
                    self.reached(exchange.at, exchange.at + exchange.took);
                }
            }
            Event::Object(object) => self.named(object),
            Event::Connected(connection) if self.filter.covers(connection.conn, connection.at) => {
                let sockets = &mut self.sockets;
                if connection.refused.is_some() {
                    sockets.refused += 1;
                } else {
                    sockets.opened += 1;
                    sockets.now += 1;
                    sockets.most_at_a_time = sockets.most_at_a_time.max(sockets.now);
                }
            }
            Event::Disconnected(end) if self.filter.covers(end.conn, end.at) => {
                let sockets = &mut self.sockets;
                sockets.now = sockets.now.saturating_sub(1);
                if end.is_open {
                    sockets.open += 1;
                } else {
                    // A close frame without a code counts as 1005.
                    let code = end.clean.then_some(end.code.unwrap_or(1005));
                    *sockets.closed.entry(code).or_default() += 1;
                }
            }
            Event::Changed(change) if !change.is_suspended && self.filter.covers(change.conn, change.at) => {
                let count = change.objects.len() as u64;
                self.changes.pushes += 1;
                self.changes.caused += u64::from(change.by.is_some());
                self.changes.objects += count;
                self.changes.most = self.changes.most.max(count);
            }
            _ => {}
        }
    }

    fn shows(&self, call: &Call, name: &str) -> bool {
        let mut facts = facts(call, name);
        // Polls for progress are counted as all others are.
        if facts.method == "GetProgress" && self.filter.is_open() {
            facts.failed = true;
        }
        self.filter.shows(&facts)
    }

    fn call(&mut self, call: &Arc<Call>, name: String) {
        let latency = call.latency();
        let (bytes, failed) = (call.answer.as_ref().map_or(0, |answer| answer.bytes), call.failure.is_some());
        self.methods.entry(Arc::clone(&call.method)).or_default().take(latency, call.sent, bytes, failed);
        let key = key(&call.object);
        let key = if self.objects.len() < MOST_OBJECTS || self.objects.contains_key(&key) {
            key
        } else {
            Key::Name(OTHERS.to_owned())
        };
        let (known, tally) = self.objects.entry(key.clone()).or_default();
        *known = if key == Key::Name(OTHERS.to_owned()) { OTHERS.to_owned() } else { name };
        tally.take(latency, call.sent, bytes, failed);
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

    /// Takes in a title that was learned behind the last call.
    fn named(&mut self, object: &Object) {
        if let Some((name, _)) = self.objects.get_mut(&key(object)) {
            *name = object.name();
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
        None => Key::Name(object.name()),
    }
}
