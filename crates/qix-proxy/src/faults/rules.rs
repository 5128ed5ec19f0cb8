//! Several rules, their seed, and what is counted over all connections.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::front::{self, ResponseBody};

use super::{
    FaultCount, FaultError, FaultMachine, FaultRule, Strike,
    action::Refusal,
    draw::{Purpose, dice, mix, path_number},
    known,
    rule::{Scope, Which},
};

/// Strikes beyond this number are counted only.
const MOST_STRIKES: usize = 10_000;
/// Paths beyond this number share a count of their connections.
const MOST_PATHS: usize = 10_000;

/// Rules by which faults are made, with a seed and counts. Cheap to clone; clones share the counts.
#[derive(Clone)]
pub struct FaultRules(Arc<Inner>);

struct Inner {
    rules: Vec<FaultRule>,
    seed: u64,
    /// Whether a rule asks which object is called, or lists objects.
    by_object: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By rule: calls that matched, and strikes.
    counts: Vec<(u64, u64)>,
    /// Connections so far, by the number of their path.
    connections: HashMap<u64, u64>,
    strikes: Vec<Strike>,
}

/// Counts of one connection, by rule: calls that matched, and strikes.
pub(super) type Counts = Vec<(u64, u64)>;

/// An upgrade that a rule refuses.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    refusal: Refusal,
    /// What was done, in words.
    pub(crate) note: String,
}

/// The connection that a call came over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) path: &'a str,
    /// Which of the connections with this path, from 1.
    pub(super) number: u64,
}

impl FaultRules {
    /// Puts rules together, which are asked in this order: of two that cannot both be, the first strikes.
    ///
    /// # Errors
    ///
    /// [`FaultError::Rule`] if two rules strike the same calls with what cannot both be.
    pub fn new(rules: Vec<FaultRule>, seed: u64) -> Result<Self, FaultError> {
        for (index, rule) in rules.iter().enumerate() {
            if let Some(other) = rules[..index].iter().find(|other| contradict(other, rule)) {
                let fault = format!(
                    "it strikes the same calls as '{other}', and both cannot become of one answer; leave one out, or give them other \
                     conditions"
                );
                return Err(FaultError::at(&rule.place, fault));
            }
        }
        let by_object = rules.iter().any(|rule| {
            rule.when.object.is_some() || rule.what.change.is_some() || rule.what.suspend.is_some()
        });
        let state = Mutex::new(State { counts: vec![(0, 0); rules.len()], ..State::default() });
        Ok(Self(Arc::new(Inner { rules, seed, by_object, state })))
    }

    /// Returns the seed, which gives the same faults again.
    pub fn seed(&self) -> u64 {
        self.0.seed
    }

    /// Returns the rules, in the order in which they are asked.
    pub fn rules(&self) -> &[FaultRule] {
        &self.0.rules
    }

