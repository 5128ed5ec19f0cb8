//! Between the tasks that relay and the thread that writes: a queue bounded by bytes.

use std::{
    sync::{
        Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use super::{
    Side,
    event::{Batch, Event, Item},
};

/// What an item takes in the queue besides its bytes.
const ITEM: usize = 64;
/// How long the thread lets things collect after it has written, before it looks again.
///
/// Waking a thread costs a busy connection more than all else that recording does; a crash can lose this much.
const NAP: Duration = Duration::from_millis(20);
/// How much ends a nap early, in bytes.
const ENOUGH: usize = 256 << 10;

/// A queue of any number of writers, who wait when it is full, and one reader.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    /// Bytes waiting or being worked on. Changed under the lock, read without.
    charged: AtomicUsize,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    /// Charge of `batch`.
    waiting: usize,
    reader: Reader,
    writers: Vec<Waker>,
    connections: u64,
    /// No reader is there any more, or no writer.
    closed: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Reader {
    #[default]
    Working,
    /// Wants to be woken by enough bytes, or by an item that somebody waits for.
    Napping,
    /// Wants to be woken by anything.
    Sleeping,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::default(), wake: Condvar::new(), charged: AtomicUsize::new(0), limit }
    }

    /// Waits until there is room. One item more passes then, however large it is.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_room() {
            return Poll::Ready(());
        }
        let mut state = self.lock();
        // Room is made under the lock, so that it cannot be missed between this look and the entry in the list.
        if self.has_room() || state.closed {
            return Poll::Ready(());
        }
        if !state.writers.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.writers.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Adds an item, room or not; dropped if nobody reads any more.
    pub(super) fn push(&self, item: Item) {
        self.push_with(|_, _| item);
    }

    /// Adds a few bytes that came over a connection, as [`push`](Self::push) does.
    pub(super) fn push_small(&self, conn: u64, t: u64, from: Side, bytes: &[u8]) {
        self.push_with(|_, all| {
            let start = all.len();
            all.extend_from_slice(bytes);
            Item { conn, t, event: Event::Small(from, start..all.len()) }
        });
    }

    /// Adds what `item` makes of the number of a new connection, and returns that number.
    pub(super) fn push_connection(&self, item: impl FnOnce(u64) -> Item) -> u64 {
        self.push_with(|connections, _| {
            *connections += 1;
            item(*connections)
        })
    }

    fn push_with(&self, item: impl FnOnce(&mut u64, &mut Vec<u8>) -> Item) -> u64 {
        let mut locked = self.lock();
        let state = &mut *locked;
        if state.closed {
            // Numbers are given out all the same.
            drop(item(&mut state.connections, &mut Vec::new()));
            return state.connections;
        }
        let item = item(&mut state.connections, &mut state.batch.bytes);
        let connections = state.connections;
        let (charge, urgent) = (ITEM + item.bytes(), item.is_urgent());
        state.batch.items.push(item);
        state.waiting += charge;
        self.charged.fetch_add(charge, Ordering::Relaxed);
        let wake = match state.reader {
            Reader::Working => false,
            Reader::Napping => urgent || state.waiting >= ENOUGH,
            Reader::Sleeping => true,
        };
        if wake {
            state.reader = Reader::Working;
            drop(locked);
            self.wake.notify_one();
        }
        connections
    }

    /// Takes all that waits into `batch`, which must be empty; waits for something to come, but not longer than `patience`, if there is
    /// some. Returns `false` once the queue is closed and empty.
    ///
    /// `idle` is called before a wait of unknown length.
    pub(super) fn take(&self, batch: &mut Batch, patience: Option<Duration>, idle: impl FnOnce()) -> bool {
        let nap = patience.map_or(NAP, |patience| patience.min(NAP));
        let mut state = self.lock();
        if state.waiting < ENOUGH && !state.closed && !state.batch.items.iter().any(Item::is_urgent) {
            state.reader = Reader::Napping;
            state = self
                .wake
                .wait_timeout_while(state, nap, |state| state.reader == Reader::Napping && !state.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        if state.batch.items.is_empty() && !state.closed {
            state.reader = Reader::Sleeping;
            let asleep = |state: &mut State| state.reader == Reader::Sleeping && !state.closed;
            state = match patience {
                Some(patience) => {
                    let woken = self.wake.wait_timeout_while(state, patience - nap, asleep);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    idle();
                    state.batch.shrink();
                    batch.shrink();
                    self.wake.wait_while(state, asleep).unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
        state.reader = Reader::Working;
        state.waiting = 0;
        std::mem::swap(&mut state.batch, batch);
        !(batch.items.is_empty() && state.closed)
    }

    /// Makes room: items of this many bytes in all were worked on.
    pub(super) fn release(&self, items: usize, bytes: usize) {
        let mut state = self.lock();
        self.charged.fetch_sub(items * ITEM + bytes, Ordering::Relaxed);
        if self.has_room() {
            state.writers.drain(..).for_each(Waker::wake);
        }
    }

    /// Lets nobody wait any longer: the reader takes what is left, and what writers add is dropped.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.writers.drain(..).for_each(Waker::wake);
        drop(state);
        self.wake.notify_one();
    }

    /// Returns the bytes that wait or are being worked on, with what the items take besides.
    pub(super) fn charged(&self) -> usize {
        self.charged.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        self.charged() < self.limit
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing under the lock leaves the state half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, task::Wake};

    use bytes::Bytes;

    use super::*;

    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn chunk(size: usize) -> Item {
        Item { conn: 1, t: 0, event: Event::Chunk(Side::Client, vec![0; size].into()) }
    }

    #[test]
    fn full_queue_lets_writers_wait_and_wakes_them_when_there_is_room() {
        let woken = Arc::new(Woken(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        let queue = Queue::new(1000);
        assert!(queue.poll_room(&mut cx).is_ready());
        queue.push(chunk(5000));
        assert!(queue.poll_room(&mut cx).is_pending());
        assert!(queue.poll_room(&mut cx).is_pending());
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch, None, || {}));
        assert!(queue.poll_room(&mut cx).is_pending(), "taken is not yet worked on");
        queue.release(1, 5000);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(queue.poll_room(&mut cx).is_ready());
    }

    #[test]
    fn closing_ends_all_waits_and_hands_out_the_rest() {
        let queue = Queue::new(1);
        queue.push(Item { conn: 1, t: 0, event: Event::Chunk(Side::Client, Bytes::from_static(b"a")) });
        queue.close();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(queue.poll_room(&mut cx).is_ready());
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch, None, || {}));
        assert_eq!(batch.items.len(), 1);
        batch.items.clear();
        queue.push(chunk(1));
        assert!(!queue.take(&mut batch, None, || {}));
    }

    #[test]
    fn small_pieces_keep_their_bytes_and_their_place() {
        let queue = Queue::new(1000);
        queue.push_small(1, 5, Side::Client, b"ab");
        queue.push(chunk(3));
        queue.push_small(2, 6, Side::Engine, b"c");
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch, None, || {}));
        let pieces = batch.items.iter().map(|item| match &item.event {
            Event::Small(from, range) => (item.conn, *from, &batch.bytes[range.clone()]),
            Event::Chunk(from, bytes) => (item.conn, *from, &bytes[..]),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            pieces.collect::<Vec<_>>(),
            [(1, Side::Client, &b"ab"[..]), (1, Side::Client, &[0; 3]), (2, Side::Engine, b"c")]
        );
        assert_eq!(queue.charged.load(Ordering::Relaxed), 3 * ITEM + 6);
    }

    #[test]
    fn heads_of_exchanges_and_upgrades_take_their_place_in_the_queue() {
        use crate::record::{event::Upgraded, exchange::tests::exchanged};

        let queue = Queue::new(1 << 20);
        let long = "x".repeat(4000);
        let mut exchanged = exchanged();
        exchanged.url = long.clone();
        exchanged.request.append("user-agent", long.parse().unwrap());
        exchanged.response.append("etag", long.parse().unwrap());
        queue.push(Item { conn: 0, t: 0, event: Event::Http(Box::new(exchanged)) });
        assert!(queue.charged() > 12_000, "{}", queue.charged());
        let header = vec![("a".to_owned(), long)];
        let upgraded = Upgraded { request: header, ..Upgraded::default() };
        queue.push(Item { conn: 0, t: 0, event: Event::Refused(Box::new(upgraded)) });
        assert!(queue.charged() > 16_000, "{}", queue.charged());
        let mut batch = Batch::default();
        assert!(queue.take(&mut batch, None, || {}));
        queue.release(2, batch.items.iter().map(Item::bytes).sum());
        assert_eq!(queue.charged(), 0);
    }

    #[test]
    fn what_is_due_is_not_slept_through() {
        // Machines may be slow, but not each time.
        let took = (0..50).map(|_| {
            let (queue, start) = (Queue::new(1000), std::time::Instant::now());
            assert!(queue.take(&mut Batch::default(), Some(Duration::from_millis(1)), || {}));
            start.elapsed()
        });
        let fastest = took.min().unwrap();
        assert!(fastest < NAP, "{fastest:?}");
    }

    #[test]
    fn connections_are_numbered_even_if_nobody_reads_any_more() {
        let queue = Queue::new(1000);
        queue.close();
        let open = |conn| Item { conn, t: 0, event: Event::Rotate };
        assert_eq!([queue.push_connection(open), queue.push_connection(open)], [1, 2]);
    }
}
