//! Which recorded answer is next.

use std::{
    borrow::Cow,
    hash::{Hash, Hasher},
    io,
    ops::Range,
    sync::Arc,
};

use foldhash::HashMap;
use qix_protocol::{Handle, Lineage, frame::client::Request};

use super::{
    Difference, Key, Miss, Repeat, ReplaySettings, Tapes,
    answer::Outcome,
    index::CallId,
    key::{RecentRequests, guessed, hash_of, hash_text, hasher, names_a_request},
    state::{self, State},
    volatile::{self, Pairs},
};

/// Finds recorded calls for requests. It keeps nothing: what a live session has taken so far is its [`Progress`].
///
/// Calls come from the tape that the connection plays; a request that this tape does not know is looked up in those of its session,
/// and then in the others. Among equal requests, those that were recorded in the state in which the session is now get
/// their answers in recorded order, and then as [`Repeat`] says; if there is none, all do.
#[derive(Clone, Debug)]
pub struct ReplayMatcher {
    tapes: Arc<Tapes>,
    repeat: Repeat,
    merge: bool,
    keeps_pace: bool,
}

/// What the sockets of one live session have taken from the recording so far.
#[derive(Debug, Default)]
pub struct Progress {
    /// Which calls were taken, one bit each, as far as the highest.
    taken: Vec<u64>,
    /// How many calls at the beginning of a long list of equal ones were taken, by the first of them and the list's length: those
    /// that are equal but for generated values are another list.
    begun: HashMap<(u32, usize), usize>,
    /// How often calls of a list of equal ones were asked for, by the first of them.
    asked: HashMap<u32, usize>,
    state: State,
    /// Where in the index the calls are that equal what was asked, by how it was written.
    heard: HashMap<u64, Range<u32>>,
    pairs: Pairs,
}

/// What a client asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// The object.
    pub(super) lineage: &'a Lineage,
    /// `None` if it is no request.
    pub(super) request: Option<&'a Request<'a>>,
    pub(super) text: &'a [u8],
    /// What the connection has asked before.
    pub(super) requests: &'a RecentRequests,
    /// Whether the request is as the client wrote it, and what comes of it depends on nothing but this and what was taken before.
    pub(super) as_heard: bool,
}

/// A recorded call that fits a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Found {
    pub(super) call: CallId,
    /// Whether the call was taken before, so that what followed it has been said already.
    pub(super) again: bool,
}

/// What a search for a key comes to.
enum Search {
    Found(Found),
    /// It was recorded, and may not be answered again.
    Exhausted(Difference),
    Unknown,
}

/// Beyond as many equal calls, those at the beginning that were taken are stepped over.
const LONG: usize = 32;
/// As many ways of writing requests are known; then they are learnt anew.
const MOST_HEARD: usize = 1 << 16;

impl ReplayMatcher {
    /// Makes a matcher.
    pub fn new(tapes: Arc<Tapes>, settings: &ReplaySettings) -> Self {
        let keeps_pace = settings.speed.is_some();
        Self { tapes, repeat: settings.repeat, merge: settings.merge, keeps_pace }
    }

    pub(super) fn tapes(&self) -> &Arc<Tapes> {
        &self.tapes
    }

    /// Returns whether it matters when things were said.
    pub(super) fn keeps_pace(&self) -> bool {
        self.keeps_pace
    }

    /// Takes the next recorded call for a request that was asked in the same words before, when it was as it was heard.
    pub(super) fn take_again(
        &self,
        progress: &mut Progress,
        tape: usize,
        lineage: &Lineage,
        request: &Request<'_>,
    ) -> Option<Found> {
        if !progress.pairs.is_empty() {
            return None;
        }
        let equal = progress.heard.get(&words(lineage, request))?.clone();
        match self.find(progress, tape, self.tapes.index.in_order(equal), lineage) {
            Search::Found(found) => Some(found),
            Search::Exhausted(_) | Search::Unknown => None,
        }
    }

