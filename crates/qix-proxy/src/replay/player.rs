//! One live connection that is answered from tapes. Pure: texts in, texts out.

mod missing;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use qix_protocol::{Handle, Lineage, frame::client::Request};

use super::{
    Ask, Difference, Key, LiveSession, Miss, OnMiss, ReplayMatcher,
    key::{RecentRequests, guessed},
    matcher::Found,
    tape::{Body, CallId, Lists, Moment, Outcome, Push, Pushed, RecordedAnswer},
};
use crate::record::Redaction;

/// One live connection that is answered from a recording.
///
/// It plays one recorded connection: says what that one heard first, and answers what it was asked.
#[derive(Debug)]
pub struct Player {
    tape: usize,
    matcher: ReplayMatcher,
    session: Arc<LiveSession>,
    redaction: Redaction,
    requests: RecentRequests,
    handles: HashMap<Lineage, Handle>,
    lineages: HashMap<Handle, Lineage>,
    last_handle: i32,
    on_miss: OnMiss,
    /// The objects in the answer that is being made, if somebody wants to know.
    opened: Vec<Lineage>,
    out: Vec<Outgoing>,
}

/// What a player wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send a text message.
    Text(Bytes),
    /// Send a binary message.
    Binary(Bytes),
    /// Close with this code, if there was one, and reason.
    Close(Option<u16>, String),
    /// Break the connection.
    Drop,
    /// Let whoever plays another connection say what it heard at this point.
    Elsewhere(ElsewherePush),
    /// The request just handled has no recorded answer. The client was told so, or has got the upstream's.
    Missed(Miss),
    /// The request just handled has no recorded answer: the upstream is to be asked, and the player told what it says.
    Ask(Box<Ask>),
    /// The request just handled was recorded without an answer, and gets none.
    Unanswered(Key),
}

/// A push for another connection; opaque, to be given to [`Player::hear`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ElsewherePush {
    tape: usize,
    call: CallId,
    moment: Moment,
    index: usize,
}

impl ElsewherePush {
    /// Returns which recorded connection heard it.
    pub fn tape(&self) -> usize {
        self.tape
    }
}

impl Player {
    /// Makes a player of one recorded connection, numbered from 0.
    ///
    /// # Panics
    ///
    /// If there is no connection of this number.
    pub fn new(matcher: ReplayMatcher, session: Arc<LiveSession>, tape: usize) -> Self {
        assert!(tape < matcher.tapes().connections(), "no connection {tape} was recorded");
        Self {
            tape,
            redaction: matcher.tapes().redaction.clone(),
            matcher,
            session,
            requests: RecentRequests::default(),
            handles: HashMap::new(),
            lineages: HashMap::new(),
            last_handle: 0,
            on_miss: OnMiss::Error,
            opened: Vec::new(),
            out: Vec::new(),
        }
    }

    /// Sets what happens to a request that is not in the recording. Default: [`OnMiss::Error`].
    #[must_use]
    pub fn on_miss(mut self, what: OnMiss) -> Self {
        self.on_miss = what;
        self
    }

    /// Returns what the engine said before it was asked anything.
    pub fn open(&mut self) -> Vec<Outgoing> {
        let tapes = self.matcher.tapes().clone();
        for push in tapes.greeting(self.tape) {
            self.say(push);
        }
        std::mem::take(&mut self.out)
    }

    /// Takes in what the client says and returns what the engine would do.
    ///
    /// Secrets are replaced as the recorder replaced them, so that they neither matter nor show.
    pub fn handle_text(&mut self, text: &[u8]) -> Vec<Outgoing> {
        let original = text;
        let clean = self.redaction.frame(text);
        let text = clean.as_ref().map_or(text, |clean| &clean.text);
        let tapes = self.matcher.tapes().clone();
        let replaced = tapes.anonymizer.as_ref().and_then(|anonymizer| anonymizer.request(text));
        let text = replaced.as_deref().unwrap_or(text);
        let request = Request::parse(text).ok();
        let mut handle = None;
        let key = match &request {
            Some(request) => {
                let key = Key::new(self.lineage_of(request.handle), request, &self.requests);
                self.requests.remember(request);
                handle = Some(request.handle);
                key
            }
            None => Key::of_text(text),
        };
        if self.asks() && self.session.journal().has_departed(&key.lineage) {
            let recorded = "other selections or properties than the upstream has now".to_owned();
            let miss = Miss { difference: Difference::State { recorded }, ..Miss::new(key, None) };
            self.missed(original, miss);
            return std::mem::take(&mut self.out);
        }
        // Taken before the answer is made, so that no other socket waits for that.
        let taken = self.matcher.take(&mut self.session.progress(), self.tape, key, handle);
        match taken {
            Ok(Found { call, again }) => {
                if !again {
                    self.follow(call, Moment::Before);
                }
                match tapes.outcome(call) {
                    Outcome::Answer(answer) => {
                        self.opened.clear();
                        self.answer(request.as_ref(), &answer);
                        if self.asks() && !matches!(answer.body, Body::Error(_)) {
                            self.note(original);
                        }
                    }
                    Outcome::Lost => self.missed(original, Miss::lost(tapes.key(call))),
                    // Text that is no request expects none.
                    Outcome::Unanswered if request.as_ref().is_some_and(|request| request.id.is_some()) => {
                        self.out.push(Outgoing::Unanswered(tapes.key(call)));
                    }
                    Outcome::Unanswered => {}
                }
                if !again {
                    self.follow(call, Moment::After);
                }
            }
            Err(miss) => self.missed(original, miss),
        }
        std::mem::take(&mut self.out)
    }

