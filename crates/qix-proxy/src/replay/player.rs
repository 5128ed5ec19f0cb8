//! One live connection that is answered from tapes. Pure: texts in, texts out.

mod missing;
mod opened;
mod unasked;

use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use foldhash::HashMap;
use qix_protocol::{Handle, Lineage, frame::client::Request};

use super::{
    Ask, Difference, Greeting, Key, LiveSession, Miss, OnMiss, ReplayMatcher, Text,
    answer::{Body, Lists, Outcome, RecordedAnswer},
    index::CallId,
    key::{RecentRequests, guessed},
    known::{self, Wanted},
    matcher::{Asked, Found},
    session::Seat,
    tape::Moment,
};
use crate::record::Redaction;
use opened::Opened;
use unasked::late_greeting;

/// What an answer has besides its result, in bytes, at least as often as not.
const ENVELOPE: usize = 160;

/// One live connection that is answered from a recording.
///
/// It plays one recorded connection: says what that one heard first, and answers what it was asked.
#[derive(Debug)]
pub struct Player {
    seat: Seat,
    matcher: ReplayMatcher,
    greeting: Greeting,
    /// What greets the client once it has said something, as a Qlik Sense proxy does.
    late: Vec<(Bytes, Duration)>,
    redaction: Redaction,
    requests: RecentRequests,
    handles: HashMap<Lineage, Handle>,
    lineages: Opened,
    on_miss: OnMiss,
    /// The objects in the answer that is being made, if somebody wants to know.
    opened: Vec<Lineage>,
}

/// Something that a player wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Said {
    /// How long after the cause it was done in the recording.
    pub after: Duration,
    /// What is to be done.
    pub what: Outgoing,
}

/// What a player wants done.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// Send a text message that answers a request.
    Answer(Text),
    /// Send a text message.
    Text(Text),
    /// Send a binary message.
    Binary(Bytes),
    /// Close with this code, if there was one, and reason.
    Close(Option<u16>, String),
    /// Break the connection.
    Drop,
    /// The request just handled has no recorded answer. The client was told so, or has got the upstream's.
    Missed(Miss),
    /// The request just handled has no recorded answer: the upstream is to be asked, and the player told what it says.
    Ask(Box<Ask>),
    /// The request just handled was recorded without an answer, and gets none.
    Unanswered(Key),
}

/// What a request gets.
enum Reply {
    Recorded(Found, io::Result<Outcome>),
    /// What the session knows without the recording.
    Known(Arc<RecordedAnswer>),
    Missed(Box<Miss>),
}

impl Player {
    /// Makes a player of one recorded connection, numbered from 0, that belongs to a live session.
    ///
    /// # Panics
    ///
    /// If there is no connection of this number.
    pub fn new(matcher: ReplayMatcher, session: &Arc<LiveSession>, tape: usize) -> Self {
        assert!(tape < matcher.tapes().connections(), "no connection {tape} was recorded");
        Self::seated(matcher, session.join(tape, false), Greeting::Recorded)
    }

    /// Makes the player of a socket that has its place in a session.
    pub(super) fn seated(matcher: ReplayMatcher, seat: Seat, greeting: Greeting) -> Self {
        Self {
            greeting,
            late: late_greeting(&matcher, seat.tape),
            seat,
            redaction: matcher.tapes().redaction.clone(),
            matcher,
            requests: RecentRequests::default(),
            handles: HashMap::default(),
            lineages: Opened::default(),
            on_miss: OnMiss::Error,
            opened: Vec::new(),
        }
    }

