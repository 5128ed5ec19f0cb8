//! Makes calls of messages: which object, which method, how long, how large, what went wrong.

use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use qix_protocol::{
    Handle,
    delta::Baselines,
    frame::{
        Raw,
        client::Request,
        elements,
        engine::{Frame, Kind, Response},
    },
    references,
    schema::ProgressData,
};
use qix_transport::printable;

use super::{
    exchange::Exchange,
    names::{self, Hint, Names, Object},
    notices::{Notice, Weight, notification},
    reload::{Running, takes_long},
    words::{Fault, ended, shown},
};
use crate::{
    count::count,
    filter::Facts,
    model::{has_failed, whole},
    record::{Redaction, Seen, Side},
};

/// The most calls in flight of one connection that are known; beyond it the oldest is forgotten.
const MOST_PENDING: usize = 10_000;
/// How many calls that go on are named when their connection ends.
const MOST_NAMED: usize = 3;
/// How much memory the values may take that patches refer to, of one connection: only short answers are kept.
const BASELINES: usize = 1 << 20;
/// Calls with a longer id are not followed, so that ids take no memory to speak of.
const LONGEST_ID: usize = 256;
/// Longer results hold no reference, no progress and no success.
const SHORT: usize = 16 << 10;

/// Something worth telling.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// A call was answered.
    Done(CallDone),
    /// The engine told how far a call is.
    Progress(Running),
    /// An exchange of plain HTTP ended.
    Exchange(Exchange),
    /// Something else happened.
    Notice(Notice),
}

/// A call that was answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CallDone {
    /// The connection.
    pub(crate) conn: u64,
    /// When the answer came, in microseconds since the recording began.
    pub(crate) t: u64,
    /// How long the answer took, in microseconds.
    pub(crate) latency: u64,
    /// The object that was called.
    pub(crate) object: Arc<Object>,
    /// The method.
    pub(crate) method: String,
    /// The size of the answer in bytes.
    pub(crate) size: u64,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
}

impl CallDone {
    /// Returns what a filter wants to know; `object` is what the object is shown as.
    pub(super) fn facts<'a>(&'a self, object: &'a str) -> Facts<'a> {
        Facts {
            conn: self.conn,
            at: Duration::from_micros(self.t.saturating_sub(self.latency)),
            method: &self.method,
            object,
            names: [&self.object.kind, &self.object.id, &self.object.title],
            latency: Some(Duration::from_micros(self.latency)),
            bytes: self.size,
            failed: self.fault.is_some(),
        }
    }
}

/// Follows the messages of all connections.
///
/// Pure: what it is told in one order, it tells in one order. Messages may be left out, [`lost`](Self::lost) says so.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    connections: HashMap<u64, Connection>,
    redaction: Redaction,
    in_flight: usize,
}

#[derive(Debug)]
struct Connection {
    names: Names,
    baselines: Baselines,
    /// Calls without an answer, oldest first.
    pending: VecDeque<Pending>,
    /// How many of them have a progress.
    running: usize,
    calls: u64,
}

#[derive(Debug)]
struct Pending {
    id: Option<Box<[u8]>>,
    to: Handle,
    method: String,
    since: u64,
    /// What the object is called that may be opened.
    hint: Hint,
    /// The id of the call that a `GetProgress` asks about.
    about: Option<Box<[u8]>>,
    running: Option<Box<Running>>,
}

impl Connection {
    fn new(redaction: &Redaction) -> Self {
        Self {
            names: Names::redacted(redaction.clone()),
            baselines: Baselines::new(BASELINES),
            pending: VecDeque::new(),
            running: 0,
            calls: 0,
        }
    }
}

impl Tracker {
    /// Returns how many calls have no answer yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Returns the calls in flight that have a progress, the oldest first.
    pub(crate) fn running(&self) -> Vec<&Running> {
        let connections = self.connections.values().filter(|connection| connection.running > 0);
        let pending = connections.flat_map(|connection| &connection.pending);
        let mut running: Vec<_> = pending.filter_map(|call| call.running.as_deref()).collect();
        running.sort_unstable_by_key(|running| (running.since, running.conn, running.call));
        running
    }

