//! Between the recorder's thread, which must not wait, and the thread that shows: a queue that leaves out what does not fit.

use std::{
    path::{Path, PathBuf},
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use crate::record::{Observer, Seen, Side, Standing};

/// How many bytes may wait to be shown.
const LIMIT: usize = 32 << 20;
/// What an item takes besides its bytes.
const ITEM: usize = 64;
/// Of larger messages only the beginning is handed on.
const LARGE: usize = 4 << 20;
/// How much that is.
const START: usize = 1 << 10;
/// How long things collect before they are shown, so that the recorder does not wake a thread for each message.
const NAP: Duration = Duration::from_millis(40);

/// What happened, in an order, for one reader.
#[derive(Debug)]
pub(crate) struct Feed {
    state: Mutex<State>,
    wake: Condvar,
    counters: Counters,
}

#[derive(Debug, Default)]
struct State {
    items: Vec<Item>,
    bytes: usize,
    /// Messages that were left out since the last item.
    lost: u64,
    status: Status,
    asleep: bool,
    closed: bool,
}

/// Something to be shown.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Item {
    pub(super) conn: u64,
    /// Microseconds since the recording began.
    pub(super) t: u64,
    pub(super) what: What,
}

#[derive(Debug, Eq, PartialEq)]
pub(super) enum What {
    Opened(String),
    Refused(String, u16, Option<String>),
    Text(Side, Vec<u8>),
    Exchanged(Box<Exchanged>),
    /// The beginning of a message of the engine, and the size of all of it.
    Large(Vec<u8>, u64),
    Closed {
        by: Option<Side>,
        code: Option<u16>,
        reason: String,
        clean: bool,
        error: Option<String>,
    },
    /// So many messages were left out here.
    Lost(u64),
    /// A line of the log, which shares the terminal.
    Log(Vec<u8>),
}

/// An exchange of plain HTTP, as [`Seen::Exchanged`] has it.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Exchanged {
    method: String,
    /// Without the query, which nobody is shown.
    path: String,
    status: Option<u16>,
    took: u64,
    sent: u64,
    answered: u64,
    error: Option<String>,
}

impl Exchanged {
    pub(super) fn seen(&self) -> Seen<'_> {
        let Self { method, path, status, took, sent, answered, error } = self;
        let (status, took, sent, answered) = (*status, *took, *sent, *answered);
        Seen::Exchanged { method, url: path, status, took, sent, answered, error: error.as_deref() }
    }
}

/// Where the recording stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Status {
    /// When the recording began.
    pub(crate) begun: Option<SystemTime>,
    /// The current file.
    pub(crate) file: PathBuf,
    /// Its size.
    pub(crate) file_size: u64,
    /// The size of all files so far.
    pub(crate) bytes: u64,
    /// How many files were begun.
    pub(crate) files: u64,
    /// Messages and exchanges that could not be recorded.
    pub(crate) missing: u64,
}

/// Numbers that only grow, [`closed`](Self::closed) among them.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    opened: AtomicU64,
    closed: AtomicU64,
    refused: AtomicU64,
    bytes: [AtomicU64; 2],
    messages: [AtomicU64; 2],
    bodies: [AtomicU64; 2],
    lost: AtomicU64,
}

impl Counters {
    /// Returns how many connections were established.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// Returns how many connections are open.
    pub(crate) fn open(&self) -> u64 {
        // Read first, so that one that opens and closes in between cannot make it negative.
        let closed = self.closed.load(Relaxed);
        self.opened().saturating_sub(closed)
    }

    /// Returns how many upgrades did not come about.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Relaxed)
    }

    /// Returns how many bytes a side has sent, WebSocket's own included.
    pub(crate) fn bytes(&self, from: Side) -> u64 {
        self.bytes[index(from)].load(Relaxed)
    }

    /// Returns how many messages a side has sent.
    pub(crate) fn messages(&self, from: Side) -> u64 {
        self.messages[index(from)].load(Relaxed)
    }

    /// Returns how many bytes of bodies of plain HTTP a side has sent.
    pub(crate) fn bodies(&self, from: Side) -> u64 {
        self.bodies[index(from)].load(Relaxed)
    }

    /// Returns how many messages and exchanges were recorded but not looked at.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Relaxed)
    }
}

