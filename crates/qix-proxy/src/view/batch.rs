//! Events by the batch, in columns, as the page in a browser takes them.
//!
//! Times are microseconds since the recording started. A later batch adds to earlier ones; an object that comes again replaces what was
//! said of it, and a number into `methods` or `texts` counts through all batches.

use std::{collections::HashMap, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    lint::Finding,
    model::{Call, Event, Fetch, Weight},
};

/// The most texts of errors that are told apart; later ones are told of as [`TOO_MANY`].
const MOST_TEXTS: usize = 20_000;
/// Stands for all errors beyond [`MOST_TEXTS`].
const TOO_MANY: &str = "another error; there are too many different ones to be told apart";
/// How much of a URL is shown, in characters.
const LONGEST_URL: usize = 2_000;

/// Gathers events until somebody takes them as a [`Batch`].
#[derive(Debug, Default)]
pub(crate) struct Batcher {
    batch: Batch,
    methods: HashMap<Arc<str>, i64>,
    texts: HashMap<String, i64>,
}

/// What happened since the last batch.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Batch {
    calls: Calls,
    methods: Vec<String>,
    texts: Vec<String>,
    objects: Vec<Object>,
    closed: Vec<(u64, u64)>,
    connections: Vec<Connection>,
    ends: Vec<End>,
    changes: Vec<Change>,
    selections: Vec<Selection>,
    progress: Vec<Progress>,
    exchanges: Vec<Exchange>,
    notices: Vec<Notice>,
    findings: Vec<FindingOf>,
}

/// Calls that are over, in the order of their ends.
#[derive(Debug, Default, Serialize)]
struct Calls {
    seq: Vec<u64>,
    conn: Vec<u64>,
    object: Vec<u64>,
    method: Vec<i64>,
    at: Vec<u64>,
    /// Until the answer began; -1 without an answer.
    wait: Vec<i64>,
    /// From the first byte of the answer to its last.
    transfer: Vec<u64>,
    sent: Vec<u64>,
    bytes: Vec<u64>,
    /// 0 reads, 1 changes the session, 2 the app, 3 the engine, 4 nobody knows.
    effect: Vec<u8>,
    /// 0 is no fetch, 1 the first one, 2 after a change, 3 without one.
    fetch: Vec<u8>,
    /// The call that made it necessary; -1 if there is none.
    by: Vec<i64>,
    /// A number into the texts; -1 without a failure.
    error: Vec<i64>,
}

#[derive(Debug, Serialize)]
struct Object {
    number: u64,
    conn: u64,
    handle: i32,
    kind: String,
    id: String,
    title: String,
    class: String,
    /// How it came to be; the same for objects that were opened in the same way.
    lineage: String,
    opened: u64,
    by: i64,
    session: bool,
}

#[derive(Debug, Serialize)]
struct Connection {
    conn: u64,
    at: u64,
    url: String,
    session: u64,
    refused: Option<String>,
    /// `None` until the engine's greeting says whether it had the session already.
    attached: Option<bool>,
}

#[derive(Debug, Serialize)]
struct End {
    conn: u64,
    at: u64,
    clean: bool,
    open: bool,
    words: String,
    unanswered: u64,
}

#[derive(Debug, Serialize)]
struct Change {
    seq: u64,
    conn: u64,
    at: u64,
    by: i64,
    objects: Vec<u64>,
    suspended: bool,
}

#[derive(Debug, Serialize)]
struct Selection {
    seq: u64,
    conn: u64,
    at: u64,
    words: String,
    state: Option<Vec<(String, String)>>,
}

#[derive(Debug, Serialize)]
struct Progress {
    seq: u64,
    at: u64,
    percent: Option<u8>,
    text: String,
    errors: Vec<String>,
    waits: bool,
}

#[derive(Debug, Serialize)]
struct Exchange {
    seq: u64,
    at: u64,
    method: String,
    url: String,
    status: Option<u16>,
    wait: i64,
    took: u64,
    sent: u64,
    bytes: u64,
    failure: Option<String>,
}

#[derive(Debug, Serialize)]
struct Notice {
    conn: Option<u64>,
    at: u64,
    /// 0 is as it should be, 1 to be looked at, 2 something does not work.
    weight: u8,
    words: String,
}

#[derive(Debug, Serialize)]
struct FindingOf {
    rule: &'static str,
    weight: u8,
    at: u64,
    conn: Option<u64>,
    calls: Vec<u64>,
    objects: Vec<u64>,
    /// How often it was seen.
    count: u64,
    words: String,
}

