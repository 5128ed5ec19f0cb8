//! Which live sessions there are, and which of them a new socket belongs to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Tapes,
    path::SessionPath,
    recorded::RecordedSession,
    session::{Heard, LiveSession, Seat},
};

/// How many sessions without socket are kept for their time to live; then the oldest end.
const MOST_WAITING: usize = 10_000;

/// The live sessions of a replay.
#[derive(Debug)]
pub(super) struct LiveSessions {
    recorded: Vec<RecordedSession>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    live: HashMap<SessionKey, Vec<Live>>,
    /// How often each recorded session was played.
    played: Vec<u64>,
    /// Sessions in `live`.
    count: usize,
    /// How many there are when it is looked through for those that are over.
    sweep_at: usize,
}

#[derive(Debug)]
struct Live {
    session: Arc<LiveSession>,
    /// Which recorded session it plays.
    recorded: usize,
    /// How many connections of that one were taken up.
    taken: usize,
    ttl: Duration,
}

/// Who wants to connect, as far as it tells sessions apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Visitor {
    pub(super) path: SessionPath,
    /// Path and query, as the client asked for them.
    pub(super) target: Box<str>,
    /// The header `X-Qlik-Session`.
    pub(super) session: Option<String>,
    /// The header `X-Qlik-User`.
    pub(super) user: Option<String>,
}

/// What tells sessions apart.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct SessionKey {
    path: String,
    session: Option<String>,
    user: Option<String>,
}

impl LiveSessions {
    /// Starts without any.
    pub(super) fn new(tapes: &Tapes, merge: bool) -> Self {
        let recorded = RecordedSession::all(&tapes.tapes, merge);
        let state =
            State { live: HashMap::new(), played: vec![0; recorded.len()], count: 0, sweep_at: MOST_WAITING };
        Self { recorded, state: Mutex::new(state) }
    }

    /// Finds the session for a new socket, or begins one.
    ///
    /// Clients that name themselves by an identity or a session header meet in one session. Others do only if the recorded ones
    /// did, or one after the other within the time to live: tests that run beside each other on one URL do not meet.
    ///
    /// # Panics
    ///
    /// If no connection was recorded.
    pub(super) fn attach(&self, visitor: &Visitor, now: Instant) -> Seat {
        let key = SessionKey {
            path: visitor.path.without_ttl.clone(),
            session: visitor.session.clone(),
            user: visitor.user.clone(),
        };
        let mut state = self.state();
        if state.count > state.sweep_at {
            state.sweep(now);
        }
        let State { live, played, count, .. } = &mut *state;
        let sessions = live.entry(key).or_default();
        let before = sessions.len();
        sessions.retain(|live| live.is_alive(now));
        *count -= before - sessions.len();
        let is_named = visitor.path.has_identity || visitor.session.is_some();
        let joined = sessions.iter_mut().find(|live| {
            let (sockets, _) = live.session.presence();
            let recorded = &self.recorded[live.recorded];
            is_named || sockets == 0 || recorded.overlaps && live.taken < recorded.tapes.len()
        });
        if let Some(live) = joined {
            // The latest socket decides.
            live.ttl = visitor.path.ttl.unwrap_or(live.ttl);
            return live.seat(&self.recorded[live.recorded], true);
        }
        let rank =
            |number: &usize| (visitor.path.distance(&self.recorded[*number].path), played[*number], *number);
        let recorded = (0..self.recorded.len()).min_by_key(rank).unwrap_or_default();
        played[recorded] += 1;
        let mut live =
            Live { session: Arc::default(), recorded, taken: 0, ttl: visitor.path.ttl.unwrap_or_default() };
        let seat = live.seat(&self.recorded[recorded], false);
        sessions.push(live);
        *count += 1;
        seat
    }

    /// Tells all open sockets.
    pub(super) fn tell_all(&self, heard: &Heard) {
        for live in self.state().live.values().flatten() {
            live.session.tell_all(heard);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No panic is possible while it is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Ends sessions whose time is over, and the older half of those without socket if they are too many.
    fn sweep(&mut self, now: Instant) {
        let since = |live: &Live| live.session.presence().1;
        let alive = self.live.values().flatten().filter(|live| live.is_alive(now));
        let mut waiting: Vec<Instant> = alive.filter_map(since).collect();
        waiting.sort_unstable();
        let oldest = waiting.get(waiting.len() / 2).filter(|_| waiting.len() > MOST_WAITING).copied();
        self.live.retain(|_, sessions| {
            sessions.retain(|live| {
                let is_young = since(live).is_none_or(|left| oldest.is_none_or(|oldest| left > oldest));
                live.is_alive(now) && is_young
            });
            !sessions.is_empty()
        });
        self.count = self.live.values().map(Vec::len).sum();
        self.sweep_at = self.count.max(MOST_WAITING / 2) * 2;
    }
}

impl Live {
    fn is_alive(&self, now: Instant) -> bool {
        match self.session.presence() {
            (0, Some(left)) => now.saturating_duration_since(left) < self.ttl,
            _ => true,
        }
    }

    /// Seats a socket: at the next recorded connection, then at one whose live socket has gone, then beside somebody.
    fn seat(&mut self, recorded: &RecordedSession, attached: bool) -> Seat {
        let next = recorded.tapes.get(self.taken).copied();
        self.taken += usize::from(next.is_some());
        let free = || recorded.tapes.iter().copied().find(|tape| !self.session.plays(*tape));
        let tape = next.or_else(free).unwrap_or(recorded.tapes[0]);
        self.session.join(tape, attached)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::tapes;

    #[tokio::test(start_paused = true)]
    async fn sessions_that_are_over_or_too_many_are_not_kept() {
        let sessions = LiveSessions::new(&tapes("1+ /app/x").0, false);
        let attach = |name: usize, ttl: u64| {
            let path = SessionPath::parse(&format!("/app/x/identity/{name}/ttl/{ttl}"));
            sessions.attach(&Visitor { path, ..Visitor::default() }, Instant::now())
        };
        let first = attach(0, 0);
        for name in 1..3 * MOST_WAITING {
            // Half of them would wait for an hour.
            drop(attach(name, 3600 * (name % 2) as u64));
            tokio::time::advance(Duration::from_micros(1)).await;
        }
        let count = sessions.state().count;
        assert!(count <= 2 * MOST_WAITING + 1, "{count}");
        // The latest waits, and who is there stays.
        assert!(attach(3 * MOST_WAITING - 1, 3600).attached);
        assert!(attach(0, 0).attached);
        drop(first);
    }
}