    /// Returns a sentence for each rule that will probably never strike, or not as it was meant.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for rule in &self.0.rules {
            let unknown = rule.when.method.as_ref().and_then(known::unknown_method);
            warnings.extend(unknown.map(|fault| format!("{}: {fault}", rule.place)));
            if let Some(notification) = &rule.what.notify
                && let Some(meant) = known::meant_notification(&notification.method)
            {
                let name = &notification.method;
                warnings
                    .push(format!("{}: no notification is known as {name}; {meant} was meant?", rule.place));
            }
        }
        warnings
    }

    /// Returns how often each rule has struck so far.
    pub fn counts(&self) -> Vec<FaultCount> {
        let state = self.lock();
        let counted = |(rule, (matched, struck)): (&FaultRule, &(u64, u64))| FaultCount {
            rule: rule.to_string(),
            matched: *matched,
            struck: *struck,
        };
        self.0.rules.iter().zip(&state.counts).map(counted).collect()
    }

    /// Returns the first ten thousand strikes, in the order in which they happened.
    pub fn strikes(&self) -> Vec<Strike> {
        self.lock().strikes.clone()
    }

    /// Returns what decides about the messages of a new connection.
    pub(crate) fn connection(&self, path: &str) -> FaultMachine {
        let path = path.split('?').next().unwrap_or_default();
        let mut state = self.lock();
        let mut key = path_number(path);
        if state.connections.len() >= MOST_PATHS && !state.connections.contains_key(&key) {
            key = 0;
        }
        let number = state.connections.entry(key).or_default();
        *number += 1;
        let number = *number;
        drop(state);
        FaultMachine::new(self.clone(), path.to_owned(), number)
    }

    /// Decides about an upgrade.
    pub(crate) fn upgrade(&self, path: &str) -> Option<Refused> {
        let path = path.split('?').next().unwrap_or_default();
        let mut found = None;
        for (index, rule) in self.0.rules.iter().enumerate() {
            let Some(refusal) = &rule.what.refuse else { continue };
            if rule.when.path.as_ref().is_some_and(|pattern| !pattern.matches(path)) {
                continue;
            }
            let free = found.is_none();
            let origin = Origin { path, number: 0 };
            let text = |_| format!("the upgrade was refused with {}", refusal.status.as_u16());
            if let Some((_, note)) = self.strike(index, origin, &mut Vec::new(), free, text) {
                found = Some(Refused { refusal: refusal.clone(), note });
            }
        }
        found
    }

    pub(super) fn by_object(&self) -> bool {
        self.0.by_object
    }

    /// Counts a call that a rule is about, and returns which call it is and what to say of it, if the rule strikes. `text` is told which call it is. It does not if
    /// it is not `free` to, because another rule has decided.
    pub(super) fn strike(
        &self,
        index: usize,
        origin: Origin<'_>,
        own: &mut Counts,
        free: bool,
        text: impl FnOnce(u64) -> String,
    ) -> Option<(u64, String)> {
        let rule = &self.0.rules[index];
        let mut state = self.lock();
        let own = match rule.when.scope {
            Scope::All => None,
            Scope::Connection => Some(&mut own[index]),
        };
        state.counts[index].0 += 1;
        let (mut matched, mut struck) = state.counts[index];
        if let Some(own) = &own {
            (matched, struck) = (own.0 + 1, own.1);
        }
        let key = connection_key(rule.when.scope, origin);
        let hits = free
            && rule.when.times.is_none_or(|times| struck < times)
            && decide(&rule.when.which, self.0.seed, index, key, matched);
        if let Some(own) = own {
            *own = (matched, struck + u64::from(hits));
        }
        if !hits {
            return None;
        }
        state.counts[index].1 += 1;
        let note = format!("fault {} ({rule}): {}", index + 1, text(matched));
        if state.strikes.len() < MOST_STRIKES {
            let (path, connection) = (origin.path.to_owned(), origin.number);
            state.strikes.push(Strike { rule: index, path, connection, call: matched, text: note.clone() });
        }
        drop(state);
        tracing::info!(target: "qix_proxy::faults", path = origin.path, "{note}");
        Some((matched, note))
    }

    /// Returns the dice of a call that a rule strikes.
    pub(super) fn dice(
        &self,
        index: usize,
        origin: Origin<'_>,
        call: u64,
        purpose: Purpose,
    ) -> fastrand::Rng {
        let key = connection_key(self.0.rules[index].when.scope, origin);
        dice(self.0.seed, index, key, call, purpose)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under this lock can panic half way.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decides about the call of this number. It depends on nothing but what is given.
fn decide(which: &Which, seed: u64, rule: usize, connection: u64, call: u64) -> bool {
    which.counts(call)
        && which
            .probability
            .is_none_or(|probability| dice(seed, rule, connection, call, Purpose::Strike).f64() < probability)
}

fn connection_key(scope: Scope, origin: Origin<'_>) -> u64 {
    match scope {
        Scope::All => 0,
        Scope::Connection => mix(path_number(origin.path), origin.number),
    }
}

/// Returns whether two rules strike the same calls with what cannot both be.
fn contradict(one: &FaultRule, two: &FaultRule) -> bool {
    let (a, b) = (&one.what, &two.what);
    let both = a.fate.is_some() && b.fate.is_some() && a.fate != b.fate
        || a.end.is_some() && b.end.is_some() && a.end != b.end
        || a.refuse.is_some() && b.refuse.is_some() && a.refuse != b.refuse;
    both && one.when == two.when && one.when.which.probability.is_none()
}

impl Refused {
    /// Returns status and headers.
    pub(crate) fn head(&self) -> (http::StatusCode, &http::HeaderMap) {
        (self.refusal.status, &self.refusal.headers)
    }

    pub(crate) fn body(&self) -> &bytes::Bytes {
        &self.refusal.body
    }

    /// Returns the answer that the client gets.
    pub(crate) fn response(&self) -> http::Response<ResponseBody> {
        let Refusal { status, headers, body } = &self.refusal;
        let mut response = http::Response::new(front::text(body.clone()));
        *response.status_mut() = *status;
        response.headers_mut().extend(headers.clone());
        response
    }
}

impl fmt::Debug for FaultRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultRules")
            .field("seed", &self.0.seed)
            .field("rules", &self.0.rules)
            .finish_non_exhaustive()
    }
}
