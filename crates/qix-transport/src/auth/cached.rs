//! Values that are fetched once for all who want them.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex as StdMutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use crate::AuthError;

/// A value is fetched anew this long before it expires, or after nine tenths of its life if that is later.
const EARLY: Duration = Duration::from_secs(60);

/// How many keys have a value; the one that was asked for the longest ago makes room for another.
const MAX_SLOTS: usize = 16;

/// Gives each cache, and each value that was ever fetched, a number of its own.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Fetched values by key, and until when they are good. Many may ask for one at once; one of them fetches, the others wait for it.
///
/// The key says for whom a value is good, so that a credential never goes to another than the one it was fetched for.
pub(crate) struct Cached<T> {
    /// Sets this cache's marks apart from those of others.
    id: u64,
    /// The one asked for last comes last.
    slots: StdMutex<VecDeque<Arc<Slot<T>>>>,
}

struct Slot<T> {
    id: u64,
    key: Box<str>,
    failures: AtomicU64,
    /// Locked while its value is fetched.
    state: Mutex<State<T>>,
}

struct State<T> {
    entry: Option<Entry<T>>,
    /// The last failure and its number, for those who waited while it happened.
    failed: Option<(u64, AuthError)>,
}

struct Entry<T> {
    value: Arc<T>,
    id: u64,
    /// When to fetch anew, and when the value is worth nothing.
    life: Option<(Instant, Instant)>,
}

/// What [`Cached::get`] returned, for telling it later that it was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    cache: u64,
    slot: u64,
    id: u64,
    /// Whether the value had been used, or at least fetched, before.
    pub(crate) reused: bool,
}

/// What was fetched, and for how long it is good if that is known.
pub(crate) type Fetched<T> = Result<(T, Option<Duration>), AuthError>;

impl<T> Cached<T> {
    pub(crate) fn new() -> Self {
        Self { id: next(), slots: StdMutex::default() }
    }

    /// Returns the value for `key`; `fetch` runs if there is none or if it expires soon.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops its fetch; the next of those who wait begins one of its own.
    pub(crate) async fn get(
        &self,
        key: &str,
        fetch: impl Future<Output = Fetched<T>>,
    ) -> Result<(Arc<T>, Mark), AuthError> {
        let slot = self.slot(key);
        let seen = slot.failures.load(Ordering::Acquire);
        let mut state = slot.state.lock().await;
        let hit = |entry: &Entry<T>, reused| {
            (Arc::clone(&entry.value), Mark { cache: self.id, slot: slot.id, id: entry.id, reused })
        };
        let old = state.entry.as_ref();
        if let Some(entry) = old.filter(|entry| entry.life.is_none_or(|(renew, _)| Instant::now() < renew)) {
            return Ok(hit(entry, true));
        }
        if let Some((_, error)) = state.failed.as_ref().filter(|(number, _)| *number > seen) {
            return Err(error.clone());
        }
        match fetch.await {
            Ok((value, lifetime)) => {
                let life = lifetime.and_then(|lifetime| {
                    let (now, early) = (Instant::now(), EARLY.min(lifetime / 10));
                    Some((now.checked_add(lifetime - early)?, now.checked_add(lifetime)?))
                });
                Ok(hit(state.entry.insert(Entry { value: Arc::new(value), id: next(), life }), false))
            }
            // One that still lives is better than none.
            Err(error) => match old.filter(|entry| entry.life.is_some_and(|(_, end)| Instant::now() < end)) {
                Some(entry) => Ok(hit(entry, true)),
                None => {
                    // The others may have more time, or another way to the server.
                    if error.is_answer() {
                        let number = slot.failures.fetch_add(1, Ordering::AcqRel) + 1;
                        state.failed = Some((number, error.clone()));
                    }
                    Err(error)
                }
            },
        }
    }

