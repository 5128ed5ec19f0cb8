//! What the engine, and the proxy in front of it, say unasked.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use futures_core::Stream;
use qix_protocol::Notification;

/// How many notifications are kept for listeners that come late or are slow, the greetings not counted.
const KEPT: usize = 64;

/// About how many bytes those may have, together.
const KEPT_BYTES: usize = 1 << 20;

/// The notifications of a session, kept for whoever listens.
#[derive(Default)]
pub(crate) struct Notices(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// How many there were.
    count: u64,
    /// Each with its number, in order.
    kept: VecDeque<(u64, Notification)>,
    bytes: usize,
    ended: bool,
    listeners: u64,
    waiting: BTreeMap<u64, Waker>,
}

impl Notices {
    pub(crate) fn push(&self, notification: Notification) {
        let mut inner = self.lock();
        let number = inner.count;
        inner.count += 1;
        inner.bytes += size(&notification);
        inner.kept.push_back((number, notification));
        inner.trim();
        let waiting = mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
    }

    pub(crate) fn end(&self) {
        let mut inner = self.lock();
        inner.ended = true;
        let waiting = mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_values().for_each(Waker::wake);
    }

    /// Returns the session state of the latest `OnConnected`.
    pub(crate) fn greeting(&self) -> Option<String> {
        let inner = self.lock();
        let (_, latest) = inner.kept.iter().rev().find(|(_, kept)| kept.method == "OnConnected")?;
        latest.params().member("qSessionState")?.decode().ok()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under this lock can panic half-way; a poisoned one is as good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets the oldest that are no greetings. Of greetings, the latest with its name is kept.
    fn trim(&mut self) {
        loop {
            let latest = |at: usize| {
                let method = &self.kept[at].1.method;
                is_greeting(method)
                    && !self.kept.iter().skip(at + 1).any(|(_, later)| later.method == *method)
            };
            let pinned = self.kept.iter().filter(|(_, kept)| is_greeting(&kept.method)).count().min(2);
            if self.kept.len() <= KEPT + pinned && (self.bytes <= KEPT_BYTES || self.kept.len() <= pinned + 1)
            {
                return;
            }
            // The newest stays: somebody may be about to hear it.
            let Some(oldest) = (0..self.kept.len() - 1).find(|at| !latest(*at)) else { return };
            if let Some((_, gone)) = self.kept.remove(oldest) {
                self.bytes -= size(&gone);
            }
        }
    }
}

fn is_greeting(method: &str) -> bool {
    matches!(method, "OnConnected" | "OnAuthenticationInformation")
}

fn size(notification: &Notification) -> usize {
    notification.method.len() + notification.params().as_bytes().len()
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").finish_non_exhaustive()
    }
}

/// The notifications of a session, from its beginning: [`Session::notifications`](crate::Session::notifications).
///
/// Whoever begins to listen late hears the greetings and the latest 64 others first. A slow listener holds nobody up; what it
/// was too slow for is counted by [`missed`](Self::missed). Ends with the session.
#[must_use = "streams do nothing unless they are polled"]
pub struct Notifications {
    notices: Arc<crate::session::Shared>,
    listener: u64,
    /// The number of the next.
    next: u64,
    missed: u64,
}

impl Notifications {
    pub(crate) fn new(notices: Arc<crate::session::Shared>) -> Self {
        let mut inner = notices.notices.lock();
        let listener = inner.listeners;
        inner.listeners += 1;
        drop(inner);
        Self { notices, listener, next: 0, missed: 0 }
    }

    /// Returns the next notification; `None` once the session has ended.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Notification> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns how many notifications were forgotten before this listener came to them.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl Stream for Notifications {
    type Item = Notification;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notification>> {
        let this = self.get_mut();
        let mut inner = this.notices.notices.lock();
        let at = inner.kept.partition_point(|(number, _)| *number < this.next);
        match inner.kept.get(at) {
            Some((number, notification)) => {
                this.missed += number - this.next;
                this.next = number + 1;
                Poll::Ready(Some(notification.clone()))
            }
            None if inner.ended => Poll::Ready(None),
            None => {
                inner.waiting.insert(this.listener, cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Notifications {
    fn drop(&mut self) {
        self.notices.notices.lock().waiting.remove(&self.listener);
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifications")
            .field("next", &self.next)
            .field("missed", &self.missed)
            .finish_non_exhaustive()
    }
}
