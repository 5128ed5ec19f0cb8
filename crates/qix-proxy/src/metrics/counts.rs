//! Counts calls, and exchanges of plain HTTP.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use qix_protocol::schema::METHODS;

use crate::live::{CallDone, Exchange, Place};

/// The upper bounds of the classes of durations, in microseconds.
pub(super) const BOUNDS: [u64; 12] = [
    1_000,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// What stands for methods and codes that the schema does not have: clients and engines can write any.
const OTHER: &str = "other";

/// The methods of HTTP that are counted by name.
const HTTP_METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| METHODS.iter().map(|method| method.name).collect());

/// Calls by method, and failures by code.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    state: Mutex<State>,
    in_flight: AtomicUsize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) methods: BTreeMap<&'static str, Durations>,
    pub(super) failures: BTreeMap<Failure, u64>,
    /// Exchanges by method and class of status.
    pub(super) exchanges: BTreeMap<(&'static str, &'static str), u64>,
    /// Exchanges by method.
    pub(super) http: BTreeMap<&'static str, Durations>,
}

/// How long the calls of a method took.
#[derive(Clone, Debug, Default)]
pub(super) struct Durations {
    pub(super) count: u64,
    /// All together, in microseconds.
    pub(super) sum: u64,
    /// By class, those beyond all bounds left out.
    pub(super) classes: [u64; BOUNDS.len()],
}

/// What a failure is counted as.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Failure {
    pub(super) place: Place,
    /// The number; empty if there is none or it has no name.
    pub(super) code: String,
    pub(super) name: &'static str,
}

impl Durations {
    fn add(&mut self, micros: u64) {
        self.count += 1;
        self.sum += micros;
        if let Some(class) = BOUNDS.iter().position(|bound| micros <= *bound) {
            self.classes[class] += 1;
        }
    }
}

impl Counts {
    /// Counts a call.
    pub(crate) fn call(&self, call: &CallDone) {
        let method = KNOWN.get(&*call.method).copied().unwrap_or(OTHER);
        let mut state = self.lock();
        state.methods.entry(method).or_default().add(call.latency);
        if let Some(fault) = &call.fault {
            let known = fault.code.and_then(|code| Some((code.get().to_string(), code.name()?)));
            let (code, name) = match known {
                Some((code, name)) => (code, name.strip_prefix("LOCERR_").unwrap_or(name)),
                None if fault.place == Place::Script => (String::new(), "SCRIPT_FAILED"),
                None => (String::new(), OTHER),
            };
            *state.failures.entry(Failure { place: fault.place, code, name }).or_default() += 1;
        }
    }

    /// Counts an exchange of plain HTTP.
    pub(crate) fn exchange(&self, exchange: &Exchange) {
        let method = HTTP_METHODS.into_iter().find(|known| *known == exchange.method).unwrap_or(OTHER);
        let class = match exchange.status {
            None => "none",
            Some(100..200) => "1xx",
            Some(200..300) => "2xx",
            Some(300..400) => "3xx",
            Some(400..500) => "4xx",
            Some(500..600) => "5xx",
            Some(_) => OTHER,
        };
        let mut state = self.lock();
        *state.exchanges.entry((method, class)).or_default() += 1;
        state.http.entry(method).or_default().add(exchange.latency);
    }

    /// Says how many calls have no answer yet.
    pub(crate) fn in_flight(&self, calls: usize) {
        self.in_flight.store(calls, Relaxed);
    }

    /// Returns how many calls have no answer yet.
    pub(super) fn open(&self) -> usize {
        self.in_flight.load(Relaxed)
    }

    /// Returns what was counted so far.
    pub(super) fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
