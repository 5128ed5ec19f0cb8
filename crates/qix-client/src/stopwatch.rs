//! When what happens to requests, for those who measure it.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use qix_protocol::RequestId;

/// What the driver notes of one call.
#[derive(Debug, Default)]
pub(crate) struct Times(Mutex<Noted>);

/// What was noted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Noted {
    /// When the text of the first try was handed to the socket.
    pub(crate) written: Option<Instant>,
    /// When the answer to the last try had been read.
    pub(crate) answered: Option<Instant>,
    /// Bytes of the texts of all tries.
    pub(crate) sent: usize,
}

impl Times {
    pub(crate) fn noted(&self) -> Noted {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        // Plain values are as good after a panic as before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The driver's part; a session that measures nothing has none of it.
#[derive(Default)]
pub(crate) struct Stopwatch(Option<Box<Running>>);

#[derive(Default)]
struct Running {
    /// How many texts the socket has taken since the first call was measured.
    handed_over: usize,
    /// Measured calls before their text is handed over, by which text it is.
    queued: VecDeque<(usize, Arc<Times>)>,
    unanswered: HashMap<RequestId, Arc<Times>>,
}

impl Stopwatch {
    /// A call was taken up, or is sent again on another socket; its text is the last of so many that wait for the socket.
    pub(crate) fn taken_up(&mut self, id: RequestId, times: Option<Arc<Times>>, untransmitted: usize) {
        let known = || self.0.as_ref()?.unanswered.get(&id).cloned();
        let Some(times) = times.or_else(known) else { return };
        // That of the try before.
        times.lock().answered = None;
        let running = self.0.get_or_insert_default();
        running.queued.push_back((running.handed_over + untransmitted, times.clone()));
        running.unanswered.insert(id, times);
    }

    /// The socket takes the next text.
    pub(crate) fn handed_over(&mut self, bytes: usize, now: impl FnOnce() -> Instant) {
        let Some(running) = &mut self.0 else { return };
        running.handed_over += 1;
        let is_next = running.queued.front().is_some_and(|(at, _)| *at <= running.handed_over);
        if is_next && let Some((_, times)) = running.queued.pop_front() {
            let mut noted = times.lock();
            noted.written.get_or_insert_with(now);
            noted.sent += bytes;
        }
    }

    /// The answer to a call was read, or it has failed.
    pub(crate) fn answered(&mut self, id: RequestId, now: impl FnOnce() -> Instant) {
        let Some(running) = &mut self.0 else { return };
        if let Some(times) = running.unanswered.remove(&id) {
            times.lock().answered = Some(now());
        }
    }

    /// There is another socket, and the texts that waited for the one before it are gone, as are calls that failed with it.
    pub(crate) fn forget_queued(&mut self) {
        if let Some(running) = &mut self.0 {
            running.queued.clear();
            running.unanswered.retain(|_, times| Arc::strong_count(times) > 1);
        }
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn forget(&mut self, id: RequestId) {
        if let Some(running) = &mut self.0 {
            running.unanswered.remove(&id);
        }
    }
}
