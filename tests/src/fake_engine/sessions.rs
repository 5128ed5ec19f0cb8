//! The table of sessions: created, attached, kept for their time to live.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::config::FakeEngineConfig;
use super::handles::Handles;
use super::peer::Peer;
use super::session::{Session, SessionKey};
use super::store::Store;

/// A session as socket tasks hold it. The lock is never held across an await.
pub(crate) type SharedSession = Arc<Mutex<Session>>;

/// Locks a session; a panic elsewhere does not spoil it, since tests want to see the first failure only.
pub(crate) fn lock(session: &SharedSession) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Entry {
    session: SharedSession,
    sockets: usize,
    ttl: Duration,
    /// Counts attaches, so that an old timer does not end a session that was taken up again.
    generation: u64,
}

/// All sessions of the engine.
pub(crate) struct Sessions {
    config: Arc<FakeEngineConfig>,
    store: Arc<Store>,
    entries: Mutex<HashMap<SessionKey, Entry>>,
}

impl Sessions {
    pub(crate) fn new(config: Arc<FakeEngineConfig>) -> Self {
        let store = Arc::new(Store::new(config.rows, &config.otherwise));
        Self { config, store, entries: Mutex::default() }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<SessionKey, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds socket `number` to the session of `key`; true if the session existed.
    ///
    /// The latest socket's time to live wins; without one the default stays.
    pub(crate) fn attach(
        &self,
        key: &SessionKey,
        number: u64,
        ttl: Option<Duration>,
        from: Option<&str>,
    ) -> (SharedSession, bool) {
        let mut entries = self.entries();
        let attached = entries.contains_key(key);
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
            session: Arc::new(Mutex::new(Session::new(
                key.clone(),
                from,
                self.config.clone(),
                self.store.clone(),
            ))),
            sockets: 0,
            ttl: self.config.default_ttl,
            generation: 0,
        });
        entry.sockets += 1;
        entry.generation += 1;
        entry.ttl = ttl.unwrap_or(entry.ttl).min(self.config.max_ttl);
        let mut peer = Peer::default();
        peer.attached = attached;
        let otherwise = &self.config.otherwise;
        peer.handles = Handles::numbered(otherwise.first_handle, otherwise.handle_step);
        lock(&entry.session).peers.insert(number, peer);
        (entry.session.clone(), attached)
    }

    /// Takes socket `number` off its session, which ends at once or after its time to live.
    pub(crate) fn detach(self: &Arc<Self>, key: &SessionKey, number: u64) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(key) else { return };
        {
            let mut session = lock(&entry.session);
            // A reload does not end with the socket that wanted it.
            let reloads = |mut peer: Peer| !peer.take_held(|held| held.is_reload).is_empty();
            if session.peers.remove(&number).is_some_and(reloads) {
                session.finish_reload();
                session.push_changes(None);
            }
        }
        entry.sockets = entry.sockets.saturating_sub(1);
        if entry.sockets > 0 {
            return;
        }
        // While the runtime shuts down there is nobody left to come back.
        let Some(runtime) = tokio::runtime::Handle::try_current().ok().filter(|_| !entry.ttl.is_zero())
        else {
            entries.remove(key);
            return;
        };
        let (sessions, key, ttl, generation) = (self.clone(), key.clone(), entry.ttl, entry.generation);
        runtime.spawn(async move {
            tokio::time::sleep(ttl).await;
            let mut entries = sessions.entries();
            if entries.get(&key).is_some_and(|entry| entry.sockets == 0 && entry.generation == generation) {
                entries.remove(&key);
            }
        });
    }

    /// Returns every session, for pushes and closes to all.
    pub(crate) fn all(&self) -> Vec<SharedSession> {
        self.entries().values().map(|entry| entry.session.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Arc<Sessions> {
        Arc::new(Sessions::new(Arc::default()))
    }

    fn key(identity: &str) -> SessionKey {
        SessionKey { identity: identity.into(), ..SessionKey::default() }
    }

    #[tokio::test]
    async fn without_ttl_a_session_ends_with_its_last_socket() {
        let sessions = sessions();
        assert!(!sessions.attach(&key("a"), 1, None, None).1);
        assert!(sessions.attach(&key("a"), 2, None, None).1);
        assert!(!sessions.attach(&key("b"), 3, None, None).1);
        sessions.detach(&key("a"), 1);
        assert!(sessions.attach(&key("a"), 4, None, None).1);
        sessions.detach(&key("a"), 2);
        sessions.detach(&key("a"), 4);
        assert!(!sessions.attach(&key("a"), 5, None, None).1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_lives_for_its_ttl_and_a_new_socket_stops_the_clock() {
        let sessions = sessions();
        let ttl = Some(Duration::from_secs(10));
        sessions.attach(&key("a"), 1, ttl, None);
        sessions.detach(&key("a"), 1);
        tokio::time::sleep(Duration::from_secs(9)).await;
        assert!(sessions.attach(&key("a"), 2, ttl, None).1);
        // The first timer runs out while the socket is there: nothing happens.
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(sessions.attach(&key("a"), 3, ttl, None).1);
        sessions.detach(&key("a"), 2);
        sessions.detach(&key("a"), 3);
        tokio::time::sleep(Duration::from_secs(11)).await;
        assert!(!sessions.attach(&key("a"), 4, ttl, None).1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_ttl_is_capped() {
        let config = FakeEngineConfig { max_ttl: Duration::from_secs(5), ..FakeEngineConfig::default() };
        let sessions = Arc::new(Sessions::new(Arc::new(config)));
        sessions.attach(&key("a"), 1, Some(Duration::from_secs(1_000_000)), None);
        sessions.detach(&key("a"), 1);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(sessions.all().is_empty());
    }

    #[test]
    fn generated_ids_are_the_same_in_each_run_and_differ_between_sessions() {
        let ids = |identity: &str| {
            let (session, _) = sessions().attach(&key(identity), 1, None, None);
            let mut session = lock(&session);
            [session.generate_id(), session.generate_id()]
        };
        assert_eq!(ids("a"), ids("a"));
        assert_ne!(ids("a")[0], ids("a")[1]);
        assert_ne!(ids("a"), ids("b"));
    }
}
