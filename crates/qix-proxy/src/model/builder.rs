//! Makes events of entries.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use qix_protocol::{
    effect_of_call,
    frame::{
        Raw, elements,
        engine::{Frame, Kind},
    },
};
use qix_transport::printable;

use super::{
    Answer, Body, Call, Called, Disconnected, Event, Exchange, Failure, Notice, Progress, Weight, connection,
    connection::Connection,
    names::{self, Hint},
    notices::notification,
    reload::{Running, takes_long},
    selection,
    words::{Fault, ended, shown},
};
use crate::{
    calls::{Answered, Asked, Step, Steps},
    record::{Closing, Entry, EntryKind, FrameText, Opening, Redaction, Side},
};

/// The most entries of kinds that are not known that are told of.
const MOST_UNKNOWN: u32 = 10;

/// How many methods are kept once for all their calls.
const MOST_METHODS: usize = 10_000;
/// How much of the name of a method is kept, in characters.
const LONGEST_METHOD: usize = 60;

/// Takes the entries of a recording in their order, and tells what they mean.
///
/// Pure: it reads no file and no clock. Its memory is that of what is open and unanswered, up to limits.
#[derive(Debug)]
pub struct ModelBuilder {
    steps: Steps,
    connections: HashMap<u64, Connection>,
    sessions: connection::Sessions,
    redaction: Redaction,
    /// The number of the latest object.
    objects: u64,
    methods: HashMap<String, Arc<str>>,
    unknown: u32,
}

