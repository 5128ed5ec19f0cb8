//! Follows the connections of a recording, line by line, and notes what was asked and where the answers are.

use std::{path::Path, rc::Rc, sync::atomic::AtomicU64};

use bytes::Bytes;
use foldhash::{HashMap, HashMapExt as _};
use qix_protocol::{
    Handle, Lineage, Lineages,
    frame::{
        Raw,
        client::Request,
        engine::{Frame, Kind, Response},
    },
    references,
};

use super::{
    LoadError, LoadReport, LoadSettings, Tapes,
    index::CallId,
    key::{KnownParams, ParamsHash, RecentRequests, guessed, hash_of, hash_text, names_a_request},
    line::{self, Line},
    lines::{Lines, Taken},
    patches::Patches,
    sessions::Sessions,
    state::{self, Undo},
    tape::{Moment, PushPlace, Subject, Tape},
    texts::{Place, Texts},
    volatile,
};
use crate::record::{EntryKind, FrameText, ReadError, Side};

/// Reads a recording into tapes.
pub(super) struct Loader {
    tapes: Tapes,
    /// The connections that are open, by the recording's number.
    live: HashMap<u64, Box<Listener>>,
    /// The one that the latest message was of, taken out of `live`.
    latest: Option<(u64, Box<Listener>)>,
    sessions: Sessions,
    report: LoadReport,
    known: KnownParams,
    subjects: HashMap<Subject, u32>,
    methods: HashMap<Box<str>, u32>,
    lineages: HashMap<Lineage, u32>,
    /// Where answers go that were patches.
    spool: Option<usize>,
}

/// What a push is tied to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause(CallId, Moment);

/// Follows one recorded connection.
struct Listener {
    tape: usize,
    /// The latest call of this connection, to which everything but lists is tied.
    latest: Option<Cause>,
    lineages: Lineages,
    patches: Patches,
    requests: RecentRequests,
    /// Requests without answer, oldest first.
    outstanding: Vec<Outstanding>,
    /// What calls of an object's method have in common, by handle and method.
    asked: HashMap<(Handle, u64), Rc<AskedBefore>>,
}

/// How many objects' methods a connection keeps for the next call of them.
const MOST_ASKED: usize = 1 << 16;

/// What calls of an object's method have in common.
struct AskedBefore {
    lineage: Lineage,
    /// Whether nothing had opened the handle.
    guessed: bool,
    method: u32,
    subject: u32,
    /// Whether its calls change what later ones are answered.
    writes: bool,
    /// Whether its parameters mean something else each time.
    names_a_request: bool,
}

struct Outstanding {
    id: Option<u64>,
    call: CallId,
    to: Handle,
    method: u32,
    params: Option<Box<[u8]>>,
    occurrence: u32,
    undo: Option<Box<Undo>>,
}

impl Loader {
    pub(super) fn new(settings: &LoadSettings) -> Self {
        let tapes = Tapes {
            redaction: settings.redaction.clone(),
            ignored: settings.ignored.clone(),
            ..Tapes::default()
        };
        Self {
            tapes,
            live: HashMap::new(),
            latest: None,
            sessions: Sessions::default(),
            report: LoadReport::default(),
            known: KnownParams::default(),
            subjects: HashMap::new(),
            methods: HashMap::new(),
            lineages: HashMap::new(),
            spool: None,
        }
    }

    /// Returns where lines are kept.
    pub(super) fn texts(&mut self) -> &mut Texts {
        &mut self.tapes.texts
    }

    /// Reads all lines.
    pub(super) fn read(mut self, mut lines: Lines<'_>) -> Result<(Tapes, LoadReport), LoadError> {
        while let Some(taken) = lines.next(&mut self.tapes.texts)? {
            self.line(&taken)?;
            lines.recycle(taken.line);
        }
        self.report.torn = lines.torn();
        self.finish()
    }

