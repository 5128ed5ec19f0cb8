//! Reads a recording into tapes.

use std::{
    collections::HashMap,
    io::BufRead,
    path::Path,
    sync::{Arc, atomic::AtomicBool},
};

use bytes::Bytes;
use qix_protocol::{
    ChangeSet, Handle, Lineages,
    delta::Baselines,
    frame::{
        Raw,
        client::Request,
        engine::{Frame, Kind, Response},
        members,
    },
    references,
};

use super::{
    Key, Tapes,
    key::{RecentRequests, guessed},
    masks::Masks,
    tape::{Body, Lists, Push, Pushed, RecordedAnswer, RecordedCall, Tape},
    template::Template,
};
use crate::record::{
    Entry, EntryKind, FrameText, ReadError, RecordingParts, RecordingReader, Redaction, Side, TornTail,
};

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The recording holds no connection.
    #[error("the recording holds no connection: record a client first")]
    NoConnection,
}

/// What was odd about a recording that can be replayed all the same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LoadReport {
    /// A last line that was cut.
    pub torn: Option<TornTail>,
    /// Requests that have no answer.
    pub unanswered: usize,
    /// Messages that were left out, in words.
    pub left_out: Vec<String>,
}

impl Tapes {
    /// Reads a whole recording.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read or holds no connection.
    pub fn open(path: impl AsRef<Path>) -> Result<(Self, LoadReport), LoadError> {
        Self::open_with(path, &Redaction::standard())
    }

    /// Reads a whole recording with rules of one's own for what is a secret.
    ///
    /// Secrets do not matter when requests are compared, be they in the recording or not.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn open_with(path: impl AsRef<Path>, redaction: &Redaction) -> Result<(Self, LoadReport), LoadError> {
        Self::load_with(RecordingReader::open(path)?, redaction)
    }

    /// Reads a whole recording from any source.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn load<R: BufRead>(reader: RecordingReader<R>) -> Result<(Self, LoadReport), LoadError> {
        Self::load_with(reader, &Redaction::standard())
    }

    fn load_with<R: BufRead>(
        mut reader: RecordingReader<R>,
        redaction: &Redaction,
    ) -> Result<(Self, LoadReport), LoadError> {
        let (tapes, mut report) = Self::play(reader.by_ref(), redaction)?;
        report.torn = reader.torn();
        Ok((tapes, report))
    }

    /// Reads a recording that has several files, given in any order, with rules of one's own for what is a secret.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open), and if the files belong to different recordings.
    ///
    /// # Panics
    ///
    /// If there are no files.
    pub fn open_parts<P: AsRef<Path>>(
        paths: impl IntoIterator<Item = P>,
        redaction: &Redaction,
    ) -> Result<(Self, LoadReport), LoadError> {
        let mut parts = RecordingParts::open(paths)?;
        let (tapes, mut report) = Self::play(parts.by_ref(), redaction)?;
        report.torn = parts.torn().first().map(|(_, torn)| *torn);
        Ok((tapes, report))
    }

    fn play(
        entries: impl Iterator<Item = Result<Entry, ReadError>>,
        redaction: &Redaction,
    ) -> Result<(Self, LoadReport), LoadError> {
        let mut loader = Loader { redaction: redaction.clone(), ..Loader::default() };
        for entry in entries {
            let entry = entry?;
            loader.entry(entry.seq, entry.conn, entry.kind);
        }
        if loader.tapes.is_empty() {
            return Err(LoadError::NoConnection);
        }
        for listener in std::mem::take(&mut loader.live).values() {
            loader.cut(listener);
        }
        let mut report = loader.report;
        let calls = loader.tapes.iter().flat_map(|tape| &tape.calls);
        report.unanswered = calls.filter(|call| call.answer.is_none()).count();
        Ok((
            Self { tapes: loader.tapes, redaction: loader.redaction, masks: loader.masks, anonymizer: None },
            report,
        ))
    }
}

#[derive(Default)]
struct Loader {
    tapes: Vec<Tape>,
    /// By the recording's connection number.
    live: HashMap<u64, Listener>,
    /// The latest call in each session, to which lists are tied. Sockets of one path share a session.
    latest: HashMap<String, Cause>,
    report: LoadReport,
    redaction: Redaction,
    masks: Masks,
}

/// What a push is tied to.
#[derive(Clone, Copy)]
enum Cause {
    /// A request.
    Request(usize, usize),
    /// An answer.
    Answer(usize, usize),
}

/// Follows one recorded connection.
struct Listener {
    tape: usize,
    /// The latest call of this connection, to which everything but lists is tied.
    latest: Option<Cause>,
    lineages: Lineages,
    baselines: Baselines,
    requests: RecentRequests,
    /// Requests without answer, oldest first.
    outstanding: Vec<Outstanding>,
}

struct Outstanding {
    id: Option<Bytes>,
    call: usize,
    to: Handle,
    method: String,
    params: Option<Bytes>,
    occurrence: u32,
}

