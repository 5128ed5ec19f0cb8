//! The task that asks the upstream for one live session.

use std::{
    collections::HashSet,
    fmt::Display,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use qix_protocol::{ChangeSet, Handle, Lineage, frame::Raw};
use qix_transport::{CloseCode, Connect, Message, SocketExt, WsSocket};
use tokio::{sync::mpsc, time::timeout};

use super::{
    Ask, Question, Told, Upstream,
    mirror::{Answer, Heard, Mirror},
};
use crate::{
    chain::chain,
    record::Side,
    replay::{
        journal::{Deed, Journal},
        key::shortened,
        path::SessionPath,
    },
};

/// The engine's code for an app that the session has opened already.
const ALREADY_OPEN: i32 = 1002;

/// A live session's conversation with the upstream.
pub(super) struct Line {
    upstream: Upstream,
    path: String,
    journal: Arc<Mutex<Journal>>,
    open: Option<Open>,
}

/// A connection, and how far it has come.
struct Open {
    socket: WsSocket,
    /// Its number in the recording.
    conn: Option<u64>,
    mirror: Mirror,
    /// How many deeds were done again.
    done: usize,
    /// Deeds that were done here in the first place.
    own: HashSet<usize>,
    /// Lists that came while the question was asked.
    lists: Vec<ChangeSet>,
}

impl Line {
    pub(super) fn new(upstream: Upstream, path: String, journal: Arc<Mutex<Journal>>) -> Self {
        Self { upstream, path, journal, open: None }
    }

    /// Answers questions, one after the other, until nobody can ask any more.
    pub(super) async fn run(mut self, mut questions: mpsc::Receiver<Question>) {
        loop {
            let question = tokio::select! {
                question = questions.recv() => question,
                () = self.listen() => continue,
            };
            let Some(Question { ask, back, underway }) = question else { break };
            let patience = self.upstream.0.patience;
            let told = match timeout(patience, self.answer(&ask)).await {
                Ok(told) => told,
                Err(_) => {
                    // An answer may still come, and belongs to nothing then.
                    self.hang_up(None).await;
                    Err(format!("it did not answer within {patience:?}"))
                }
            };
            // What it has changed is noted by now.
            drop(underway);
            // An error means that the client is gone.
            let _ = back.send((ask, told));
        }
        self.hang_up(Some(CloseCode::NORMAL)).await;
    }

    /// Hears what the upstream says unasked, so that pings are answered and an end is noticed.
    async fn listen(&mut self) {
        let Some(open) = &mut self.open else { return std::future::pending().await };
        match open.socket.receive().await {
            Ok(Message::Text(text)) => {
                if let Ok(Heard::Lists(changes)) = open.mirror.heard(&text, Some(0)) {
                    open.mirror.close(&changes.closed);
                }
                self.record(Side::Engine, &text);
            }
            Ok(_) => {}
            Err(closed) => self.ended(&closed),
        }
    }

    async fn answer(&mut self, ask: &Ask) -> Result<Told, String> {
        let after = ask.after.ok_or("this session has changed too much for all of it to be done again")?;
        self.connect().await?;
        while let Some(number) = self.open.as_ref().map(|open| open.done).filter(|done| *done < after) {
            let deed = self.journal().deed(number).filter(|deed| deed.writes());
            if let Some(deed) = deed.filter(|_| !self.is_own(number)) {
                self.repeat(&deed).await?;
            }
            if let Some(open) = &mut self.open {
                open.done = number + 1;
            }
        }
        let on = self.reach(&ask.on).await?;
        if let Some(open) = &mut self.open {
            open.lists.clear();
        }
        let answer = self.call(on, &ask.method, ask.params.as_ref(), ask.id.is_some()).await?;
        self.tell(ask, &answer)
    }

    fn tell(&mut self, ask: &Ask, answer: &Answer) -> Result<Told, String> {
        let journal = self.journal.clone();
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.open.as_mut().ok_or_else(gone)?;
        // What is opened is called as it will be in the recording, and shown.
        let params = ask.clean.as_deref().and_then(|params| Raw::new(params).ok());
        let lists = std::mem::take(&mut open.lists);
        let mut told = open.mirror.tell(answer, &lists, |mirror, reference| {
            mirror.name(reference, &ask.on, &ask.method, params, |lineage| journal.opener(lineage).is_some())
        })?;
        open.mirror.close(&answer.changes().closed);
        if answer.error.is_none() {
            let opens = told.opened();
            let (on, method, params) = (ask.on.clone(), ask.method.clone(), ask.params.clone());
            let in_vain = told.says_no();
            open.own.extend(journal.note(Deed { on, method, params, opens, in_vain }));
            told.moved = journal.depart(&ask.on, &ask.method);
        }
        Ok(told)
    }

    async fn connect(&mut self) -> Result<(), String> {
        if self.open.is_some() {
            return Ok(());
        }
        // The client's own session may have been there before, or be used by others: what was done there, nobody knows here.
        let identity = format!("replay-{:016x}", RandomState::new().hash_one(()));
        let connect = (self.upstream.0.connect)(&SessionPath::alone(&self.path, &identity))?;
        let socket = connect.connect().await.map_err(|error| chain(&error))?;
        let conn = match &self.upstream.0.appender {
            Some(appender) => Some(appender.connection(&self.path).map_err(|error| chain(&error))?),
            None => None,
        };
        let (mirror, own) = (Mirror::default(), HashSet::new());
        self.open = Some(Open { socket, conn, mirror, done: 0, own, lists: Vec::new() });
        Ok(())
    }

    /// Returns the handle of an object, which is opened as the client has opened it if it is not open yet.
    async fn reach(&mut self, lineage: &Lineage) -> Result<Handle, String> {
        let mut missing = Vec::new();
        let mut lineage = lineage.clone();
        let handle =
            |line: &Self, lineage: &Lineage| line.open.as_ref().and_then(|open| open.mirror.handle(lineage));
        while handle(self, &lineage).is_none() {
            let opener = self.journal().opener(&lineage);
            let opener =
                opener.filter(|opener| opener.on != lineage && missing.len() < qix_protocol::MAX_DEPTH);
            let opener = opener
                .ok_or_else(|| format!("this session has not opened {}", shortened(&lineage.to_string())))?;
            let parent = opener.on.clone();
            missing.push((std::mem::replace(&mut lineage, parent), opener));
        }
        let mut found = handle(self, &lineage);
        while let Some((lineage, opener)) = missing.pop() {
            self.open_by(&opener).await?;
            found = handle(self, &lineage);
            if found.is_none() {
                return Err(format!("{} opens nothing there", step(&opener)));
            }
        }
        found.ok_or_else(gone)
    }

    /// Makes a change again.
    async fn repeat(&mut self, deed: &Deed) -> Result<(), String> {
        self.reach(&deed.on).await?;
        self.open_by(deed).await
    }

    /// Makes a call again, on an object that is open, and notes what it opens.
    async fn open_by(&mut self, deed: &Deed) -> Result<(), String> {
        let on = self.open.as_ref().and_then(|open| open.mirror.handle(&deed.on)).ok_or_else(gone)?;
        let mut answer = self.call(on, &deed.method, deed.params.as_ref(), true).await?;
        let is_open =
            |answer: &Answer| answer.error.as_ref().is_some_and(|error| error.code.get() == ALREADY_OPEN);
        if &*deed.method == "OpenDoc" && is_open(&answer) {
            answer = self.call(on, "GetActiveDoc", None, true).await?;
        }
        if let Some(error) = &answer.error {
            return Err(format!("{} was refused: {error}", step(deed)));
        }
        if Mirror::says_no(&answer) && !deed.in_vain {
            return Err(format!("{} does nothing there, and did something in the recording", step(deed)));
        }
        let open = self.open.as_mut().ok_or_else(gone)?;
        for (lineage, handle) in deed.opens.iter().zip(Mirror::handles_in(&answer)) {
            open.mirror.opened(lineage.clone(), handle);
        }
        open.mirror.close(&answer.changes().closed);
        Ok(())
    }

    async fn call(
        &mut self,
        on: Handle,
        method: &str,
        params: Option<&Bytes>,
        with_id: bool,
    ) -> Result<Answer, String> {
        let open = self.open.as_mut().ok_or_else(gone)?;
        let (id, text) = open.mirror.request(on, method, params, with_id);
        let sent = open.socket.send_text(text.clone()).await;
        self.record(Side::Client, &text);
        if let Err(closed) = sent {
            self.ended(&closed);
            return Err(hung_up(&closed));
        }
        loop {
            let open = self.open.as_mut().ok_or_else(gone)?;
            let text = match open.socket.receive().await {
                Ok(Message::Text(text)) => text,
                Ok(_) => continue,
                Err(closed) => {
                    self.ended(&closed);
                    return Err(hung_up(&closed));
                }
            };
            let heard = open.mirror.heard(&text, id);
            self.record(Side::Engine, &text);
            match (heard?, &mut self.open) {
                (Heard::Answer(answer), _) => return Ok(answer),
                (Heard::Lists(changes), Some(open)) => {
                    // Closed ones are forgotten once the client was told by their lineage.
                    open.lists.push(changes);
                }
                _ => {}
            }
        }
    }

    fn record(&self, from: Side, text: &[u8]) {
        let conn = self.open.as_ref().and_then(|open| open.conn);
        if let (Some(conn), Some(appender)) = (conn, &self.upstream.0.appender) {
            appender.text(conn, from, text);
        }
    }

    fn ended(&mut self, closed: &qix_transport::Closed) {
        let conn = self.open.take().and_then(|open| open.conn);
        if let (Some(conn), Some(appender)) = (conn, &self.upstream.0.appender) {
            let code = Some(closed.code.get()).filter(|_| closed.code.is_sendable());
            appender.close(conn, Side::Engine, code);
        }
    }

    /// Ends the connection, with a goodbye if there is a code.
    async fn hang_up(&mut self, code: Option<CloseCode>) {
        let Some(mut open) = self.open.take() else { return };
        if let Some(code) = code {
            open.socket.close(code, "").await;
        }
        if let (Some(conn), Some(appender)) = (open.conn, &self.upstream.0.appender) {
            appender.close(conn, Side::Client, code.map(CloseCode::get));
        }
    }

    fn is_own(&self, number: usize) -> bool {
        self.open.as_ref().is_some_and(|open| open.own.contains(&number))
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // A deed is added whole or not at all.
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names a step without its parameters, in which secrets may be.
fn step(deed: &Deed) -> String {
    format!("{} on {}", deed.method, shortened(&deed.on.to_string()))
}

fn gone() -> String {
    "the connection to it is gone".to_owned()
}

fn hung_up(closed: &impl Display) -> String {
    format!("it hung up: {closed}")
}
