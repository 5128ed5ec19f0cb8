//! What all live sockets of one replay share.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use std::sync::Arc;

use tokio::net::TcpStream;

use super::{Miss, ReplayMatcher, ReplaySettings, Tapes, session::Heard, sessions::LiveSessions};
use crate::faults::Reset;

/// What a replay has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReplaySummary {
    /// Clients that connected.
    pub connections: u64,
    /// Requests answered from the recording.
    pub answered: u64,
    /// Requests that are not in the recording and that an upstream has answered.
    pub upstream: u64,
    /// Requests of plain HTTP answered from the recording.
    pub exchanges: u64,
    /// Requests that are not in the recording and got an error, those of plain HTTP among them.
    pub missed: u64,
}

/// What all live sockets of one replay share.
pub(super) struct Stage {
    pub(super) matcher: ReplayMatcher,
    pub(super) settings: ReplaySettings,
    pub(super) sessions: LiveSessions,
    pub(super) connections: AtomicU64,
    pub(super) answered: AtomicU64,
    missed: AtomicU64,
    upstream: AtomicU64,
    on_miss: Box<dyn Fn(Miss) + Send + Sync>,
}

impl Stage {
    /// Sets it for tapes, of which there must be one; `on_miss` is told of each request that they do not have.
    pub(super) fn new(
        tapes: Arc<Tapes>,
        settings: &ReplaySettings,
        on_miss: impl Fn(Miss) + Send + Sync + 'static,
    ) -> Self {
        Self {
            sessions: LiveSessions::new(&tapes, settings.merge),
            matcher: ReplayMatcher::new(tapes, settings),
            settings: settings.clone(),
            connections: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            missed: AtomicU64::new(0),
            upstream: AtomicU64::new(0),
            on_miss: Box::new(on_miss),
        }
    }

    pub(super) fn missed(&self, miss: Miss) {
        let count = if matches!(miss.upstream, Some(Ok(()))) { &self.upstream } else { &self.missed };
        count.fetch_add(1, Ordering::Relaxed);
        (self.on_miss)(miss);
    }

    /// Returns what resets the connection of a client, if faults are made.
    pub(super) fn reset(&self, stream: &TcpStream) -> Option<Reset> {
        self.settings.faults.as_ref().and_then(|_| Reset::of(stream))
    }

    pub(super) fn summary(&self) -> ReplaySummary {
        ReplaySummary {
            connections: self.connections.load(Ordering::Relaxed),
            answered: self.answered.load(Ordering::Relaxed),
            upstream: self.upstream.load(Ordering::Relaxed),
            exchanges: 0,
            missed: self.missed.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").field("summary", &self.summary()).finish_non_exhaustive()
    }
}

/// Ends live sockets of a replay, so that a test can see what its client does then. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReplayHandle(pub(super) Arc<Stage>);

impl ReplayHandle {
    /// Breaks all open sockets without a word, as a network does. Sessions with a time to live can be taken up again.
    pub fn cut(&self) {
        self.0.sessions.tell_all(&Heard::Cut);
    }

    /// Closes all open sockets as an engine does.
    pub fn close(&self, code: u16, reason: &str) {
        self.0.sessions.tell_all(&Heard::Close(Some(code), reason.to_owned()));
    }

    /// Returns what has been done so far.
    pub fn summary(&self) -> ReplaySummary {
        self.0.summary()
    }
}
