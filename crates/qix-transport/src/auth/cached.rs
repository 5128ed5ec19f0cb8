//! A value that is fetched once for all who want it.

use std::{
    fmt,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::Instant};

use crate::{AuthError, Endpoint};

/// A value is fetched anew this long before it expires, or after nine tenths of its life if that is later.
const EARLY: Duration = Duration::from_secs(60);

/// Gives each cache, and each value that was ever fetched, a number of its own.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A fetched value and until when it is good. Many may ask at once; one of them fetches, the others wait for it.
///
/// A value is good for one server only, so that a credential never goes to another than the one it was fetched for.
pub(crate) struct Cached<T> {
    /// Sets this cache's marks apart from those of others.
    id: u64,
    state: Mutex<Option<Entry<T>>>,
    /// The last failure, for those who waited while it happened.
    failed: StdMutex<Option<Failure>>,
    failures: AtomicU64,
}

struct Entry<T> {
    value: Arc<T>,
    id: u64,
    origin: String,
    /// When to fetch anew, and when the value is worth nothing.
    life: Option<(Instant, Instant)>,
}

struct Failure {
    number: u64,
    origin: String,
    error: AuthError,
}

/// What [`Cached::get`] returned, for telling it later that it was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Mark {
    cache: u64,
    id: u64,
    /// Whether the value had been used, or at least fetched, before.
    pub(crate) reused: bool,
}

/// What was fetched, and for how long it is good if that is known.
pub(crate) type Fetched<T> = Result<(T, Option<Duration>), AuthError>;

impl<T> Cached<T> {
    pub(crate) fn new() -> Self {
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            state: Mutex::new(None),
            failed: StdMutex::new(None),
            failures: AtomicU64::new(0),
        }
    }

    /// Returns the value for the server of `endpoint`; `fetch` runs if there is none or if it expires soon.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops its fetch; the next of those who wait begins one of its own.
    pub(crate) async fn get(
        &self,
        endpoint: &Endpoint,
        fetch: impl Future<Output = Fetched<T>>,
    ) -> Result<(Arc<T>, Mark), AuthError> {
        let origin = endpoint.origin();
        let seen = self.failures.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        let old = state.as_ref().filter(|entry| entry.origin == origin);
        let mark = |id, reused| Mark { cache: self.id, id, reused };
        let hit = |entry: &Entry<T>, reused| (Arc::clone(&entry.value), mark(entry.id, reused));
        if let Some(entry) = old.filter(|entry| entry.life.is_none_or(|(renew, _)| Instant::now() < renew)) {
            return Ok(hit(entry, true));
        }
        if let Some(error) = self.failure_since(seen, &origin) {
            return Err(error);
        }
        match fetch.await {
            Ok((value, lifetime)) => {
                let life = lifetime.and_then(|lifetime| {
                    let (now, early) = (Instant::now(), EARLY.min(lifetime / 10));
                    Some((now.checked_add(lifetime - early)?, now.checked_add(lifetime)?))
                });
                let id = NEXT.fetch_add(1, Ordering::Relaxed);
                let entry = state.insert(Entry { value: Arc::new(value), id, origin, life });
                Ok(hit(entry, false))
            }
            // One that still lives is better than none.
            Err(error) => match old.filter(|entry| entry.life.is_some_and(|(_, end)| Instant::now() < end)) {
                Some(entry) => Ok(hit(entry, true)),
                None => {
                    let number = self.failures.fetch_add(1, Ordering::AcqRel) + 1;
                    *self.failed.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(Failure { number, origin, error: error.clone() });
                    Err(error)
                }
            },
        }
    }

    /// Throws the value away if it is the one that was `used`, so that the next [`get`](Self::get) has another. If it is not,
    /// somebody else has been here: what is kept now is newer than what was refused.
    pub(crate) async fn forget(&self, used: Mark) {
        let mut state = self.state.lock().await;
        if state.as_ref().is_some_and(|entry| entry.id == used.id) {
            *state = None;
        }
    }

    /// Returns which of `used` came from here.
    pub(crate) fn find(&self, used: &[Mark]) -> Option<Mark> {
        used.iter().copied().find(|mark| mark.cache == self.id)
    }

    fn failure_since(&self, seen: u64, origin: &str) -> Option<AuthError> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = failed.as_ref().filter(|failure| failure.number > seen && failure.origin == origin)?;
        Some(failure.error.clone())
    }
}

impl<T> fmt::Debug for Cached<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cached(***)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

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

        async fn get_for(&self, url: &str, ok: bool) -> Result<(usize, Mark), AuthError> {
            let endpoint = Endpoint::parse(url).unwrap();
            let fetch = async {
                let n = self.fetches.fetch_add(1, Ordering::Relaxed) + 1;
                sleep(Duration::from_secs(1)).await;
                if ok { Ok((n, self.lifetime)) } else { Err(failed()) }
            };
            self.cached.get(&endpoint, fetch).await.map(|(value, mark)| (*value, mark))
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
    async fn value_for_one_server_is_not_given_for_another() {
        let source = source(None);
        assert_eq!(source.get_for("wss://a", true).await.unwrap().0, 1);
        assert_eq!(source.get_for("wss://b", true).await.unwrap().0, 2);
        assert_eq!(source.get_for("wss://b/app/x", true).await.unwrap().0, 2);
    }
}