    /// Takes in what a recorder saw, and hands on what came of it.
    pub(crate) fn take(&mut self, conn: u64, t: u64, seen: &Seen<'_>, tell: &mut dyn FnMut(Event)) {
        let notice = |weight, text| Event::Notice(Notice { conn, t, weight, text });
        match *seen {
            Seen::Opened { url } => {
                self.connections.entry(conn).or_insert_with(|| Connection::new(&self.redaction));
                let path = url.split('?').next().unwrap_or_default();
                tell(notice(Weight::Normal, format!("connected to {}", printable(path, 100))));
            }
            Seen::Refused { url, status, error } => {
                let path = printable(url.split('?').next().unwrap_or_default(), 100);
                let why =
                    error.map(|error| format!(": {}", shown(&self.redaction, error))).unwrap_or_default();
                tell(notice(Weight::Bad, format!("upgrade of {path} refused with {status}{why}")));
            }
            Seen::Text { from, text } => {
                let connection =
                    self.connections.entry(conn).or_insert_with(|| Connection::new(&self.redaction));
                let before = connection.pending.len();
                match from {
                    Side::Client => connection.asked(conn, t, text),
                    Side::Engine => connection.said(&self.redaction, (conn, t), text, tell),
                }
                self.in_flight = (self.in_flight + connection.pending.len()).saturating_sub(before);
            }
            Seen::Closed { by, code, reason, clean, error } => {
                let Some(connection) = self.connections.remove(&conn) else { return };
                self.in_flight = self.in_flight.saturating_sub(connection.pending.len());
                let mut text = ended(&self.redaction, by, code, reason, clean, error);
                let usual = clean && matches!(code, None | Some(1000 | 1001 | 1005));
                let left = connection.pending.len();
                if left > 0 {
                    text += &format!(", with {} unanswered", count(left as u64, "call"));
                }
                let running = connection.pending.iter().filter_map(|call| call.running.as_deref());
                for running in running.take(MOST_NAMED) {
                    text += &format!("; {} of {} was going on", running.method, running.object);
                }
                let weight = match by {
                    Some(Side::Engine) if !usual => Weight::Bad,
                    _ if usual && left == 0 => Weight::Normal,
                    _ => Weight::Odd,
                };
                tell(notice(weight, text));
            }
            Seen::Exchanged { .. } => {
                if let Some(exchange) = Exchange::new(&self.redaction, t, seen) {
                    tell(Event::Exchange(exchange));
                }
            }
            Seen::Bytes { .. } | Seen::Other { .. } => {}
        }
    }

    /// Takes in an answer of the engine that was too large to be handed on whole: its beginning and its size.
    pub(crate) fn take_large(
        &mut self,
        conn: u64,
        t: u64,
        start: &[u8],
        size: u64,
        tell: &mut dyn FnMut(Event),
    ) {
        let Some(connection) = self.connections.get_mut(&conn) else { return };
        let Some(id) = id_at_start(start) else { return };
        let Some(call) = connection.answered(Some(id)) else { return };
        self.in_flight = self.in_flight.saturating_sub(1);
        let object = connection.names.get(call.to);
        let latency = t.saturating_sub(call.since);
        tell(Event::Done(CallDone { conn, t, latency, object, method: call.method, size, fault: None }));
    }

    /// Forgets what may have been answered by messages that were left out.
    pub(crate) fn lost(&mut self) {
        for connection in self.connections.values_mut() {
            let before = connection.pending.len();
            connection.pending.retain(|call| call.running.is_some());
            self.in_flight = self.in_flight.saturating_sub(before - connection.pending.len());
            connection.baselines.clear();
        }
    }
}