impl Batcher {
    /// Starts with nothing.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Takes in an event.
    pub(crate) fn take(&mut self, event: &Event) {
        let batch = &mut self.batch;
        match event {
            Event::Connected(connection) => batch.connections.push(Connection {
                conn: connection.conn,
                at: micros(connection.at),
                url: shortened(&connection.url),
                session: connection.session,
                refused: connection.refused.clone(),
                attached: None,
            }),
            // Says again what is known of a connection, with what is new.
            Event::Greeted { conn, session, attached } => {
                let known = batch.connections.iter_mut().rev().find(|connection| connection.conn == *conn);
                match known {
                    Some(known) => (known.session, known.attached) = (*session, *attached),
                    None => batch.connections.push(Connection {
                        conn: *conn,
                        at: 0,
                        url: String::new(),
                        session: *session,
                        refused: None,
                        attached: *attached,
                    }),
                }
            }
            Event::Disconnected(end) => batch.ends.push(End {
                conn: end.conn,
                at: micros(end.at),
                clean: end.clean,
                open: end.is_open,
                words: end.words.clone(),
                unanswered: end.unanswered,
            }),
            Event::Asked(_) => {}
            Event::Called(called) => self.call(&called.call),
            Event::Object(object) => batch.objects.push(Object {
                number: object.number,
                conn: object.conn,
                handle: object.handle.get(),
                kind: object.kind.clone(),
                id: object.id.clone(),
                title: object.title.clone(),
                class: object.class().to_owned(),
                lineage: object
                    .lineage
                    .as_ref()
                    .map(|lineage| format!("{:016x}", lineage.fingerprint()))
                    .unwrap_or_default(),
                opened: micros(object.opened),
                by: number(object.by),
                session: object.is_session_object,
            }),
            Event::Closed { at, objects } => {
                batch.closed.extend(objects.iter().map(|object| (*object, micros(*at))));
            }
            Event::Changed(change) => batch.changes.push(Change {
                seq: change.seq,
                conn: change.conn,
                at: micros(change.at),
                by: number(change.by),
                objects: change.objects.clone(),
                suspended: change.is_suspended,
            }),
            Event::Selected(selection) => batch.selections.push(Selection {
                seq: selection.seq,
                conn: selection.conn,
                at: micros(selection.at),
                words: selection.words.clone(),
                state: selection.state.clone(),
            }),
            Event::Progress(progress) => batch.progress.push(Progress {
                seq: progress.seq,
                at: micros(progress.at),
                percent: progress.percent,
                text: progress.text.clone(),
                errors: progress.errors.clone(),
                waits: progress.wants_user,
            }),
            Event::Exchanged(exchange) => batch.exchanges.push(Exchange {
                seq: exchange.seq,
                at: micros(exchange.at),
                method: exchange.method.clone(),
                url: shortened(&exchange.url),
                status: exchange.status,
                wait: exchange.wait.map_or(-1, |wait| signed(micros(wait))),
                took: micros(exchange.took),
                sent: exchange.sent,
                bytes: exchange.bytes,
                failure: exchange.failure.clone(),
            }),
            Event::Notice(notice) => batch.notices.push(Notice {
                conn: notice.conn,
                at: micros(notice.at),
                weight: weight(notice.weight),
                words: notice.words.clone(),
            }),
        }
    }

    /// Takes in something that a rule has found.
    pub(crate) fn find(&mut self, finding: Finding) {
        self.batch.findings.push(FindingOf {
            rule: finding.rule,
            weight: weight(finding.weight),
            count: finding.count,
            at: micros(finding.at),
            conn: finding.conn,
            calls: finding.calls,
            objects: finding.objects,
            words: finding.words,
        });
    }

    /// Returns how much has come since the last batch, in things of any kind.
    pub(crate) fn waiting(&self) -> usize {
        let batch = &self.batch;
        batch.calls.seq.len()
            + batch.objects.len()
            + batch.closed.len()
            + batch.connections.len()
            + batch.ends.len()
            + batch.changes.len()
            + batch.selections.len()
            + batch.progress.len()
            + batch.exchanges.len()
            + batch.notices.len()
            + batch.findings.len()
    }

    /// Returns what has come since the last batch.
    pub(crate) fn batch(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }

