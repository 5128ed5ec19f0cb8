//! One live connection: what is to be sent, what has come.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use qix_protocol::{
    ChangeSet, Handle,
    frame::engine::{Frame, Kind},
};
use qix_transport::{Closed, Message, Socket};
use tokio::time::Instant;

use super::{
    handles::Handles,
    refusal::{NotSent, Why},
};

/// How many messages of one socket are taken in before the others have their turn.
const BURST: usize = 64;
/// How many answers are kept that nobody has asked for yet: more than any client has in flight.
const MOST_KEPT: usize = 65_536;
/// After how many answers that were waited for in vain an engine that says nothing else is given up.
const MOST_SILENT: u32 = 3;
/// Of how many requests the live id is kept: nobody asks for the progress of older ones.
const MOST_IDS: usize = 1 << 15;
/// How many names of notifications are kept.
const MOST_NAMES: usize = 64;

/// A live connection, and its recorded one as far as that was read.
pub(super) struct Lane {
    socket: Option<Box<dyn Socket>>,
    /// Why there is no socket any more.
    pub(super) ended: Option<Why>,
    /// How the engine has ended it.
    pub(super) closed: Option<Closed>,
    outbox: VecDeque<Bytes>,
    unflushed: bool,
    last_id: u64,
    pending: HashMap<u64, Instant>,
    answers: HashMap<u64, Reply>,
    /// How many answers were waited for in vain since the engine has said anything.
    silent: u32,
    pub(super) session: usize,
    pub(super) handles: Handles,
    /// The live ids of the latest recorded requests, by the recorded id.
    pub(super) request_ids: HashMap<Bytes, u64>,
    /// What became of recorded requests that are not answered yet, by the number of their entry.
    pub(super) calls: HashMap<u64, Result<u64, NotSent>>,
    pub(super) recorded: Heard<Handle>,
    pub(super) live: Heard<Handle>,
}

/// A live answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) text: Bytes,
    pub(super) took: Duration,
}

/// What an engine has said besides answers.
#[derive(Debug)]
pub(super) struct Heard<H> {
    pub(super) changed: BTreeSet<H>,
    pub(super) closed: BTreeSet<H>,
    /// What it said of the session, first.
    pub(super) state: Option<String>,
    /// Other notifications.
    pub(super) names: BTreeSet<String>,
}

impl<H> Default for Heard<H> {
    fn default() -> Self {
        Self { changed: BTreeSet::new(), closed: BTreeSet::new(), state: None, names: BTreeSet::new() }
    }
}

impl Heard<Handle> {
    pub(super) fn lists(&mut self, changes: &ChangeSet) {
        self.changed.extend(&changes.changed);
        self.closed.extend(&changes.closed);
    }

    /// Takes in a message that is no answer.
    pub(super) fn unasked(&mut self, frame: &Frame<'_>) {
        if let Kind::Notification { method, params, .. } = &frame.kind {
            if method == "OnConnected" {
                let state = params.and_then(|params| params.member("qSessionState")?.decode::<String>().ok());
                self.state = self.state.take().or(state);
            } else if self.names.len() < MOST_NAMES {
                self.names.insert(method.clone().into_owned());
            }
        }
    }
}