    /// Throws the value away if it is the one that was `used`, so that the next [`get`](Self::get) has another. If it is not,
    /// somebody else has been here: what is kept now is newer than what was refused.
    pub(crate) async fn forget(&self, used: Mark) {
        let Some(slot) = self.slot_of(used) else { return };
        let mut state = slot.state.lock().await;
        if state.entry.as_ref().is_some_and(|entry| entry.id == used.id) {
            state.entry = None;
        }
    }

    /// Puts `value` in the place of the one that was `used`, unless somebody else has been here, and returns what it is known by.
    pub(crate) async fn replace(&self, used: Mark, value: T) -> Mark {
        let Some(slot) = self.slot_of(used) else { return used };
        let mut state = slot.state.lock().await;
        let Some(entry) = state.entry.as_mut().filter(|entry| entry.id == used.id) else { return used };
        (entry.value, entry.id) = (Arc::new(value), next());
        Mark { id: entry.id, ..used }
    }

    /// Returns which of `used` came from here.
    pub(crate) fn find(&self, used: &[Mark]) -> Option<Mark> {
        used.iter().copied().find(|mark| mark.cache == self.id)
    }

    fn slot(&self, key: &str) -> Arc<Slot<T>> {
        let mut slots = self.slots();
        let found = slots.iter().position(|slot| *slot.key == *key).and_then(|at| slots.remove(at));
        let slot = found.unwrap_or_else(|| {
            if slots.len() == MAX_SLOTS {
                slots.pop_front();
            }
            let state = Mutex::new(State { entry: None, failed: None });
            Arc::new(Slot { id: next(), key: key.into(), failures: AtomicU64::new(0), state })
        });
        slots.push_back(Arc::clone(&slot));
        slot
    }

    fn slot_of(&self, used: Mark) -> Option<Arc<Slot<T>>> {
        self.slots().iter().find(|slot| slot.id == used.slot).cloned()
    }

    fn slots(&self) -> MutexGuard<'_, VecDeque<Arc<Slot<T>>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached(***)")
    }
}