    fn call(&mut self, call: &Call) {
        let method = match self.methods.get(&call.method) {
            Some(known) => *known,
            None => {
                let next = self.methods.len() as i64;
                self.methods.insert(Arc::clone(&call.method), next);
                self.batch.methods.push(call.method.to_string());
                next
            }
        };
        let fault = call.answer.as_ref().and_then(|answer| answer.fault.as_ref());
        let words = match (&call.failure, fault) {
            (Some(failure), _) => Some(failure.words.clone()),
            (None, Some(fault)) => Some(format!("its patches cannot be applied: {fault}")),
            (None, None) => None,
        };
        let error = words.map_or(-1, |words| self.text(words));
        let calls = &mut self.batch.calls;
        calls.seq.push(call.seq);
        calls.conn.push(call.conn);
        calls.object.push(call.object.number);
        calls.method.push(method);
        calls.at.push(micros(call.at));
        calls.wait.push(call.waiting().map_or(-1, |wait| signed(micros(wait))));
        calls.transfer.push(call.transfer().map_or(0, micros));
        calls.sent.push(call.sent);
        calls.bytes.push(call.answer.as_ref().map_or(0, |answer| answer.bytes));
        calls.effect.push(match call.effect {
            qix_protocol::Effect::Reads => 0,
            qix_protocol::Effect::Session => 1,
            qix_protocol::Effect::App => 2,
            qix_protocol::Effect::Engine => 3,
            _ => 4,
        });
        let (fetch, by) = match call.fetch {
            None => (0, None),
            Some(Fetch::First) => (1, None),
            Some(Fetch::Changed(by)) => (2, by),
            Some(Fetch::Unchanged) => (3, None),
        };
        calls.fetch.push(fetch);
        calls.by.push(number(by));
        calls.error.push(error);
    }

    fn text(&mut self, words: String) -> i64 {
        let words = if self.texts.len() < MOST_TEXTS { words } else { TOO_MANY.to_owned() };
        if let Some(known) = self.texts.get(&words) {
            return *known;
        }
        let next = self.texts.len() as i64;
        self.texts.insert(words.clone(), next);
        self.batch.texts.push(words);
        next
    }
}

fn weight(weight: Weight) -> u8 {
    match weight {
        Weight::Normal => 0,
        Weight::Odd => 1,
        Weight::Bad => 2,
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(seq: Option<u64>) -> i64 {
    seq.map_or(-1, signed)
}

fn shortened(url: &str) -> String {
    match url.char_indices().nth(LONGEST_URL) {
        Some((end, _)) => format!("{}…", &url[..end]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::{model::Events, record::RecordingReader};

    fn events() -> Vec<Event> {
        let demo = &include_bytes!("../../assets/demo.qixrec")[..];
        Events::new(RecordingReader::new(demo, "demo.qixrec").unwrap()).map(Result::unwrap).collect()
    }

    fn columns(batch: &Batch) -> Value {
        serde_json::to_value(batch).unwrap()
    }

    #[test]
    fn columns_of_calls_are_equally_long_and_point_into_the_lists() {
        let mut batcher = Batcher::new();
        events().iter().for_each(|event| batcher.take(event));
        let batch = columns(&batcher.batch());
        let calls = batch["calls"].as_object().unwrap();
        let length = calls["seq"].as_array().unwrap().len();
        assert!(length > 5);
        assert!(calls.values().all(|column| column.as_array().unwrap().len() == length));
        let methods = batch["methods"].as_array().unwrap().len() as i64;
        assert!(calls["method"].as_array().unwrap().iter().all(|method| method.as_i64().unwrap() < methods));
        assert!(batch["objects"].as_array().unwrap().iter().any(|object| object["kind"] == "app"));
        assert_eq!(batcher.waiting(), 0);
    }

    #[test]
    fn later_batches_go_on_counting_methods() {
        let (mut whole, mut parts) = (Batcher::new(), Batcher::new());
        let (mut methods, mut named) = (Vec::new(), Vec::new());
        for event in events() {
            whole.take(&event);
            parts.take(&event);
            let batch = columns(&parts.batch());
            methods.extend(batch["methods"].as_array().unwrap().clone());
            named.extend(batch["calls"]["method"].as_array().unwrap().clone());
        }
        let whole = columns(&whole.batch());
        assert_eq!(whole["methods"].as_array().unwrap(), &methods);
        assert_eq!(whole["calls"]["method"].as_array().unwrap(), &named);
    }

    #[test]
    fn too_many_different_errors_share_a_text() {
        let mut batcher = Batcher::new();
        let numbers: Vec<_> = (0..MOST_TEXTS + 5).map(|number| batcher.text(number.to_string())).collect();
        assert_eq!(numbers.last(), numbers.get(MOST_TEXTS));
        assert_eq!(columns(&batcher.batch())["texts"].as_array().unwrap().len(), MOST_TEXTS + 1);
    }
}