    /// Takes in what another player's call has caused on this connection, and returns what to say.
    pub fn hear(&mut self, push: ElsewherePush) -> Vec<Outgoing> {
        let tapes = self.matcher.tapes().clone();
        self.say(&tapes.pushes(push.call, push.moment)[push.index]);
        std::mem::take(&mut self.out)
    }

    fn follow(&mut self, call: CallId, moment: Moment) {
        let tapes = self.matcher.tapes().clone();
        for (index, push) in tapes.pushes(call, moment).iter().enumerate() {
            // A call that was found on another tape brings what was said on that one.
            if push.tape == self.tape || push.tape == call.tape {
                self.say(push);
            } else {
                self.out.push(Outgoing::Elsewhere(ElsewherePush { tape: push.tape, call, moment, index }));
            }
        }
    }

    fn say(&mut self, push: &Push) {
        let outgoing = match &push.what {
            Pushed::Text(text) => Outgoing::Text(text.clone()),
            Pushed::Binary(bytes) => Outgoing::Binary(bytes.clone()),
            Pushed::Close(code, reason) => Outgoing::Close(*code, reason.clone()),
            Pushed::Drop => Outgoing::Drop,
            Pushed::Lists(lists) => {
                let mut text = br#"{"jsonrpc":"2.0""#.to_vec();
                let bare = text.len();
                self.write_lists(&mut text, lists);
                if text.len() == bare {
                    // None of the objects is open here.
                    return;
                }
                text.push(b'}');
                Outgoing::Text(text.into())
            }
        };
        self.out.push(outgoing);
    }

    fn answer(&mut self, request: Option<&Request<'_>>, answer: &RecordedAnswer) {
        let id = request.and_then(|request| request.id).map(|id| id.as_bytes()).or(answer.id.as_deref());
        let mut text = br#"{"jsonrpc":"2.0""#.to_vec();
        if let Some(id) = id {
            text.extend_from_slice(br#","id":"#);
            text.extend_from_slice(id);
        }
        let delta = request.is_some_and(|request| request.delta);
        match &answer.body {
            Body::Result(members) => {
                text.extend_from_slice(if delta {
                    br#","delta":true,"result":{"#
                } else {
                    br#","result":{"#
                });
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        text.push(b',');
                    }
                    text.extend_from_slice(name);
                    // A patch of the whole document is right whatever the client had before.
                    text.extend_from_slice(if delta {
                        br#":[{"op":"add","path":"/","value":"#
                    } else {
                        b":"
                    });
                    value.render(&mut text, |lineage| self.open_handle(lineage));
                    text.extend_from_slice(if delta { b"}]" } else { b"" });
                }
                text.push(b'}');
            }
            Body::Odd(Some(result)) => {
                text.extend_from_slice(br#","result":"#);
                text.extend_from_slice(result);
            }
            Body::Odd(None) => {}
            Body::Error(error) => {
                text.extend_from_slice(br#","error":"#);
                text.extend_from_slice(error);
            }
        }
        self.write_lists(&mut text, &answer.lists);
        text.extend_from_slice(&answer.extra);
        text.push(b'}');
        self.out.push(Outgoing::Text(text.into()));
    }

    pub(super) fn write_lists(&mut self, text: &mut Vec<u8>, lists: &Lists) {
        for (name, objects) in
            [("change", &lists.changed), ("close", &lists.closed), ("suspend", &lists.suspended)]
        {
            let mut open = objects.iter().filter_map(|lineage| self.handle_of(lineage)).peekable();
            if open.peek().is_none() {
                continue;
            }
            text.extend_from_slice(format!(",\"{name}\":[").as_bytes());
            for (index, handle) in open.enumerate() {
                if index > 0 {
                    text.push(b',');
                }
                text.extend_from_slice(itoa::Buffer::new().format(handle.get()).as_bytes());
            }
            text.push(b']');
        }
        for lineage in &lists.closed {
            if let Some(handle) = self.handles.remove(lineage) {
                self.lineages.remove(&handle);
            }
        }
    }

    pub(super) fn lineage_of(&self, handle: Handle) -> Lineage {
        if handle == Handle::GLOBAL {
            return Lineage::GLOBAL;
        }
        self.lineages.get(&handle).cloned().unwrap_or_else(|| guessed(handle))
    }

    fn handle_of(&self, lineage: &Lineage) -> Option<Handle> {
        if *lineage == Lineage::GLOBAL {
            return Some(Handle::GLOBAL);
        }
        self.handles.get(lineage).copied()
    }

    /// Returns the live handle of a recorded object, a new one if it is not open here yet.
    pub(super) fn open_handle(&mut self, lineage: &Lineage) -> Handle {
        if self.asks() {
            self.opened.push(lineage.clone());
        }
        if let Some(handle) = self.handle_of(lineage) {
            return handle;
        }
        self.last_handle += 1;
        let handle = Handle::new(self.last_handle);
        self.handles.insert(lineage.clone(), handle);
        self.lineages.insert(handle, lineage.clone());
        handle
    }
}
