//! What the sockets of one live session share.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    Progress, answer::Lists, index::CallId, journal::Journal, known::Known, tape::Moment, upstream::Link,
};

/// More than a socket that is alive has waiting. Behind it is a client that does not read, while others of its session act.
const MOST_WAITING: usize = 100_000;

/// What the sockets of one live session share: what it has taken from the recording, what is open, and who is to hear of it.
#[derive(Debug, Default)]
pub struct LiveSession {
    state: Mutex<SessionState>,
    journal: Arc<Mutex<Journal>>,
    link: OnceLock<Link>,
}

#[derive(Debug, Default)]
pub(super) struct SessionState {
    pub(super) progress: Progress,
    pub(super) known: Known,
    sockets: Vec<SocketState>,
    last_socket: u64,
    /// When the last socket left; `None` while there is one, or before the first.
    left: Option<Instant>,
}

#[derive(Debug)]
struct SocketState {
    number: u64,
    tape: usize,
    /// Whether another socket plays the recorded connection, so that this one hears what a further socket would.
    is_guest: bool,
    inbox: VecDeque<Heard>,
    waker: Option<Waker>,
}

/// What happens to a socket without its client's doing.
#[derive(Clone, Debug)]
pub(super) enum Heard {
    /// Another socket's call has caused a push on the recorded connection that this one plays.
    Push { call: CallId, moment: Moment, index: usize, after: Duration },
    /// Another socket's call has changed objects.
    Lists { call: CallId, after: Duration },
    /// An upstream has done what another socket asked for: these objects were changed, or all that are open.
    Told { lists: Arc<Lists>, all: bool },
    /// The test, or the user, closes the socket.
    Close(Option<u16>, String),
    /// The test, or the user, breaks the connection.
    Cut,
}

/// A socket's place in its session, which it leaves when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    session: Arc<LiveSession>,
    number: u64,
    pub(super) tape: usize,
    /// Whether the session existed before.
    pub(super) attached: bool,
}

impl LiveSession {
    /// Returns what the session has done, of which only an upstream has need.
    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        // A deed is added whole or not at all.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the way to the upstream, which is made at the first question.
    pub(super) fn link(&self, make: impl FnOnce(Arc<Mutex<Journal>>) -> Link) -> &Link {
        self.link.get_or_init(|| make(self.journal.clone()))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, SessionState> {
        // No panic is possible while it is half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a socket that plays a recorded connection.
    pub(super) fn join(self: &Arc<Self>, tape: usize, attached: bool) -> Seat {
        let mut state = self.lock();
        state.last_socket += 1;
        state.left = None;
        let number = state.last_socket;
        let is_guest = state.sockets.iter().any(|socket| socket.tape == tape);
        state.sockets.push(SocketState { number, tape, is_guest, inbox: VecDeque::new(), waker: None });
        drop(state);
        Seat { session: self.clone(), number, tape, attached }
    }

    /// Tells all sockets.
    pub(super) fn tell_all(&self, heard: &Heard) {
        for socket in &mut self.lock().sockets {
            socket.tell(heard.clone());
        }
    }

    /// Returns how many sockets are open, and when the last one left.
    pub(super) fn presence(&self) -> (usize, Option<Instant>) {
        let state = self.lock();
        (state.sockets.len(), state.left)
    }

    /// Returns whether an open socket plays this recorded connection.
    pub(super) fn plays(&self, tape: usize) -> bool {
        self.lock().sockets.iter().any(|socket| socket.tape == tape && !socket.is_guest)
    }
}

impl SocketState {
    fn tell(&mut self, heard: Heard) {
        if self.inbox.len() >= MOST_WAITING {
            tracing::warn!("a client that does not read was cut: {MOST_WAITING} messages waited for it");
            self.inbox.clear();
            self.inbox.push_back(Heard::Cut);
        }
        self.inbox.push_back(heard);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl SessionState {
    /// Returns whether other sockets are open.
    pub(super) fn has_company(&self) -> bool {
        self.sockets.len() > 1
    }
}

impl Seat {
    pub(super) fn session(&self) -> &Arc<LiveSession> {
        &self.session
    }

    /// Tells the socket that plays `tape`, if it is another one.
    pub(super) fn tell_player(&self, tape: usize, heard: Heard) {
        let mut state = self.session.lock();
        let player = state.sockets.iter_mut().find(|socket| socket.tape == tape && !socket.is_guest);
        if let Some(player) = player.filter(|player| player.number != self.number) {
            player.tell(heard);
        }
    }

    /// Tells the other sockets that play none of these recorded connections themselves.
    pub(super) fn tell_guests(&self, recorded: impl Fn(usize) -> bool, heard: &Heard) {
        for socket in &mut self.session.lock().sockets {
            if socket.number != self.number && (socket.is_guest || !recorded(socket.tape)) {
                socket.tell(heard.clone());
            }
        }
    }

    /// Waits for something that happens to the socket.
    pub(super) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<Heard> {
        let mut state = self.session.lock();
        let Some(socket) = state.sockets.iter_mut().find(|socket| socket.number == self.number) else {
            return Poll::Pending;
        };
        if let Some(heard) = socket.inbox.pop_front() {
            return Poll::Ready(heard);
        }
        match &mut socket.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// Leaves the session, whose time to live begins if this was the last socket. A second time does nothing.
    pub(super) fn leave(&self, now: Instant) {
        let mut state = self.session.lock();
        let before = state.sockets.len();
        state.sockets.retain(|socket| socket.number != self.number);
        if state.sockets.len() == before {
            return;
        }
        if state.sockets.is_empty() {
            state.left = Some(now);
        }
        // Whoever sat beside it takes its place, unless it was a guest itself.
        let mut same = state.sockets.iter_mut().filter(|socket| socket.tape == self.tape);
        if let Some(heir) = same.next() {
            heir.is_guest &= same.any(|socket| !socket.is_guest);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.leave(Instant::now());
    }
}