impl Loader {
    fn entry(&mut self, seq: u64, conn: Option<u64>, kind: EntryKind) {
        if let EntryKind::Gap(gap) = &kind {
            return self.gap(seq, gap.frames);
        }
        let Some(conn) = conn else { return };
        match kind {
            // It goes on, unless this is the first file of those that were given.
            EntryKind::Open(opening) if opening.continued && self.live.contains_key(&conn) => {}
            EntryKind::Open(opening) => {
                let path = opening.url.split('?').next().unwrap_or_default().to_owned();
                let tape = self.tapes.len();
                self.tapes.push(Tape { path, added: opening.added, ..Tape::default() });
                self.live.insert(conn, Listener::new(tape));
            }
            EntryKind::Frame { from, text } => {
                let Some(mut listener) = self.live.remove(&conn) else { return };
                match (from, text) {
                    (_, FrameText::Omitted(bytes)) => {
                        let note = format!("entry {seq}: a message of {bytes} bytes, which was not kept");
                        self.report.left_out.push(note);
                    }
                    (Side::Client, FrameText::Text(text) | FrameText::Binary(text)) => {
                        self.client(&mut listener, &text);
                    }
                    (Side::Engine, FrameText::Text(text)) => self.engine(&mut listener, seq, &text),
                    (Side::Engine, FrameText::Binary(bytes)) => self.push(&listener, Pushed::Binary(bytes)),
                }
                self.live.insert(conn, listener);
            }
            EntryKind::Close(closing) => {
                let Some(listener) = self.live.remove(&conn) else { return };
                match closing.by {
                    Some(Side::Engine) if closing.clean => {
                        self.push(&listener, Pushed::Close(closing.code, closing.reason));
                    }
                    Some(Side::Engine) => self.push(&listener, Pushed::Drop),
                    Some(Side::Client) => {}
                    None => self.cut(&listener),
                }
            }
            _ => {}
        }
    }

    /// Notes that messages are missing: answers and the patches of deltas may be among them.
    fn gap(&mut self, seq: u64, frames: u64) {
        self.report
            .left_out
            .push(format!("before entry {seq}: {frames} messages, which could not be recorded"));
        for listener in self.live.values_mut() {
            for request in listener.outstanding.drain(..) {
                self.tapes[listener.tape].calls[request.call].lost = true;
            }
            listener.baselines = Baselines::default();
        }
    }

    /// Notes that the recording ends before the connection did: what was still to be answered may have been.
    fn cut(&mut self, listener: &Listener) {
        for request in &listener.outstanding {
            self.tapes[listener.tape].calls[request.call].lost = true;
        }
    }

    fn client(&mut self, listener: &mut Listener, text: &Bytes) {
        // A recording that was made without redaction is compared as if it had been made with it.
        let clean = self.redaction.frame(text).map(|clean| Bytes::from(clean.text));
        let text = clean.as_ref().unwrap_or(text);
        let tape = &mut self.tapes[listener.tape];
        let call = tape.calls.len();
        let key = match Request::parse(text) {
            Ok(request) => {
                let key = Key::new(listener.lineage_of(request.handle), &request, &listener.requests);
                listener.requests.remember(&request);
                let occurrence = listener.lineages.requested(request.handle, &request.method, request.params);
                listener.outstanding.push(Outstanding {
                    id: request.id.map(|id| text.slice_ref(id.as_bytes())),
                    call,
                    to: request.handle,
                    method: request.method.into_owned(),
                    params: request.params.map(|params| text.slice_ref(params.as_bytes())),
                    occurrence,
                });
                key
            }
            Err(_) => Key::of_text(text),
        };
        self.masks.learn(&key);
        tape.by_key.entry(key.clone()).or_default().push(call);
        tape.calls.push(RecordedCall {
            key,
            answer: None,
            lost: false,
            before: Vec::new(),
            after: Vec::new(),
            used: AtomicBool::new(false),
        });
        listener.latest = Some(Cause::Request(listener.tape, call));
        self.latest.extend(listener.latest.map(|cause| (tape.path.clone(), cause)));
    }

    fn engine(&mut self, listener: &mut Listener, seq: u64, text: &Bytes) {
        let Ok(Frame { kind, changes }) = Frame::parse(text) else {
            return self.push(listener, Pushed::Text(text.clone()));
        };
        match kind {
            Kind::Response(response) => {
                let Some(request) = listener.answered(&response) else {
                    return match response.id {
                        // Its id would be taken for that of some live request.
                        Some(_) => self.report.left_out.push(format!("entry {seq}: an answer to no request")),
                        None => self.push(listener, Pushed::Text(text.clone())),
                    };
                };
                match listener.answer(&request, &response, &changes, text) {
                    Ok(answer) => {
                        let tape = &mut self.tapes[listener.tape];
                        tape.calls[request.call].answer = Some(Arc::new(answer));
                        listener.latest = Some(Cause::Answer(listener.tape, request.call));
                        self.latest.extend(listener.latest.map(|cause| (tape.path.clone(), cause)));
                    }
                    Err(fault) => {
                        self.tapes[listener.tape].calls[request.call].lost = true;
                        self.report.left_out.push(format!("entry {seq}: {fault}"));
                    }
                }
            }
            Kind::Push => {
                let lists = listener.lists(&changes);
                self.push(listener, Pushed::Lists(lists));
            }
            _ => self.push(listener, Pushed::Text(text.clone())),
        }
        for handle in changes.closed {
            listener.lineages.closed(handle);
            listener.baselines.closed(handle);
        }
    }