fn index(from: Side) -> usize {
    match from {
        Side::Client => 0,
        Side::Engine => 1,
    }
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), counters: Counters::default() }
    }

    /// Returns what was counted.
    pub(crate) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Returns where the recording stands.
    pub(crate) fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// Hands a line of the log on. Returns `false` if nobody reads any more, or too much waits.
    pub(crate) fn log(&self, line: &[u8]) -> bool {
        let state = self.lock();
        if state.closed || state.bytes >= 2 * LIMIT {
            return false;
        }
        self.push(state, Item { conn: 0, t: 0, what: What::Log(line.to_vec()) }, line.len());
        true
    }

    /// Ends the feed: the reader takes what is left.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.wake.notify_all();
    }

    /// Takes all that waits into `items`; waits for something, but not longer than `patience`, if there is some. Returns `false` once the
    /// feed has ended.
    pub(super) fn take(&self, items: &mut Vec<Item>, patience: Option<Duration>) -> bool {
        let mut state = self.lock();
        if state.items.is_empty() && !state.closed {
            state.asleep = true;
            let asleep = |state: &mut State| state.asleep && !state.closed;
            state = match patience {
                Some(patience) => {
                    let woken = self.wake.wait_timeout_while(state, patience, asleep);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner),
            };
            state.asleep = false;
        }
        let nap = self.wake.wait_timeout_while(state, NAP, |state| !state.closed);
        state = nap.unwrap_or_else(PoisonError::into_inner).0;
        mark_lost(&mut state);
        state.bytes = 0;
        std::mem::swap(&mut state.items, items);
        !state.closed
    }

    fn push(&self, mut state: MutexGuard<'_, State>, item: Item, bytes: usize) {
        mark_lost(&mut state);
        state.items.push(item);
        state.bytes += ITEM + bytes;
        self.wake_reader(state);
    }

    fn wake_reader(&self, mut state: MutexGuard<'_, State>) {
        if std::mem::take(&mut state.asleep) {
            drop(state);
            self.wake.notify_all();
        }
    }

    fn message(&self, conn: u64, t: u64, from: Side, text: &[u8]) {
        let (what, bytes) = match from {
            Side::Engine if text.len() > LARGE => {
                (What::Large(text[..START].to_vec(), text.len() as u64), START)
            }
            _ => (What::Text(from, Vec::new()), text.len()),
        };
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.bytes + ITEM + bytes > LIMIT {
            state.lost += 1;
            self.counters.lost.fetch_add(1, Relaxed);
            return;
        }
        drop(state);
        // Copied without the lock, which a thread of the runtime may want for a line of the log.
        let what = match what {
            What::Text(from, _) => What::Text(from, text.to_vec()),
            large => large,
        };
        self.push(self.lock(), Item { conn, t, what }, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mark_lost(state: &mut State) {
    if state.lost > 0 {
        let what = What::Lost(std::mem::take(&mut state.lost));
        state.items.push(Item { conn: 0, t: 0, what });
    }
}

impl Observer for Feed {
    fn begun(&self, at: SystemTime) {
        self.lock().status.begun = Some(at);
    }

    fn saw(&self, conn: u64, t: u64, seen: &Seen<'_>) {
        let counters = &self.counters;
        let (what, bytes) = match *seen {
            Seen::Bytes { from, count } => {
                counters.bytes[index(from)].fetch_add(count, Relaxed);
                return;
            }
            Seen::Text { from, text } => {
                counters.messages[index(from)].fetch_add(1, Relaxed);
                return self.message(conn, t, from, text);
            }
            Seen::Other { from, .. } => {
                counters.messages[index(from)].fetch_add(1, Relaxed);
                return;
            }
            Seen::Exchanged { method, url, status, took, sent, answered, error } => {
                counters.bodies[index(Side::Client)].fetch_add(sent, Relaxed);
                counters.bodies[index(Side::Engine)].fetch_add(answered, Relaxed);
                let path = url.split('?').next().unwrap_or_default();
                let bytes = size_of::<Exchanged>() + method.len() + path.len() + error.map_or(0, str::len);
                let mut state = self.lock();
                if state.closed {
                    return;
                }
                if state.bytes + ITEM + bytes > LIMIT {
                    state.lost += 1;
                    counters.lost.fetch_add(1, Relaxed);
                    return;
                }
                let (method, path) = (method.to_owned(), path.to_owned());
                let error = error.map(str::to_owned);
                let exchanged = Exchanged { method, path, status, took, sent, answered, error };
                let what = What::Exchanged(Box::new(exchanged));
                return self.push(state, Item { conn, t, what }, bytes);
            }
            Seen::Opened { url } => {
                counters.opened.fetch_add(1, Relaxed);
                (What::Opened(url.to_owned()), url.len())
            }
            Seen::Refused { url, status, error } => {
                counters.refused.fetch_add(1, Relaxed);
                let bytes = url.len() + error.map_or(0, str::len);
                (What::Refused(url.to_owned(), status, error.map(str::to_owned)), bytes)
            }
            Seen::Closed { by, code, reason, clean, error } => {
                counters.closed.fetch_add(1, Relaxed);
                let bytes = reason.len() + error.map_or(0, str::len);
                let (reason, error) = (reason.to_owned(), error.map(str::to_owned));
                (What::Closed { by, code, reason, clean, error }, bytes)
            }
        };
        let state = self.lock();
        // Connections come and go as often as a client likes. Those that nobody sees come or go make the view a little wrong.
        if !state.closed && state.bytes < 2 * LIMIT {
            self.push(state, Item { conn, t, what }, bytes);
        }
    }

    fn stands(&self, standing: &Standing<'_>) {
        let &Standing { file, file_size, bytes, files, missing } = standing;
        let mut state = self.lock();
        let status = &mut state.status;
        let news = (status.file_size, status.bytes, status.missing) != (file_size, bytes, missing);
        (status.file_size, status.bytes, status.files, status.missing) = (file_size, bytes, files, missing);
        if status.file != *file {
            status.file = Path::to_owned(file);
        }
        if news {
            self.wake_reader(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(feed: &Feed) -> Vec<Item> {
        let mut items = Vec::new();
        feed.take(&mut items, Some(Duration::ZERO));
        items
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted_where_it_is_missing() {
        let feed = Feed::new();
        let text = vec![b' '; LARGE];
        let message = |feed: &Feed| feed.saw(1, 5, &Seen::Text { from: Side::Client, text: &text });
        for _ in 0..20 {
            message(&feed);
        }
        let closed = Seen::Closed { by: None, code: None, reason: "", clean: true, error: None };
        feed.saw(1, 6, &closed);
        let kept: Vec<_> = items(&feed).into_iter().map(|item| item.what).collect();
        let fit = LIMIT / (LARGE + ITEM);
        assert_eq!(kept.len(), fit + 2);
        assert_eq!(kept[fit], What::Lost(20 - fit as u64));
        assert!(matches!(kept[fit + 1], What::Closed { .. }));
        assert_eq!((feed.counters().lost(), feed.counters().messages(Side::Client)), (20 - fit as u64, 20));
        message(&feed);
        assert_eq!(items(&feed).len(), 1, "there is room again");
    }

    #[test]
    fn flood_of_exchanges_is_counted_and_takes_no_more_memory_than_messages() {
        let feed = Feed::new();
        let url = format!("/{}?x", "x".repeat(1 << 20));
        let seen = |url| Seen::Exchanged {
            method: "GET",
            url,
            status: Some(200),
            took: 1,
            sent: 2,
            answered: 3,
            error: None,
        };
        for _ in 0..40 {
            feed.saw(0, 5, &seen(&url));
        }
        let lost = feed.counters().lost();
        assert!(lost >= 8, "{lost}");
        assert_eq!([Side::Client, Side::Engine].map(|side| feed.counters().bodies(side)), [80, 120]);
        let kept = items(&feed);
        assert_eq!(kept.len() as u64, 40 - lost + 1);
        let What::Exchanged(first) = &kept[0].what else { panic!("{:?}", kept[0].t) };
        assert_eq!(first.seen(), seen(&url[..url.len() - 2]));
    }

    #[test]
    fn long_urls_of_connections_nobody_reads_of_do_not_fill_memory() {
        let feed = Feed::new();
        let url = "x".repeat(1 << 20);
        for _ in 0..50 {
            feed.saw(1, 5, &Seen::Opened { url: &url });
            feed.saw(1, 5, &Seen::Refused { url: &url, status: 500, error: Some(&url) });
        }
        let kept = items(&feed).into_iter().map(|item| match item.what {
            What::Opened(url) => url.len(),
            What::Refused(url, _, error) => url.len() + error.map_or(0, |error| error.len()),
            other => panic!("{other:?}"),
        });
        let kept: usize = kept.sum();
        assert!(kept < 3 * LIMIT, "{kept}");
    }

    #[test]
    fn of_a_large_answer_the_beginning_is_handed_on() {
        let feed = Feed::new();
        feed.saw(1, 5, &Seen::Text { from: Side::Engine, text: &vec![b'x'; LARGE + 1] });
        let [Item { what: What::Large(start, size), .. }] = &items(&feed)[..] else { panic!("one item") };
        assert_eq!((start.len(), *size), (START, LARGE as u64 + 1));
    }

    #[test]
    fn ended_feed_hands_out_the_rest_and_takes_nothing_more() {
        let feed = Feed::new();
        assert!(feed.log(b"a"));
        feed.close();
        assert!(!feed.log(b"b"));
        let mut items = Vec::new();
        assert!(!feed.take(&mut items, None));
        assert_eq!(items.len(), 1);
    }
}