fn next() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;
    use crate::{ConnectError, Stage};

    struct Source {
        cached: Cached<usize>,
        fetches: AtomicUsize,
        lifetime: Option<Duration>,
    }

    fn source(seconds: Option<u64>) -> Source {
        let lifetime = seconds.map(Duration::from_secs);
        Source { cached: Cached::new(), fetches: AtomicUsize::new(0), lifetime }
    }

    fn failed() -> AuthError {
        AuthError::own("no")
    }

    impl Source {
        async fn get(&self, ok: bool) -> Result<(usize, Mark), AuthError> {
            self.get_for("wss://h", ok).await
        }

        async fn get_for(&self, key: &str, ok: bool) -> Result<(usize, Mark), AuthError> {
            let fetch = async {
                let n = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(Duration::from_secs(1)).await;
                if ok { Ok((n, self.lifetime)) } else { Err(failed()) }
            };
            self.cached.get(key, fetch).await.map(|(value, mark)| (*value, mark))
        }

        fn fetches(&self) -> usize {
            self.fetches.load(Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_one_fetch() {
        let source = source(Some(3600));
        let found = join_all((0..100).map(|_| source.get(true))).await;
        assert!(found.into_iter().all(|found| found.unwrap().0 == 1));
        assert_eq!(source.fetches(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_at_once_share_one_failure() {
        let source = source(None);
        let found = join_all((0..100).map(|_| source.get(false))).await;
        assert!(found.into_iter().all(|found| found.is_err()));
        assert_eq!(source.fetches(), 1);
        assert!(source.get(true).await.is_ok(), "whoever asks later tries again");
    }

    #[tokio::test(start_paused = true)]
    async fn value_is_fetched_anew_before_it_expires() {
        let source = source(Some(3600));
        source.get(true).await.unwrap();
        advance(Duration::from_secs(3539)).await;
        assert_eq!(source.get(true).await.unwrap().0, 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(source.get(true).await.unwrap().0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn short_lived_value_is_used_for_nine_tenths_of_its_life() {
        let source = source(Some(30));
        source.get(true).await.unwrap();
        advance(Duration::from_secs(26)).await;
        assert_eq!(source.get(true).await.unwrap().0, 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(source.get(true).await.unwrap().0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn value_that_still_lives_survives_a_failed_refresh() {
        let source = source(Some(3600));
        source.get(true).await.unwrap();
        advance(Duration::from_secs(3550)).await;
        assert_eq!(source.get(false).await.unwrap().0, 1);
        advance(Duration::from_secs(50)).await;
        source.get(false).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_while_fetching_leaves_it_to_the_next() {
        let source = source(None);
        let impatient = tokio::time::timeout(Duration::from_millis(1), source.get(true));
        let (impatient, patient) = tokio::join!(impatient, source.get(true));
        assert!(impatient.is_err());
        assert_eq!(patient.unwrap().0, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn many_refusals_of_one_value_throw_only_that_one_away() {
        let source = source(None);
        let (_, mark) = source.get(true).await.unwrap();
        for _ in 0..3 {
            source.cached.forget(mark).await;
            assert_eq!(source.get(true).await.unwrap().0, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn marks_of_two_caches_are_kept_apart() {
        let (one, two) = (source(None), source(None));
        let marks = [one.get(true).await.unwrap().1, two.get(true).await.unwrap().1];
        assert_eq!(two.cached.find(&marks), Some(marks[1]));
        assert_eq!(two.cached.find(&marks[..1]), None);
    }

    #[tokio::test(start_paused = true)]
    async fn value_for_one_key_is_not_given_for_another_and_both_are_kept() {
        let source = source(None);
        for _ in 0..2 {
            assert_eq!(source.get_for("https://a", true).await.unwrap().0, 1);
            assert_eq!(source.get_for("https://b", true).await.unwrap().0, 2);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_does_not_wait_for_another() {
        let source = source(None);
        let stuck = source.cached.get("https://stuck", std::future::pending());
        tokio::select! {
            _ = stuck => unreachable!(),
            found = source.get(true) => assert_eq!(found.unwrap().0, 1),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn key_asked_for_the_longest_ago_makes_room() {
        let source = source(None);
        for n in 0..MAX_SLOTS {
            source.get_for(&n.to_string(), true).await.unwrap();
        }
        assert_eq!(source.get_for("0", true).await.unwrap().0, 1);
        source.get_for("one more", true).await.unwrap();
        assert_eq!(source.get_for("0", true).await.unwrap().0, 1);
        assert_eq!(source.get_for("1", true).await.unwrap().0, MAX_SLOTS + 2);
        assert_eq!(source.cached.slots().len(), MAX_SLOTS);
    }

    #[tokio::test(start_paused = true)]
    async fn failure_to_reach_the_server_is_not_shared() {
        let timeout = || {
            let (peer, limit) = ("h:443".into(), Duration::from_secs(1));
            ConnectError::Timeout { peer, stage: Stage::Tcp, limit }
        };
        let connect = || AuthError::Connect { service: "x", source: Arc::new(timeout()) };
        for error in [connect(), AuthError::own(connect()), AuthError::own(timeout())] {
            let source = source(None);
            let impatient = source.cached.get("https://h", async {
                sleep(Duration::from_secs(1)).await;
                Err(error)
            });
            let (impatient, patient) = tokio::join!(impatient, source.get_for("https://h", true));
            assert!(impatient.is_err());
            assert_eq!(patient.unwrap().0, 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn replaced_value_is_kept_under_a_mark_of_its_own() {
        let source = source(None);
        let (_, first) = source.get(true).await.unwrap();
        let second = source.cached.replace(first, 20).await;
        assert_ne!(first, second);
        // These two do not know of it.
        assert_eq!(source.cached.replace(first, 30).await, first);
        source.cached.forget(first).await;
        assert_eq!(source.get(true).await.unwrap().0, 20);
        source.cached.forget(second).await;
        assert_eq!(source.get(true).await.unwrap().0, 2);
    }
}