    /// Ties what the engine said unasked to the call before it. Lists are caused by any socket of the session.
    fn push(&mut self, listener: &Listener, what: Pushed) {
        let tape = listener.tape;
        let cause = match (&what, listener.latest) {
            (_, None) => None,
            (Pushed::Lists(_), own) => self.latest.get(&self.tapes[tape].path).copied().or(own),
            (_, own) => own,
        };
        let push = Push { tape, what };
        match cause {
            Some(Cause::Request(on, call)) => self.tapes[on].calls[call].before.push(push),
            Some(Cause::Answer(on, call)) => self.tapes[on].calls[call].after.push(push),
            None => self.tapes[tape].greeting.push(push),
        }
    }
}

impl Listener {
    fn new(tape: usize) -> Self {
        Self {
            tape,
            latest: None,
            lineages: Lineages::default(),
            baselines: Baselines::default(),
            requests: RecentRequests::default(),
            outstanding: Vec::new(),
        }
    }

    fn lineage_of(&self, handle: Handle) -> qix_protocol::Lineage {
        self.lineages.get(handle).cloned().unwrap_or_else(|| guessed(handle))
    }

    /// Takes out the oldest request that the response can belong to. Ids may repeat or be missing; a request without one may
    /// be answered with 0.
    fn answered(&mut self, response: &Response<'_>) -> Option<Outstanding> {
        let id = response.id.map(|id| id.as_bytes());
        let exact = self.outstanding.iter().position(|request| request.id.as_deref() == id);
        let without = || {
            let zero = matches!(id, None | Some(b"0"));
            self.outstanding.iter().position(|request| zero && request.id.is_none())
        };
        exact.or_else(without).map(|at| self.outstanding.remove(at))
    }

    fn answer(
        &mut self,
        request: &Outstanding,
        response: &Response<'_>,
        changes: &ChangeSet,
        text: &Bytes,
    ) -> Result<RecordedAnswer, qix_protocol::ProtocolError> {
        let frame = Raw::new(text)?;
        let body = if response.error.is_some() {
            let error = members(frame).filter(|(name, _)| name == "error").last();
            Body::Error(error.map(|(_, error)| text.slice_ref(error.as_bytes())).unwrap_or_default())
        } else {
            self.result(request, response)?
        };
        let known = |name: &str| {
            matches!(name, "jsonrpc" | "id" | "result" | "error" | "delta" | "change" | "close" | "suspend")
        };
        let mut extra = Vec::new();
        for (name, value) in members(frame).filter(|(name, _)| !known(name)) {
            extra.push(b',');
            qix_protocol::Tree::string(&name).write(&mut extra);
            extra.push(b':');
            extra.extend_from_slice(value.as_bytes());
        }
        Ok(RecordedAnswer {
            body,
            lists: self.lists(changes),
            extra: extra.into(),
            id: response.id.filter(|_| request.id.is_none()).map(|id| text.slice_ref(id.as_bytes())),
        })
    }

    fn result(
        &mut self,
        request: &Outstanding,
        response: &Response<'_>,
    ) -> Result<Body, qix_protocol::ProtocolError> {
        let Some(result) = response.result else { return Ok(Body::Odd(None)) };
        let materialised;
        let plain = if response.delta {
            materialised = self.baselines.apply(request.to, &request.method, result)?.to_string();
            Raw::new(materialised.as_bytes())?
        } else {
            self.baselines.plain_answer(request.to, &request.method);
            result
        };
        let params = request.params.as_deref().map(Raw::new).transpose()?;
        for reference in references(plain) {
            self.lineages.opened(&reference, request.to, &request.method, params, request.occurrence);
        }
        if plain.as_bytes().first() != Some(&b'{') {
            return Ok(Body::Odd(Some(Bytes::copy_from_slice(plain.as_bytes()))));
        }
        let member = |(name, value): (std::borrow::Cow<'_, str>, Raw<'_>)| {
            let mut written = Vec::new();
            qix_protocol::Tree::string(&name).write(&mut written);
            (written.into(), Template::of_member(value, &self.lineages))
        };
        Ok(Body::Result(members(plain).map(member).collect()))
    }

    fn lists(&self, changes: &ChangeSet) -> Lists {
        let lineages = |handles: &[Handle]| handles.iter().map(|handle| self.lineage_of(*handle)).collect();
        Lists {
            changed: lineages(&changes.changed),
            closed: lineages(&changes.closed),
            suspended: lineages(&changes.suspended),
        }
    }
}