    /// Takes the next recorded call for what is asked, for a connection that plays `tape`.
    ///
    /// A client that asks before the answer which names its handle has guessed that handle, and is recorded so, even if it knows
    /// better now: such calls are found by the handle, if that came to name the object which it names here.
    pub(super) fn take(
        &self,
        progress: &mut Progress,
        tape: usize,
        asked: Asked<'_>,
    ) -> Result<Found, Box<Miss>> {
        if let Some(request) = asked.request
            && progress.pairs.is_empty()
            && !names_a_request(&request.method)
        {
            let class = asked.lineage.class();
            let canonical = asked.requests.canonical(class, request);
            let params = volatile::ignoring(&self.tapes.ignored, class, &request.method, &canonical);
            let hash = hash_of(asked.lineage, &request.method, hash_text(params.as_bytes()));
            let equal = self.tapes.index.equal(hash);
            let calls = self.tapes.index.in_order(equal.clone());
            if let Search::Found(found) = self.find(progress, tape, calls, asked.lineage) {
                if state::writes(&request.method) {
                    self.write(progress, found.call, &canonical);
                } else if asked.as_heard {
                    progress.remember(words(asked.lineage, request), equal);
                }
                return Ok(found);
            }
        }
        self.take_slowly(progress, tape, asked)
    }

    /// Does the same with all that may differ.
    #[cold]
    fn take_slowly(
        &self,
        progress: &mut Progress,
        tape: usize,
        asked: Asked<'_>,
    ) -> Result<Found, Box<Miss>> {
        let mut key = match asked.request {
            Some(request) => Key::new(asked.lineage.clone(), request, asked.requests),
            None => Key::of_text(asked.text),
        };
        if let Some(recorded) = progress.pairs.as_recorded(key.params.as_bytes()) {
            key.params = String::from_utf8_lossy(&recorded).into();
        }
        let guess = asked.request.filter(|request| request.handle != Handle::GLOBAL);
        let guess = guess.map(|request| Key { lineage: guessed(request.handle), ..key.clone() });
        // Only then, for a text may be `***` because a client said so.
        let masked = std::iter::once_with(|| self.tapes.masks.apply(&key)).flatten().map(Cow::Owned);
        let mut exhausted = None;
        let exact = [Some(&key), guess.as_ref()].into_iter().flatten().map(Cow::Borrowed);
        for key in exact.chain(masked) {
            let hash = match &*key.method {
                "" => hash_of(&key.lineage, "", hash_text(key.params.as_bytes())),
                _ => key.hash_value(&self.tapes.ignored),
            };
            let mut calls = Cow::Borrowed(self.tapes.index.with_hash(hash));
            if let Some(request) = asked.request
                && key.lineage != *asked.lineage
            {
                let names =
                    |call: &u32| self.tapes.came_to_name(CallId(*call), request.handle, asked.lineage);
                calls.to_mut().retain(names);
            }
            match self.find(progress, tape, &calls, &key.lineage) {
                Search::Found(found) => {
                    self.write(progress, found.call, &key.params);
                    return Ok(found);
                }
                Search::Exhausted(difference) => {
                    exhausted.get_or_insert(difference);
                }
                Search::Unknown => {}
            }
        }
        if exhausted.is_none()
            && let Some(hash) = key.general_hash_value(&self.tapes.ignored)
        {
            let calls = self.tapes.index.with_general_hash(hash);
            match self.find(progress, tape, &calls, &key.lineage) {
                Search::Found(found) => {
                    let recorded = self.tapes.key(found.call);
                    progress.pairs.learn(&key.method, &key.params, &recorded.params);
                    self.write(progress, found.call, &recorded.params);
                    return Ok(found);
                }
                Search::Exhausted(difference) => exhausted = Some(difference),
                Search::Unknown => {}
            }
        }
        if let Some(difference) = exhausted {
            return Err(Box::new(Miss::of(key, difference)));
        }
        let nearest = self.tapes.nearest(tape, &key);
        Err(Box::new(Miss::new(key, nearest)))
    }

    /// Returns what came of a call, with what the live session has made up for what the recorded one had.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is not what it was.
    pub(super) fn outcome(&self, progress: &Progress, call: CallId) -> io::Result<Outcome> {
        let outcome = self.tapes.outcome(call)?;
        if let Outcome::Answer(answer) = &outcome
            && !progress.pairs.is_empty()
            && let Some(live) = answer.as_live(&progress.pairs)
        {
            return Ok(Outcome::Answer(Arc::new(live)));
        }
        Ok(outcome)
    }

    fn write(&self, progress: &mut Progress, call: CallId, canonical: &str) {
        let (object, method) = (self.tapes.lineage(call), self.tapes.method(call));
        if state::writes(method) && !self.tapes.index.failed(call) {
            let params = volatile::ignoring(&self.tapes.ignored, object.class(), method, canonical);
            progress.state.write(object, method, &params);
        }
    }