    /// Sets what happens to a request that is not in the recording. Default: [`OnMiss::Error`].
    #[must_use]
    pub fn on_miss(mut self, what: OnMiss) -> Self {
        self.on_miss = what;
        self
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Says what the engine said before it was asked anything.
    pub fn open(&mut self, out: &mut Vec<Said>) {
        let tapes = self.matcher.tapes().clone();
        let fixed = self.greeting.fixed(self.seat.attached).into_iter();
        out.extend(fixed.map(|text| at(Duration::ZERO, Outgoing::Text(text.into()))));
        match tapes.greeting(self.seat.tape, self.matcher.keeps_pace()) {
            Ok(pushes) => pushes.iter().for_each(|push| self.say(push, push.since, out)),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Takes in what the client says, and says what the engine would.
    ///
    /// Secrets are replaced as the recorder replaced them, so that they neither matter nor show.
    pub fn handle_text(&mut self, text: &[u8], out: &mut Vec<Said>) {
        let original = text;
        let heard = Request::parse(text).ok();
        if let Some(request) = &heard
            && let Some(reply) = self.reply_again(request)
        {
            self.requests.remember(request);
            return self.give(reply, Some(request), original, out);
        }
        let clean = self.redaction.frame(text);
        let text = clean.as_ref().map_or(text, |clean| &clean.text);
        let anonymizer = self.matcher.tapes().anonymizer.as_ref();
        let replaced = anonymizer.and_then(|anonymizer| anonymizer.request(text));
        let text = replaced.as_deref().unwrap_or(text);
        for (text, since) in std::mem::take(&mut self.late) {
            self.greet(&text, since, out);
        }
        let as_heard = clean.is_none() && replaced.is_none();
        let request = if as_heard { heard } else { Request::parse(text).ok() };
        if self.asks()
            && let Some(request) = &request
        {
            let lineage = self.lineage_of(request.handle);
            if self.seat.session().journal().has_departed(&lineage) {
                let key = Key::new(lineage, request, &self.requests);
                self.requests.remember(request);
                return self.missed(original, Miss::of(key, Difference::Departed), out);
            }
        }
        let reply = self.reply(request.as_ref(), text, as_heard);
        if let Some(request) = &request {
            self.requests.remember(request);
        }
        self.give(reply, request.as_ref(), original, out);
    }

    /// Says what a request gets. `original` is what the client said.
    fn give(&mut self, reply: Reply, request: Option<&Request<'_>>, original: &[u8], out: &mut Vec<Said>) {
        let method = request.map_or("", |request| &*request.method);
        match reply {
            Reply::Recorded(Found { call, again }, outcome) => {
                let latency = self.latency(Some(call), method);
                if !again {
                    self.follow(call, Moment::Before, Duration::ZERO, out);
                }
                let mut after = Duration::ZERO;
                let difference = match outcome {
                    Ok(Outcome::Answer(answer)) => {
                        after = latency;
                        self.opened.clear();
                        self.answer(request, &answer, latency, out);
                        if self.asks() && !matches!(answer.body, Body::Error(_)) {
                            self.note(original, &answer);
                        }
                        self.share(call, &answer, latency);
                        None
                    }
                    Ok(Outcome::Lost) => Some(Difference::Lost),
                    // Text that is no request expects none.
                    Ok(Outcome::Unanswered) if request.is_some_and(|request| request.id.is_some()) => {
                        let key = self.matcher.tapes().key(call);
                        out.push(at(Duration::ZERO, Outgoing::Unanswered(key)));
                        None
                    }
                    Ok(Outcome::Unanswered) => None,
                    Err(error) => Some(Difference::Unreadable(error.to_string())),
                };
                if let Some(difference) = difference {
                    let key = self.matcher.tapes().key(call);
                    self.missed(original, Miss::of(key, difference), out);
                }
                if !again {
                    self.follow(call, Moment::After, after, out);
                }
            }
            Reply::Known(answer) => {
                self.answer(request, &answer, self.latency(None, method), out);
            }
            Reply::Missed(miss) => self.missed(original, *miss, out),
        }
    }

    /// Decides what a request gets that was asked in the same words before; `None` if there is more to it than that.
    fn reply_again(&self, request: &Request<'_>) -> Option<Reply> {
        if !self.late.is_empty() || self.asks() {
            return None;
        }
        let lineage = self.lineages.get(request.handle)?;
        let mut live = self.seat.session().lock();
        let live = &mut *live;
        let found = self.matcher.take_again(&mut live.progress, self.seat.tape, lineage, request)?;
        let outcome = self.matcher.outcome(&live.progress, found.call);
        if let Ok(Outcome::Answer(answer)) = &outcome {
            live.known.note(answer);
        }
        Some(Reply::Recorded(found, outcome))
    }

    /// Decides what a request gets.
    ///
    /// What a client asks when it takes a session up again depends on what is open in the *live* session: the recorded answer
    /// counts only as far as it agrees with that.
    fn reply(&self, request: Option<&Request<'_>>, text: &[u8], as_heard: bool) -> Reply {
        let wanted = request.and_then(Wanted::of);
        let tapes = self.matcher.tapes();
        let lineage = request.map_or(Lineage::GLOBAL, |request| self.lineage_of(request.handle));
        let as_heard = as_heard && wanted.is_none();
        let asked = Asked { lineage: &lineage, request, text, requests: &self.requests, as_heard };
        let mut live = self.seat.session().lock();
        let live = &mut *live;
        match self.matcher.take(&mut live.progress, self.seat.tape, asked) {
            Ok(found) => {
                let outcome = self.matcher.outcome(&live.progress, found.call);
                let Ok(Outcome::Answer(answer)) = &outcome else { return Reply::Recorded(found, outcome) };
                let opens = answer.opened().next().is_some();
                if let Some(wanted) = wanted {
                    let is_open = live.known.find(&wanted);
                    match (&wanted, is_open) {
                        // A recorded error is one, whatever is open.
                        (Wanted::Object(_), Some(_)) if matches!(answer.body, Body::Error(_)) => {}
                        (_, Some(reference)) if !opens => {
                            return Reply::Known(known::found(reference.clone()));
                        }
                        (Wanted::App, None) if opens && tapes.app_was_opened(tapes.tape_of(found.call)) => {
                            return Reply::Known(known::no_app());
                        }
                        (Wanted::Object(id), None) if opens && tapes.session_objects.contains(id) => {
                            return Reply::Known(known::no_such_object());
                        }
                        _ => {}
                    }
                }
                live.known.note(answer);
                Reply::Recorded(found, outcome)
            }
            Err(miss) => match wanted {
                Some(wanted) => match (live.known.find(&wanted), wanted) {
                    (Some(reference), _) => Reply::Known(known::found(reference.clone())),
                    (None, Wanted::App) => Reply::Known(known::no_app()),
                    (None, Wanted::Object(id)) if tapes.session_objects.contains(&id) => {
                        Reply::Known(known::no_such_object())
                    }
                    _ => Reply::Missed(miss),
                },
                // The object may have been opened in another way when it was asked this.
                None => {
                    for lineage in live.known.aliases(&lineage) {
                        let asked = Asked { lineage: &lineage, ..asked };
                        if let Ok(found) = self.matcher.take(&mut live.progress, self.seat.tape, asked) {
                            return Reply::Recorded(found, self.matcher.outcome(&live.progress, found.call));
                        }
                    }
                    // An upstream has objects of its own to destroy.
                    let destroyed =
                        request.filter(|_| !self.asks()).and_then(|request| live.known.destroy(request));
                    destroyed.map_or(Reply::Missed(miss), Reply::Known)
                }
            },
        }
    }

    /// Returns how long the answer took in the recording, or others to the method; nothing if the pace is not kept.
    fn latency(&self, call: Option<CallId>, method: &str) -> Duration {
        if !self.matcher.keeps_pace() {
            return Duration::ZERO;
        }
        let tapes = self.matcher.tapes();
        call.and_then(|call| tapes.latency(call)).unwrap_or_else(|| tapes.median_latency(method))
    }

    fn answer(
        &mut self,
        request: Option<&Request<'_>>,
        answer: &RecordedAnswer,
        after: Duration,
        out: &mut Vec<Said>,
    ) {
        let id = request.and_then(|request| request.id).map(|id| id.as_bytes()).or(answer.id.as_deref());
        let mut text = Text::with_room(ENVELOPE + answer.small_size());
        text.write(br#"{"jsonrpc":"2.0""#);
        if let Some(id) = id {
            text.write(br#","id":"#);
            text.write(id);
        }
        let delta = request.is_some_and(|request| request.delta);
        match &answer.body {
            Body::Result(members) => {
                text.write(if delta { br#","delta":true,"result":{"# } else { br#","result":{"# });
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        text.write(b",");
                    }
                    text.write(name);
                    // A patch of the whole document is right whatever the client had before.
                    text.write(if delta { br#":[{"op":"add","path":"/","value":"# } else { b":" });
                    value.render(&mut text, |lineage| self.open_handle(lineage));
                    text.write(if delta { b"}]" } else { b"" });
                }
                text.write(b"}");
            }
            Body::Odd(Some(result)) => {
                text.write(br#","result":"#);
                text.share(result.clone());
            }
            Body::Odd(None) => {}
            Body::Error(error) => {
                text.write(br#","error":"#);
                text.share_part(error, 0..error.len());
            }
        }
        self.write_lists(&mut text, &answer.lists);
        text.write(&answer.extra);
        text.write(b"}");
        if !*answer.is_text.get_or_init(|| text.is_utf8()) {
            out.push(at(after, Outgoing::Binary(text.into_bytes())));
            return;
        }
        text.trust();
        out.push(at(after, Outgoing::Answer(text)));
    }

    pub(super) fn write_lists(&mut self, text: &mut Text, lists: &Lists) {
        for (name, objects) in
            [("change", &lists.changed), ("close", &lists.closed), ("suspend", &lists.suspended)]
        {
            let mut first = true;
            for handle in objects.iter().filter_map(|lineage| self.handle_of(lineage)) {
                if first {
                    for part in [",\"", name, "\":["] {
                        text.write(part.as_bytes());
                    }
                } else {
                    text.write(b",");
                }
                first = false;
                text.write(itoa::Buffer::new().format(handle.get()).as_bytes());
            }
            if !first {
                text.write(b"]");
            }
        }
        for lineage in &lists.closed {
            if let Some(handle) = self.handles.remove(lineage) {
                self.lineages.remove(handle);
            }
        }
    }

    pub(super) fn lineage_of(&self, handle: Handle) -> Lineage {
        self.lineages.get(handle).cloned().unwrap_or_else(|| guessed(handle))
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
        let handle = self.lineages.add(lineage.clone());
        self.handles.insert(lineage.clone(), handle);
        handle
    }
}

fn at(after: Duration, what: Outgoing) -> Said {
    Said { after, what }
}