impl Default for ModelBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl ModelBuilder {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self {
            steps: Steps::new(),
            connections: HashMap::new(),
            sessions: connection::Sessions::default(),
            redaction: Redaction::standard(),
            objects: 0,
            methods: HashMap::new(),
            unknown: 0,
        }
    }

    /// Leaves [`Body::result`] out of answers with patches, unless events are made of it: to write what was patched costs more than all
    /// else.
    #[must_use]
    pub fn without_results(mut self) -> Self {
        self.steps.without_patched_results();
        self
    }

    /// Takes in an entry.
    pub fn take(&mut self, entry: Entry, tell: &mut dyn FnMut(Event)) {
        let step = self.steps.take(entry);
        for asked in self.steps.given_up().to_vec() {
            self.unanswered(&asked, tell);
        }
        self.step(step, tell);
    }

    /// Ends what the recording has left open.
    pub fn finish(&mut self, tell: &mut dyn FnMut(Event)) {
        for step in self.steps.ends() {
            self.step(step, tell);
        }
    }

    fn step(&mut self, step: Step, tell: &mut dyn FnMut(Event)) {
        match step {
            Step::Opened { conn, at, opening } => self.opened(conn, at, &opening, tell),
            Step::Asked(asked) => self.asked(&asked, tell),
            Step::Answered(answered) => self.answered(&answered, tell),
            Step::Said { seq, conn, at, from, text } => self.said(seq, conn, at, from, &text, tell),
            Step::Closed { conn, at, closing, unanswered } => {
                self.closed(conn, at, closing.as_ref(), &unanswered, tell);
            }
            Step::Other(entry) => self.other(entry, tell),
        }
    }

    fn opened(&mut self, conn: u64, at: Duration, opening: &Opening, tell: &mut dyn FnMut(Event)) {
        if self.connections.contains_key(&conn) {
            return;
        }
        let session = self.sessions.opened();
        self.connections.insert(conn, Connection::new(session, opening, &self.redaction));
        tell(Event::Connected(super::Connection {
            conn,
            at,
            url: opening.url.clone(),
            session,
            refused: None,
        }));
    }

    fn asked(&mut self, asked: &Asked, tell: &mut dyn FnMut(Event)) {
        let Some(connection) = self.connections.get_mut(&asked.conn) else { return };
        let method = match self.methods.get(&asked.method) {
            Some(method) => Arc::clone(method),
            None => {
                let method: Arc<str> = printable(&asked.method, LONGEST_METHOD).into();
                if self.methods.len() < MOST_METHODS && asked.method.len() <= 4 * LONGEST_METHOD {
                    self.methods.insert(asked.method.clone(), Arc::clone(&method));
                }
                method
            }
        };
        let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
        let effect = effect_of_call(asked.class(), &asked.method, params);
        let object = connection.object(asked.conn, asked.handle, &mut self.objects, tell);
        let fetch = connection.fetch(asked.handle, &asked.method, asked.params.as_deref());
        let call = Arc::new(Call {
            seq: asked.seq,
            conn: asked.conn,
            at: asked.at,
            fetch: fetch.map(|(fetch, _)| fetch),
            object,
            method,
            effect,
            sent: asked.text.len() as u64,
            delta: asked.delta,
            answer: None,
            failure: None,
            opened: Vec::new(),
        });
        let running = takes_long(&asked.method).then(|| Running {
            conn: asked.conn,
            call: asked.seq,
            object: Arc::new(call.object.named()),
            method: asked.method.clone(),
            since: asked.at.as_micros() as u64,
            percent: None,
            text: String::new(),
            wants_user: false,
        });
        connection.asked(
            &call,
            asked.id.clone(),
            params.map(Hint::new).unwrap_or_default(),
            fetch.map(|(_, question)| question),
            running,
        );
        tell(Event::Asked(call));
    }

    fn answered(&mut self, answered: &Answered, tell: &mut dyn FnMut(Event)) {
        let asked = &answered.asked;
        let Some(connection) = self.connections.get_mut(&asked.conn) else { return };
        let Some((call, hint)) = connection.answered(asked.seq, answered.error.is_none()) else { return };
        let plain = answered.result.as_deref().and_then(|result| Raw::new(result).ok());
        let mut opened = Vec::new();
        if let Some(plain) = plain.filter(|_| !answered.opened.is_empty()) {
            opened = connection.opened(&call, answered, plain, &hint, &mut self.objects, tell);
        }
        let frame = Raw::new(&answered.text).ok();
        let mut fault = answered.error.as_ref().map(|error| {
            Fault::of_answer(&self.redaction, error, frame.and_then(|frame| frame.member("error")))
        });
        let layout = frame.and_then(|frame| layout(&asked.method, plain, frame));
        if let Some(title) = layout.and_then(names::title) {
            connection.titled(asked.handle, &self.redaction.text(&title), tell);
        }
        fault = fault.or_else(|| Fault::in_layout(&self.redaction, layout?));
        if plain.is_some_and(|plain| has_failed(&asked.method, plain)) {
            fault = fault.or_else(|| Some(Fault::script()));
        }
        let call = Arc::new(Call {
            object: connection.latest(&call.object),
            answer: Some(Answer {
                seq: answered.seq,
                at: answered.at,
                began: answered.began,
                bytes: answered.bytes,
                fault: answered.fault.clone(),
            }),
            failure: fault.map(Failure::new),
            opened,
            ..(*call).clone()
        });
        let body = Body {
            request: asked.text.clone(),
            params: asked.params.clone(),
            answer: Some(answered.text.clone()),
            result: answered.result.clone(),
            error: answered.error.clone(),
        };
        tell(Event::Called(Box::new(Called { call: Arc::clone(&call), body })));
        if let Some(selection) = selection::of(&call, asked, plain, layout, &self.redaction) {
            tell(Event::Selected(selection));
        }
        let caused = (call.effect > qix_protocol::Effect::Reads).then_some(call.seq);
        connection.changes(asked.conn, (answered.seq, answered.at), &answered.changes, caused, tell);
        if let Some(plain) = plain.filter(|_| asked.method == "GetProgress") {
            self.progress(asked, answered.at, plain, tell);
        }
    }

    /// Tells of a call that has no answer and will have none.
    fn unanswered(&mut self, asked: &Asked, tell: &mut dyn FnMut(Event)) {
        let Some(connection) = self.connections.get_mut(&asked.conn) else { return };
        let Some((call, _)) = connection.answered(asked.seq, false) else { return };
        let (request, params) = (asked.text.clone(), asked.params.clone());
        let body = Body { request, params, answer: None, result: None, error: None };
        tell(Event::Called(Box::new(Called { call, body })));
    }

    fn said(
        &mut self,
        seq: u64,
        conn: u64,
        at: Duration,
        from: Side,
        text: &FrameText,
        tell: &mut dyn FnMut(Event),
    ) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let is_omitted_answer = from == Side::Engine && matches!(text, FrameText::Omitted(_));
        let notice =
            |weight, words| Event::Notice(Notice { conn: Some(conn), at, weight, words, is_omitted_answer });
        let bytes = match text {
            FrameText::Text(bytes) => bytes,
            FrameText::Binary(bytes) => {
                let words =
                    format!("a binary message of {} bytes from the {from}, which is no QIX", bytes.len());
                return tell(notice(Weight::Odd, words));
            }
            FrameText::Omitted(size) => {
                let words = format!("a message of {size} bytes from the {from} was too large to be recorded");
                return tell(notice(Weight::Odd, words));
            }
        };
        let frame = if from == Side::Engine { Frame::parse(bytes).ok() } else { None };
        let Some(Frame { kind, changes }) = frame else {
            let what = shown(&self.redaction, &String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
            return tell(notice(Weight::Odd, format!("the {from} said what is no QIX: {what}")));
        };
        if let Kind::Notification { method, params, .. } = kind {
            if method == "OnConnected" {
                let state = params.and_then(|params| params.member("qSessionState")?.decode::<String>().ok());
                let (session, attached) = self.sessions.greeted(connection, state.as_deref());
                tell(Event::Greeted { conn, session, attached });
            }
            let (weight, words) = notification(&self.redaction, &method, params);
            tell(notice(weight, words));
        }
        connection.changes(conn, (seq, at), &changes, None, tell);
    }

    fn closed(
        &mut self,
        conn: u64,
        at: Duration,
        closing: Option<&Closing>,
        unanswered: &[Arc<Asked>],
        tell: &mut dyn FnMut(Event),
    ) {
        for asked in unanswered {
            self.unanswered(asked, tell);
        }
        let Some(connection) = self.connections.remove(&conn) else { return };
        let objects = connection.numbers();
        if !objects.is_empty() {
            tell(Event::Closed { at, objects });
        }
        let words = match closing {
            Some(Closing { by, code, reason, clean, .. }) => {
                ended(&self.redaction, *by, *code, reason, *clean, None)
            }
            None => "open at the end of the recording".to_owned(),
        };
        tell(Event::Disconnected(Disconnected {
            conn,
            at,
            code: closing.and_then(|closing| closing.code),
            clean: closing.is_some_and(|closing| closing.clean),
            is_open: closing.is_none(),
            words,
            unanswered: unanswered.len() as u64,
        }));
    }

    fn other(&mut self, Entry { seq, at, conn, kind, .. }: Entry, tell: &mut dyn FnMut(Event)) {
        let mut notice = |weight, words| {
            tell(Event::Notice(Notice { conn, at, weight, words, is_omitted_answer: false }));
        };
        match kind {
            EntryKind::Refused(opening) => {
                let status = StatusCode::from_u16(opening.status).map(|status| status.to_string());
                let status = status.unwrap_or_else(|_| opening.status.to_string());
                let said = shown(&self.redaction, &opening.body);
                let why = if said.is_empty() { status } else { format!("{status}: {said}") };
                tell(Event::Connected(super::Connection {
                    conn: 0,
                    at,
                    url: opening.url,
                    session: 0,
                    refused: Some(why),
                }));
            }
            EntryKind::Http(exchange) => {
                let status = exchange.status.and_then(|status| StatusCode::from_u16(status).ok());
                let bad = status.filter(|status| status.is_client_error() || status.is_server_error());
                let error = exchange.error.as_ref().map(|error| shown(&self.redaction, error));
                tell(Event::Exchanged(Exchange {
                    seq,
                    at: at.saturating_sub(exchange.took),
                    method: exchange.method,
                    url: exchange.url,
                    status: exchange.status,
                    wait: exchange.wait,
                    took: exchange.took,
                    sent: exchange.request_body.bytes,
                    bytes: exchange.response_body.bytes,
                    failure: error.or_else(|| bad.map(|status| status.to_string())),
                }));
            }
            EntryKind::Note(text) => {
                let weight = if text.starts_with("fault ") { Weight::Odd } else { Weight::Normal };
                notice(weight, shown(&self.redaction, &text));
            }
            EntryKind::Gap(gap) => {
                let (frames, others, why) = (gap.frames, gap.others, shown(&self.redaction, &gap.reason));
                let words =
                    format!("{frames} messages and {others} other entries are missing before this: {why}");
                // Whatever connection it names: messages of all may be missing.
                let weight = Weight::Bad;
                tell(Event::Notice(Notice { conn: None, at, weight, words, is_omitted_answer: false }));
            }
            EntryKind::Unknown(kind) => {
                self.unknown += 1;
                if self.unknown <= MOST_UNKNOWN {
                    let kind = shown(&self.redaction, &kind);
                    notice(Weight::Normal, format!("an entry of the kind {kind}, which a later version has"));
                }
            }
            // Those of connections of which it is not known how they were opened.
            EntryKind::Frame { .. } | EntryKind::Open(_) | EntryKind::Close(_) | EntryKind::End => {}
        }
    }

    fn progress(&mut self, asked: &Asked, at: Duration, plain: Raw<'_>, tell: &mut dyn FnMut(Event)) {
        let Some(progress) = plain.member("qProgressData").and_then(|data| data.decode().ok()) else {
            return;
        };
        let params = asked.params.as_deref().and_then(|params| Raw::new(params).ok());
        let about = params.and_then(|params| match params.as_bytes().first() {
            Some(b'{') => params.member("qRequestId"),
            _ => elements(params).next(),
        });
        let about = about.map(|about| Bytes::copy_from_slice(about.as_bytes()));
        let Some(connection) = self.connections.get_mut(&asked.conn) else { return };
        let Some(running) = connection.running(about.as_ref()) else { return };
        let before = running.clone();
        let news = running.take(&self.redaction, &progress);
        if *running != before || !news.errors.is_empty() {
            tell(Event::Progress(Progress {
                seq: running.call,
                at,
                percent: running.percent,
                text: running.text.clone(),
                errors: news.errors,
                wants_user: running.wants_user,
            }));
        }
    }
}