impl Connection {
    fn asked(&mut self, conn: u64, t: u64, text: &[u8]) {
        let Ok(request) = Request::parse(text) else { return };
        if request.id.is_some_and(|id| id.as_bytes().len() > LONGEST_ID) {
            return;
        }
        let method = printable(&request.method, 60);
        let owned = |raw: Raw<'_>| Box::from(raw.as_bytes());
        let running = takes_long(&method).then(|| {
            Box::new(Running {
                conn,
                call: self.calls,
                object: self.names.get(request.handle),
                method: method.clone(),
                since: t,
                percent: None,
                text: String::new(),
                wants_user: false,
            })
        });
        if self.pending.len() >= MOST_PENDING {
            self.remove(0);
        }
        self.calls += 1;
        self.running += usize::from(running.is_some());
        let about = request.params.filter(|_| method == "GetProgress").and_then(first);
        self.pending.push_back(Pending {
            id: request.id.map(owned),
            to: request.handle,
            since: t,
            hint: request.params.filter(|_| may_open(&method)).map(Hint::new).unwrap_or_default(),
            about: about.filter(|id| id.as_bytes().len() <= LONGEST_ID).map(owned),
            method,
            running,
        });
    }

    fn said(
        &mut self,
        redaction: &Redaction,
        (conn, t): (u64, u64),
        text: &[u8],
        tell: &mut dyn FnMut(Event),
    ) {
        let Ok(Frame { kind, changes }) = Frame::parse(text) else { return };
        let notice = |weight, text| Event::Notice(Notice { conn, t, weight, text });
        match kind {
            Kind::Response(response) => {
                if let Some(call) = self.answered(response.id.map(|id| id.as_bytes())) {
                    let size = text.len() as u64;
                    self.done(redaction, (conn, t, size), call, &response, text, tell);
                }
            }
            Kind::Notification { method, params, .. } => {
                let (weight, text) = notification(redaction, &method, params);
                tell(notice(weight, text));
            }
            _ => {}
        }
        if !changes.suspended.is_empty() {
            let objects = count(changes.suspended.len() as u64, "object");
            tell(notice(Weight::Odd, format!("the engine has suspended {objects}, as a reload does")));
        }
        for handle in changes.closed {
            self.names.closed(handle);
            self.baselines.closed(handle);
        }
    }

    /// Takes out the oldest call that an answer can belong to. Ids may repeat or be missing; a request without one may be answered
    /// with 0.
    fn answered(&mut self, id: Option<&[u8]>) -> Option<Pending> {
        let exact = self.pending.iter().position(|call| call.id.as_deref() == id);
        let without = || {
            let zero = matches!(id, None | Some(b"0"));
            self.pending.iter().position(|call| zero && call.id.is_none())
        };
        let at = exact.or_else(without)?;
        self.remove(at)
    }

    fn remove(&mut self, at: usize) -> Option<Pending> {
        let call = self.pending.remove(at)?;
        self.running -= usize::from(call.running.is_some());
        Some(call)
    }

    fn done(
        &mut self,
        redaction: &Redaction,
        (conn, t, size): (u64, u64, u64),
        call: Pending,
        response: &Response<'_>,
        text: &[u8],
        tell: &mut dyn FnMut(Event),
    ) {
        let mut fault = response.error.as_ref().map(|error| {
            let raw = Raw::new(text).ok().and_then(|frame| frame.member("error"));
            Fault::of_answer(redaction, error, raw)
        });
        if let Some(result) = response.result {
            if let Some(plain) = self.short(&call, result, response.delta)
                && let Ok(plain) = Raw::new(&plain)
            {
                for reference in references(plain) {
                    self.names.opened(&reference, &call.hint);
                }
                if has_failed(&call.method, plain) {
                    fault = fault.or_else(|| Some(Fault::script()));
                }
                if call.method == "GetProgress" {
                    self.progress(redaction, (conn, t), call.about.as_deref(), plain, tell);
                }
            }
            fault = fault.or_else(|| self.layout(redaction, &call, result, response.delta));
        }
        let object = self.names.get(call.to);
        let latency = t.saturating_sub(call.since);
        tell(Event::Done(CallDone { conn, t, latency, object, method: call.method, size, fault }));
    }