impl Lane {
    pub(super) fn new(session: usize, socket: Result<Box<dyn Socket>, Why>) -> Self {
        let (socket, ended) = match socket {
            Ok(socket) => (Some(socket), None),
            Err(why) => (None, Some(why)),
        };
        Self {
            socket,
            ended,
            closed: None,
            outbox: VecDeque::new(),
            unflushed: false,
            last_id: 0,
            pending: HashMap::new(),
            answers: HashMap::new(),
            silent: 0,
            session,
            handles: Handles::default(),
            request_ids: HashMap::new(),
            calls: HashMap::new(),
            recorded: Heard::default(),
            live: Heard::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Returns whether nothing waits to be sent, or can be.
    pub(super) fn has_sent(&self) -> bool {
        self.socket.is_none() || self.outbox.is_empty() && !self.unflushed
    }

    /// Returns an id that no request of this connection has had.
    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Notes the live id of a recorded request, whose text is not to be kept for it.
    pub(super) fn knows(&mut self, recorded: &[u8], id: u64) {
        if self.request_ids.len() >= MOST_IDS {
            let latest = self.last_id;
            self.request_ids.retain(|_, live| *live + MOST_IDS as u64 / 2 > latest);
        }
        self.request_ids.insert(Bytes::copy_from_slice(recorded), id);
    }

    /// Sends a request with the next poll.
    pub(super) fn send(&mut self, id: u64, text: Bytes) {
        self.pending.insert(id, Instant::now());
        self.outbox.push_back(text);
    }

    /// Returns whether there is nothing to wait for: the answer is there, or will never be.
    pub(super) fn is_settled(&self, id: u64) -> bool {
        self.answers.contains_key(&id) || self.socket.is_none()
    }

    pub(super) fn take(&mut self, id: u64) -> Option<Reply> {
        self.pending.remove(&id);
        self.answers.remove(&id)
    }

    /// Takes the socket out, to close it.
    pub(super) fn take_socket(&mut self) -> Option<Box<dyn Socket>> {
        self.socket.take()
    }

    /// Writes and reads what can be; returns whether something has happened.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if let Err(closed) = self.poll_send(cx) {
            // What the engine has said before is still to be read.
            if self.poll_receive(cx) && self.socket.is_none() {
                return true;
            }
            self.end(closed);
            return true;
        }
        self.poll_receive(cx)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<(), Closed> {
        let Some(socket) = &mut self.socket else { return Ok(()) };
        while let Some(text) = self.outbox.front() {
            match socket.poll_ready(cx)? {
                Poll::Ready(()) => socket.send(text.clone())?,
                Poll::Pending => break,
            }
            self.outbox.pop_front();
            self.unflushed = true;
        }
        if self.unflushed && socket.poll_flush(cx)?.is_ready() {
            self.unflushed = false;
        }
        Ok(())
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> bool {
        for heard in 0..BURST {
            let Some(socket) = &mut self.socket else { return heard > 0 };
            match socket.poll_receive(cx) {
                Poll::Ready(Ok(Message::Text(text))) => self.heard(text),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(closed)) => {
                    self.end(closed);
                    return true;
                }
                Poll::Pending => return heard > 0,
            }
        }
        true
    }

    /// Notes that an answer was waited for in vain; an engine that says nothing any more is given up.
    pub(super) fn missed(&mut self) {
        self.silent += 1;
        if self.silent >= MOST_SILENT && self.socket.is_some() {
            self.socket = None;
            self.outbox.clear();
            let why =
                format!("the engine has left {MOST_SILENT} calls without answer, and has said nothing else");
            self.ended = Some(why.into());
        }
    }

    /// Forgets a request whose answer nobody will ask for.
    pub(super) fn abandon(&mut self, seq: u64) {
        if let Some(Ok(id)) = self.calls.remove(&seq) {
            self.take(id);
        }
    }

    fn heard(&mut self, text: Bytes) {
        self.silent = 0;
        let Ok(frame) = Frame::parse(&text) else { return };
        self.live.lists(&frame.changes);
        match &frame.kind {
            Kind::Response(response) => {
                let id = response.id.and_then(|id| id.as_integer::<u64>());
                if let Some(id) = id
                    && let Some(sent) = self.pending.remove(&id)
                    && self.answers.len() < MOST_KEPT
                {
                    self.answers.insert(id, Reply { text: text.clone(), took: sent.elapsed() });
                }
            }
            _ => self.live.unasked(&frame),
        }
    }

    fn end(&mut self, closed: Closed) {
        self.socket = None;
        self.outbox.clear();
        self.ended = Some(format!("the engine has ended the connection: {closed}").into());
        self.closed = Some(closed);
    }
}