/// Returns the layout or the properties that an answer has whole.
pub(crate) fn layout<'r>(method: &str, plain: Option<Raw<'r>>, frame: Raw<'r>) -> Option<Raw<'r>> {
    let out = match method {
        "GetLayout" | "GetAppLayout" => "qLayout",
        "GetProperties" | "GetEffectiveProperties" => "qProp",
        _ => return None,
    };
    if let Some(plain) = plain {
        return plain.member(out);
    }
    whole(frame.member("result")?.member(out)?)
}

/// Returns the value that patches put in the place of the whole: those of a first answer do, and parts alone tell no title.
pub(crate) fn whole(patches: Raw<'_>) -> Option<Raw<'_>> {
    let is_whole = |path: Raw<'_>| matches!(path.as_bytes(), b"\"/\"" | b"\"\"");
    elements(patches).find(|patch| patch.member("path").is_some_and(is_whole))?.member("value")
}

/// Whether the result says that the script failed, which is no error on the wire.
pub(crate) fn has_failed(method: &str, result: Raw<'_>) -> bool {
    let success = match method {
        "DoReload" => result.member("qReturn"),
        "DoReloadEx" => result.member("qResult").and_then(|result| result.member("qSuccess")),
        _ => None,
    };
    success.is_some_and(|success| success.as_bytes() == b"false")
}