    fn finish(mut self) -> Result<(Tapes, LoadReport), LoadError> {
        if self.tapes.tapes.is_empty() {
            return Err(LoadError::NoConnection);
        }
        self.put_back();
        for listener in std::mem::take(&mut self.live).values() {
            self.cut(listener);
        }
        let mut tapes = self.tapes;
        for tape in &mut tapes.tapes {
            tape.history.seal();
        }
        for (call, _) in tapes.index.subjects() {
            self.report.unanswered += usize::from(!tapes.index.is_answered(call));
        }
        tapes.index.seal();
        // In the order in which they were heard, within a cause.
        tapes.pushes.sort_by_key(|push| push.cause);
        tapes.pushes.shrink_to_fit();
        tapes.subjects.shrink_to_fit();
        tapes.lineages.shrink_to_fit();
        tapes.without_id.shrink_to_fit();
        tapes.used.resize_with(tapes.index.len().div_ceil(64), AtomicU64::default);
        tapes.used.shrink_to_fit();
        Ok((tapes, self.report))
    }

    fn line(&mut self, taken: &Taken) -> Result<(), LoadError> {
        if let Some(Line { conn, from, json, .. }) = Line::parse(&taken.line)
            && let Some(mut listener) = self.take_out(conn)
        {
            let understood = match from {
                Side::Client => self.client(&mut listener, taken, json)?,
                Side::Engine => self.engine(&mut listener, taken, json)?,
            };
            self.latest = Some((conn, listener));
            if understood {
                return Ok(());
            }
        }
        self.put_back();
        if line::is_http(&taken.line) {
            return Ok(());
        }
        let entry = taken.entry(&self.tapes.texts)?;
        self.entry(taken, entry.seq, entry.conn, entry.kind)
    }

    /// Takes a connection out that is open.
    fn take_out(&mut self, conn: u64) -> Option<Box<Listener>> {
        match self.latest.take() {
            Some((latest, listener)) if latest == conn => Some(listener),
            other => {
                self.latest = other;
                self.put_back();
                self.live.remove(&conn)
            }
        }
    }

    fn put_back(&mut self) {
        self.live.extend(self.latest.take());
    }