    /// Chooses among equal calls, which are in recorded order.
    fn find(&self, progress: &mut Progress, own: usize, equal: &[u32], object: &Lineage) -> Search {
        let Some(first) = equal.first() else { return Search::Unknown };
        let tapes = &*self.tapes;
        let tier = |call: &u32| self.tier(own, CallId(*call));
        // Nearly always the first is on the connection's own tape.
        let nearest = match equal.iter().any(|call| tier(call) == 0) {
            true => 0,
            false => equal.iter().map(tier).min().unwrap_or_default(),
        };
        let fits = |call: &&u32| tier(call) == nearest;
        let start = match progress.begun.get(&(*first, equal.len())) {
            Some(begun) if equal.len() > LONG => *begun,
            _ => 0,
        };
        let now = progress.state.of(object);
        let agrees = |call: &&u32| tapes.index.state(CallId(**call)) == now;
        let free = |call: &&u32| !progress.is_taken(CallId(**call));
        let rest = equal[start..].iter().filter(fits);
        // All are looked at, for the answer of another state would be wrong: of most, only the state.
        let next = equal[start..].iter().filter(agrees).filter(free).find(fits);
        let found = match next {
            Some(call) => *call,
            // Taken ones of this state, before free ones of another.
            None => {
                let mut same = equal.iter().rev().filter(agrees).filter(fits).peekable();
                let in_state = same.peek().is_some();
                let free = rest.clone().find(free).copied();
                match (free, self.repeat) {
                    (Some(free), _) if !in_state => free,
                    (free, Repeat::Once) => {
                        let times = same.count();
                        let after = free.and_then(|free| tapes.write_before(CallId(free)));
                        return Search::Exhausted(match free {
                            Some(_) => Difference::State { times, recorded_after: after.map(Box::new) },
                            None => Difference::Repeated { times: equal.iter().filter(fits).count() },
                        });
                    }
                    // The last answer sticks, not a last call that got none.
                    (_, Repeat::Sticky) => {
                        let answered = |call: &&u32| tapes.index.is_answered(CallId(**call));
                        let all = || equal.iter().rev().filter(fits).find(answered);
                        let Some(last) = same.find(answered).or_else(all).or(equal.iter().rfind(fits)) else {
                            return Search::Unknown;
                        };
                        *last
                    }
                    (_, Repeat::Cycle) => {
                        let mut among: Vec<u32> = same.copied().collect();
                        if among.is_empty() {
                            among = equal.iter().rev().filter(fits).copied().collect();
                        }
                        among.reverse();
                        let Some(first) = among.first() else { return Search::Unknown };
                        let asked = progress.asked.entry(*first).or_default();
                        *asked += 1;
                        among[(*asked - 1) % among.len()]
                    }
                }
            }
        };
        let call = CallId(found);
        let again = progress.take(call);
        tapes.note_use(call);
        if equal.len() > LONG {
            let taken = equal[start..].iter().take_while(|call| progress.is_taken(CallId(**call))).count();
            progress.begun.insert((*first, equal.len()), start + taken);
        }
        Search::Found(Found { call, again })
    }

    /// Returns how far from the connection's own tape a call is; of those far away, each tape for itself, in recorded order.
    fn tier(&self, own: usize, call: CallId) -> usize {
        let tape = self.tapes.tape_of(call);
        let session = |tape: usize| self.tapes.tapes[tape].session;
        if self.merge || tape == own {
            0
        } else if session(tape) == session(own) {
            1
        } else {
            2 + tape
        }
    }
}

impl Progress {
    fn remember(&mut self, words: u64, equal: Range<u32>) {
        if self.heard.len() == MOST_HEARD {
            self.heard.clear();
        }
        self.heard.insert(words, equal);
    }

    fn is_taken(&self, call: CallId) -> bool {
        let word = self.taken.get(call.0 as usize / 64);
        word.is_some_and(|word| word & 1 << (call.0 % 64) != 0)
    }

    /// Notes that a call is taken, and returns whether it was before.
    fn take(&mut self, call: CallId) -> bool {
        let was = self.is_taken(call);
        let word = call.0 as usize / 64;
        if self.taken.len() <= word {
            self.taken.resize(word + 1, 0);
        }
        self.taken[word] |= 1 << (call.0 % 64);
        was
    }
}

/// Returns the number of a request as it was written, but for its id.
fn words(lineage: &Lineage, request: &Request<'_>) -> u64 {
    let mut hasher = hasher();
    hasher.write(request.params.map_or(b"", |params| params.as_bytes()));
    (lineage.fingerprint(), lineage.class(), &*request.method).hash(&mut hasher);
    hasher.finish()
}