    /// Returns a short result as it is without patches, if anything of it is to be known.
    fn short<'r>(&mut self, call: &Pending, result: Raw<'r>, delta: bool) -> Option<Cow<'r, [u8]>> {
        if result.as_bytes().len() > SHORT || !is_telling(&call.method) {
            return None;
        }
        if delta {
            let plain = self.baselines.apply(call.to, &call.method, result).ok()?;
            return Some(Cow::Owned(plain.to_string().into_bytes()));
        }
        self.baselines.plain_answer(call.to, &call.method);
        Some(Cow::Borrowed(result.as_bytes()))
    }

    /// Learns the title in a layout or in properties, and returns the error in it.
    fn layout(
        &mut self,
        redaction: &Redaction,
        call: &Pending,
        result: Raw<'_>,
        delta: bool,
    ) -> Option<Fault> {
        let out = match &*call.method {
            "GetLayout" | "GetAppLayout" => "qLayout",
            "GetProperties" | "GetEffectiveProperties" => "qProp",
            _ => return None,
        };
        let value = result.member(out)?;
        let value = if delta { whole(value)? } else { value };
        if let Some(title) = names::title(value) {
            self.names.titled(call.to, &redaction.text(&title));
        }
        Fault::in_layout(redaction, value)
    }

    fn progress(
        &mut self,
        redaction: &Redaction,
        (conn, t): (u64, u64),
        about: Option<&[u8]>,
        plain: Raw<'_>,
        tell: &mut dyn FnMut(Event),
    ) {
        let Some(progress) =
            plain.member("qProgressData").and_then(|data| data.decode::<ProgressData>().ok())
        else {
            return;
        };
        // 0 asks for whatever runs.
        let any = about.is_none_or(|about| about == b"0");
        let running = self.pending.iter_mut().filter(|call| any || call.id.as_deref() == about);
        let Some(running) = running.filter_map(|call| call.running.as_deref_mut()).next() else { return };
        let before = running.clone();
        let news = running.take(redaction, &progress);
        let notice = |weight, text| Event::Notice(Notice { conn, t, weight, text });
        let what = format!("{} of {}", running.method, running.object);
        for error in news.errors {
            tell(notice(Weight::Bad, format!("{what}: {error}")));
        }
        if news.wants_user {
            tell(notice(
                Weight::Bad,
                format!("{what} waits for an answer of the user (GetInteract, InteractDone)"),
            ));
        }
        if *running != before {
            tell(Event::Progress(running.clone()));
        }
    }
}

/// Whether answers to the method may refer to an object.
fn may_open(method: &str) -> bool {
    ["Get", "Create", "Open", "Clone"].iter().any(|verb| method.starts_with(verb))
}

/// Whether anything short in the answers to the method is to be known.
fn is_telling(method: &str) -> bool {
    takes_long(method)
        || may_open(method)
            && !["GetLayout", "GetHyperCube", "GetListObject"].iter().any(|data| method.starts_with(data))
}

fn first(params: Raw<'_>) -> Option<Raw<'_>> {
    match params.as_bytes().first() {
        Some(b'{') => params.member("qRequestId"),
        _ => elements(params).next(),
    }
}

/// Returns the id at the beginning of an answer whose rest is not at hand.
fn id_at_start(start: &[u8]) -> Option<&[u8]> {
    let result = memchr::memmem::find(start, b"\"result\"").unwrap_or(start.len());
    let at = memchr::memmem::find(&start[..result], b"\"id\":")? + 5;
    let rest = start[at..].trim_ascii_start();
    let length = rest.iter().position(|byte| matches!(byte, b',' | b'}' | b' ' | b'\n'))?;
    Some(&rest[..length])
}

#[cfg(test)]
mod tests;