    /// Takes in an entry whose line was read in full.
    fn entry(
        &mut self,
        taken: &Taken,
        seq: u64,
        conn: Option<u64>,
        kind: EntryKind,
    ) -> Result<(), LoadError> {
        if let EntryKind::Gap(gap) = &kind {
            self.gap(seq, gap.frames);
            return Ok(());
        }
        let Some(conn) = conn else { return Ok(()) };
        match kind {
            // It goes on, unless this is the first file of those that were given.
            EntryKind::Open(opening) if opening.continued && self.live.contains_key(&conn) => {}
            EntryKind::Open(opening) => {
                let path = opening.url.split('?').next().unwrap_or_default().to_owned();
                let tape = self.tapes.tapes.len();
                let session = self.sessions.open(tape, &path);
                self.tapes.tapes.push(Tape { path, session, ..Tape::default() });
                self.live.insert(conn, Box::new(Listener::new(tape)));
            }
            EntryKind::Frame { from, text } => {
                let Some(mut listener) = self.live.remove(&conn) else { return Ok(()) };
                match (from, text) {
                    (_, FrameText::Omitted(bytes)) => {
                        let note = format!("entry {seq}: a message of {bytes} bytes, which was not kept");
                        self.report.left_out.push(note);
                    }
                    (Side::Client, FrameText::Text(text) | FrameText::Binary(text)) => {
                        if !self.client(&mut listener, taken, &text)? {
                            self.odd_request(&mut listener, taken.place, &text)?;
                        }
                    }
                    (Side::Engine, FrameText::Text(text)) => {
                        if !self.engine(&mut listener, taken, &text)? {
                            self.push(&listener, taken.place, false);
                        }
                    }
                    (Side::Engine, FrameText::Binary(_)) => self.push(&listener, taken.place, false),
                }
                self.live.insert(conn, listener);
            }
            EntryKind::Close(closing) => {
                let Some(listener) = self.live.remove(&conn) else { return Ok(()) };
                self.sessions.close(listener.tape);
                match closing.by {
                    Some(Side::Engine) => self.push(&listener, taken.place, false),
                    Some(Side::Client) => {}
                    None => self.cut(&listener),
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes that messages are missing: answers and the patches of deltas may be among them.
    fn gap(&mut self, seq: u64, frames: u64) {
        self.report
            .left_out
            .push(format!("before entry {seq}: {frames} messages, which could not be recorded"));
        for listener in self.live.values_mut() {
            for request in listener.outstanding.drain(..) {
                self.tapes.index.lost(request.call);
            }
            listener.patches = Patches::default();
        }
    }

    /// Notes that the recording ends before the connection did: what was still to be answered may have been.
    fn cut(&mut self, listener: &Listener) {
        for request in &listener.outstanding {
            self.tapes.index.lost(request.call);
        }
    }

    /// Takes in a request; returns whether it is one.
    fn client(&mut self, listener: &mut Listener, taken: &Taken, text: &[u8]) -> Result<bool, LoadError> {
        let Ok(request) = Request::parse(text) else { return Ok(false) };
        let asked = self.asked_before(listener, &request);
        let lineage = &asked.lineage;
        // A recording that was made without redaction is compared as if it had been made with it.
        let (redaction, masks) = (&self.tapes.redaction, &mut self.tapes.masks);
        let mut canonical = || {
            let clean = redaction.frame(text).map(|clean| clean.text);
            let reread = clean.as_deref().and_then(|clean| Request::parse(clean).ok());
            let canonical = listener.requests.canonical(lineage.class(), reread.as_ref().unwrap_or(&request));
            masks.learn(&request.method, &canonical);
            canonical
        };
        let rules = &self.tapes.ignored;
        let class = lineage.class();
        let mut written = None;
        let params = if asked.writes || asked.names_a_request {
            let canonical = canonical();
            let hash = ParamsHash::new(rules, class, &request.method, &canonical);
            written = asked
                .writes
                .then(|| volatile::ignoring(rules, class, &request.method, &canonical).into_owned());
            hash
        } else {
            self.known.get(rules, class, &request, canonical)
        };
        let session = self.tapes.tapes[listener.tape].session;
        let state = self.sessions.state(session);
        let before = state.of(lineage);
        let undo = written.map(|params| Box::new(state.write(lineage, &request.method, &params)));
        let hash = hash_of(lineage, &request.method, params.exact);
        let call =
            self.tapes.index.push(hash, taken.place, asked.subject, before).ok_or(LoadError::TooMany)?;
        if let Some(general) = params.general {
            self.tapes.index.push_general(hash_of(lineage, &request.method, general), call);
        }
        if request.id.is_none() {
            self.tapes.without_id.push(call.0);
        }
        listener.requests.remember(&request);
        let occurrence = listener.lineages.requested(request.handle, &request.method, request.params);
        let params = request.params.map(|params| params.as_bytes()).filter(|params| *params != b"[]");
        listener.outstanding.push(Outstanding {
            id: request.id.map(|id| hash_text(id.as_bytes())),
            call,
            to: request.handle,
            method: asked.method,
            params: params.map(Into::into),
            occurrence,
            undo,
        });
        self.note_asked(listener, call);
        Ok(true)
    }

    fn asked_before(&mut self, listener: &mut Listener, request: &Request<'_>) -> Rc<AskedBefore> {
        let called = (request.handle, hash_text(request.method.as_bytes()));
        let object = listener.lineages.get(request.handle);
        if let Some(asked) = listener.asked.get(&called)
            // The handle may have been closed, or opened, since.
            && object.map_or(asked.guessed, |object| *object == asked.lineage)
        {
            return asked.clone();
        }
        let guessed = object.is_none();
        let lineage = listener.lineage_of(request.handle);
        let method = self.method(&request.method);
        let asked = Rc::new(AskedBefore {
            subject: self.subject(listener.tape, &lineage, method),
            method,
            lineage,
            guessed,
            writes: state::writes(&request.method),
            names_a_request: names_a_request(&request.method),
        });
        if listener.asked.len() == MOST_ASKED {
            listener.asked.clear();
        }
        listener.asked.insert(called, asked.clone());
        asked
    }

    /// Takes in what a client said that is no request.
    fn odd_request(&mut self, listener: &mut Listener, place: Place, text: &[u8]) -> Result<(), LoadError> {
        let clean = self.tapes.redaction.frame(text).map(|clean| clean.text);
        let text = String::from_utf8_lossy(clean.as_deref().unwrap_or(text));
        let hash = hash_of(&Lineage::GLOBAL, "", hash_text(text.as_bytes()));
        let method = self.method("");
        let subject = self.subject(listener.tape, &Lineage::GLOBAL, method);
        let session = self.tapes.tapes[listener.tape].session;
        let state = self.sessions.state(session).of(&Lineage::GLOBAL);
        let call = self.tapes.index.push(hash, place, subject, state).ok_or(LoadError::TooMany)?;
        self.note_asked(listener, call);
        Ok(())
    }

    fn note_asked(&mut self, listener: &mut Listener, call: CallId) {
        let cause = Cause(call, Moment::Before);
        listener.latest = Some(cause);
        self.sessions.note(self.tapes.tapes[listener.tape].session, cause);
    }

    /// Returns the number of what calls have in common.
    fn subject(&mut self, tape: usize, lineage: &Lineage, method: u32) -> u32 {
        let subject = Subject { tape: tape as u32, lineage: self.object(lineage, None), method };
        *self.subjects.entry(subject).or_insert_with(|| {
            self.tapes.subjects.push(subject);
            self.tapes.subjects.len() as u32 - 1
        })
    }

    fn method(&mut self, name: &str) -> u32 {
        if let Some(known) = self.methods.get(name) {
            return *known;
        }
        let number = self.tapes.methods.len() as u32;
        self.tapes.methods.push(name.into());
        self.methods.insert(name.into(), number);
        number
    }

    /// Returns the number of an object, and notes what opened it.
    fn object(&mut self, lineage: &Lineage, by: Option<CallId>) -> u32 {
        if let Some(known) = self.lineages.get(lineage) {
            return *known;
        }
        let number = self.tapes.lineages.len() as u32;
        self.tapes.lineages.push((lineage.clone(), by.unwrap_or(CallId(u32::MAX))));
        self.lineages.insert(lineage.clone(), number);
        number
    }

    /// Takes in what the engine said; returns whether it is a frame.
    fn engine(&mut self, listener: &mut Listener, taken: &Taken, text: &[u8]) -> Result<bool, LoadError> {
        let Ok(Frame { kind, changes }) = Frame::parse(text) else { return Ok(false) };
        let place = taken.place;
        match kind {
            Kind::Response(response) => match listener.answered(&response) {
                Some(request) => self.answer(listener, request, &response, taken)?,
                // Its id would be taken for that of some live request.
                None if response.id.is_some() => {
                    let seq = line::seq(&taken.line).unwrap_or_default();
                    self.report.left_out.push(format!("entry {seq}: an answer to no request"));
                }
                None => self.push(listener, place, false),
            },
            Kind::Push => self.push(listener, place, true),
            Kind::Notification { method, params, .. } => {
                if listener.latest.is_none()
                    && method == "OnConnected"
                    && let Some(state) = params.and_then(|params| params.member("qSessionState"))
                {
                    let tape = &mut self.tapes.tapes[listener.tape];
                    tape.session = self.sessions.greeted(listener.tape, &tape.path, state.as_bytes());
                }
                self.push(listener, place, false);
            }
            _ => self.push(listener, place, false),
        }
        for handle in changes.closed {
            listener.lineages.closed(handle);
            listener.patches.closed(handle);
            self.tapes.tapes[listener.tape].history.closed(handle, place);
        }
        Ok(true)
    }

    fn answer(
        &mut self,
        listener: &mut Listener,
        mut request: Outstanding,
        response: &Response<'_>,
        taken: &Taken,
    ) -> Result<(), LoadError> {
        let failed = response.error.is_some();
        if failed && let Some(undo) = request.undo.take() {
            let session = self.tapes.tapes[listener.tape].session;
            self.sessions.state(session).undo(*undo);
        }
        if let Some(result) = response.result.filter(|_| !failed) {
            let method = &self.tapes.methods[request.method as usize];
            let materialised;
            let mut plain = result;
            if response.delta {
                match listener.patches.apply(request.to, method, result, taken.place, &self.tapes.texts) {
                    Ok(None) => {}
                    Ok(Some(text)) => {
                        materialised = text;
                        let spilled = self.spill(materialised.as_bytes(), taken.place);
                        let place = spilled.map_err(|source| ReadError::Io {
                            path: self.tapes.texts.path(taken.place).to_owned(),
                            source,
                        })?;
                        self.tapes.spilled.insert(request.call.0, place);
                        plain = Raw::new(materialised.as_bytes()).unwrap_or(result);
                    }
                    Err(fault) => {
                        self.tapes.index.lost(request.call);
                        let seq = line::seq(&taken.line).unwrap_or_default();
                        self.report.left_out.push(format!("entry {seq}: {fault}"));
                        return Ok(());
                    }
                }
            } else {
                listener.patches.plain_answer(request.to, method);
            }
            self.open(listener, &request, plain, response.delta, taken.place);
        }
        self.tapes.index.answered(request.call, taken.place, failed);
        let cause = Cause(request.call, Moment::After);
        listener.latest = Some(cause);
        self.sessions.note(self.tapes.tapes[listener.tape].session, cause);
        Ok(())
    }

    /// Notes which objects an answer opens.
    fn open(
        &mut self,
        listener: &mut Listener,
        request: &Outstanding,
        result: Raw<'_>,
        delta: bool,
        at: Place,
    ) {
        let rooted;
        let mut result = result;
        if delta && let Some(plain) = super::patches::plain_reference(result) {
            rooted = plain;
            result = Raw::new(&rooted).unwrap_or(result);
        }
        for reference in references(result) {
            let Some(handle) = reference.handle.filter(|handle| listener.lineages.get(*handle).is_none())
            else {
                continue;
            };
            let params = request.params.as_deref().and_then(|params| Raw::new(params).ok());
            let method = &self.tapes.methods[request.method as usize];
            // Secrets are no part of how an object is known.
            let clean = params.and_then(|params| clean_params(&self.tapes, method, params));
            let params = clean.as_deref().and_then(|clean| Raw::new(clean).ok()).or(params);
            listener.lineages.opened(&reference, request.to, method, params, request.occurrence);
            if let Some(lineage) = listener.lineages.get(handle).cloned() {
                let object = self.object(&lineage, Some(request.call));
                self.tapes.tapes[listener.tape].history.opened(handle, object, at);
            }
        }
    }

    fn spill(&mut self, text: &[u8], near: Place) -> std::io::Result<Place> {
        let source = match self.spool {
            Some(source) => source,
            None => {
                let path = self.tapes.texts.path(near).to_owned();
                *self.spool.insert(self.tapes.texts.add_spool(Path::new(&path))?)
            }
        };
        self.tapes.texts.spool(source, text)
    }

    /// Ties what the engine said unasked to the call before it. Lists are caused by any socket of the session.
    fn push(&mut self, listener: &Listener, place: Place, lists: bool) {
        let tape = &mut self.tapes.tapes[listener.tape];
        let cause = match listener.latest {
            own @ Some(_) if lists => self.sessions.latest(tape.session).or(own),
            own => own,
        };
        match cause {
            Some(Cause(call, moment)) => self.tapes.pushes.push(PushPlace {
                cause: PushPlace::cause(call, moment),
                tape: listener.tape as u32,
                place: place.halves(),
            }),
            None => tape.greeting.push(place),
        }
    }
}

/// Returns parameters without their secrets, if they have any.
fn clean_params(tapes: &Tapes, method: &str, params: Raw<'_>) -> Option<Bytes> {
    let mut text = br#"{"method":"#.to_vec();
    qix_protocol::Tree::string(method).write(&mut text);
    text.extend_from_slice(b",\"params\":");
    text.extend_from_slice(params.as_bytes());
    text.push(b'}');
    let clean = Bytes::from(tapes.redaction.frame(&text)?.text);
    let params = Request::parse(&clean).ok()?.params?;
    Some(clean.slice_ref(params.as_bytes()))
}

impl Listener {
    fn new(tape: usize) -> Self {
        Self {
            tape,
            latest: None,
            lineages: Lineages::default(),
            patches: Patches::default(),
            requests: RecentRequests::default(),
            outstanding: Vec::new(),
            asked: HashMap::default(),
        }
    }

    fn lineage_of(&self, handle: Handle) -> Lineage {
        self.lineages.get(handle).cloned().unwrap_or_else(|| guessed(handle))
    }

    /// Takes out the oldest request that the response can belong to. Ids may repeat or be missing; a request without one may
    /// be answered with 0.
    fn answered(&mut self, response: &Response<'_>) -> Option<Outstanding> {
        let written = response.id.map(|id| id.as_bytes());
        let id = written.map(hash_text);
        let exact = self.outstanding.iter().position(|request| request.id == id);
        let without = || {
            let zero = matches!(written, None | Some(b"0"));
            self.outstanding.iter().position(|request| zero && request.id.is_none())
        };
        exact.or_else(without).map(|at| self.outstanding.remove(at))
    }
}
