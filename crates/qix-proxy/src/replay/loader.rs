//! Reads the lines of a recording and notes what was asked, and where the answers are.

mod answers;
mod requests;

use std::sync::atomic::AtomicU64;

use foldhash::{HashMap, HashMapExt as _};
use qix_protocol::Lineage;

use super::{
    LoadError, LoadReport, LoadSettings, Tapes,
    grouping::Sessions,
    key::KnownParams,
    line::Line,
    lines::{Lines, Taken},
    listener::{Cause, Listener},
    pages::Pages,
    patches::Patches,
    path::SessionPath,
    tape::{PushPlace, Subject, Tape},
    texts::{Place, Texts},
};
use crate::record::{Entry, EntryKind, FrameText, Side};

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
        self.tapes.pages = Pages::new(lines.upstream(), &self.tapes.redaction);
        while let Some(taken) = lines.next(&mut self.tapes.texts)? {
            self.line(&taken)?;
            lines.recycle(taken.line);
        }
        self.report.torn = lines.torn();
        self.finish()
    }

    fn finish(mut self) -> Result<(Tapes, LoadReport), LoadError> {
        if self.tapes.tapes.is_empty() && self.tapes.pages.exchanges() == 0 {
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
        let entry = taken.entry(&self.tapes.texts)?;
        self.tapes.pages.entry(&entry.kind).map_err(LoadError::Pages)?;
        self.entry(taken, entry)
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
    fn entry(&mut self, taken: &Taken, Entry { seq, at, conn, kind, .. }: Entry) -> Result<(), LoadError> {
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
                let names = SessionPath::parse(&path).has_identity
                    || opening.request.iter().any(|(name, _)| name == "x-qlik-session");
                let session = self.sessions.open(tape, &path, names);
                let added = opening.added;
                self.tapes.tapes.push(Tape { path, session, added, opened: at, ..Tape::default() });
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
                self.tapes.tapes[listener.tape].closed = Some(at);
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
            for request in listener.unanswered() {
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

    /// Returns the number of what calls have in common.
    fn subject(&mut self, tape: usize, lineage: &Lineage, method: u32) -> u32 {
        let subject = Subject { tape: tape as u32, lineage: self.object(lineage), method };
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

    /// Returns the number of an object.
    fn object(&mut self, lineage: &Lineage) -> u32 {
        if let Some(known) = self.lineages.get(lineage) {
            return *known;
        }
        let number = self.tapes.lineages.len() as u32;
        self.tapes.lineages.push(lineage.clone());
        self.lineages.insert(lineage.clone(), number);
        number
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
