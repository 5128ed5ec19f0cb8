//! Recordings for tests, written as what happens in them.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Finding, Linter};
use crate::record::{Closing, Entry, EntryKind, FrameText, Opening, ReadError, Side};

/// How long the engine takes for an answer, in milliseconds.
const LATENCY: u64 = 10;

#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    entries: Vec<Entry>,
    conn: u64,
    now: u64,
    ids: u64,
    /// The ids of what was asked and not answered yet, in order.
    asked: Vec<u64>,
    delta: bool,
    changed: Vec<i32>,
    closed: Vec<i32>,
}

impl Script {
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Opens a connection, on which all that follows happens.
    pub(super) fn connect(self, conn: u64) -> Self {
        self.connect_with(conn, "/app/engineData", &[])
    }

    pub(super) fn connect_with(mut self, conn: u64, url: &str, headers: &[(&str, &str)]) -> Self {
        self.conn = conn;
        let request = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let url = url.to_owned();
        self.entry(EntryKind::Open(Opening { url, status: 101, request, ..Opening::default() }))
    }

    /// Goes on with what happens on a connection.
    pub(super) fn on(mut self, conn: u64) -> Self {
        self.conn = conn;
        self
    }

    /// Opens connection 1 and, as handle 1, the app Sales.
    pub(super) fn app(self) -> Self {
        self.connect(1).opened_app()
    }

    pub(super) fn opened_app(self) -> Self {
        let app = json!({"qReturn": {"qType": "Doc", "qHandle": 1, "qGenericId": "Sales"}});
        self.call(-1, "OpenDoc", json!(["Sales"]), app)
    }

    /// Opens an object of the app.
    pub(super) fn object(self, handle: i32, kind: &str, id: &str) -> Self {
        let reference =
            json!({"qType": "GenericObject", "qHandle": handle, "qGenericType": kind, "qGenericId": id});
        self.call(1, "GetObject", json!([id]), json!({"qReturn": reference}))
    }

    /// Makes an object of the session.
    pub(super) fn session_object(self, handle: i32, kind: &str, title: &str) -> Self {
        let id = format!("made-up-{handle}");
        let reference =
            json!({"qType": "GenericObject", "qHandle": handle, "qGenericType": kind, "qGenericId": id});
        let properties = json!([{"qInfo": {"qType": kind}, "qMetaDef": {"title": title}}]);
        self.call(1, "CreateSessionObject", properties, json!({"qReturn": reference}))
    }

    pub(super) fn wait(mut self, millis: u64) -> Self {
        self.now += millis;
        self
    }

    /// Asks for deltas from now on, or no longer.
    pub(super) fn delta(mut self, delta: bool) -> Self {
        self.delta = delta;
        self
    }

    /// Has the next answer say that objects have changed.
    pub(super) fn changes(mut self, handles: &[i32]) -> Self {
        self.changed = handles.to_vec();
        self
    }

    /// Has the next answer say that objects were closed.
    pub(super) fn closes(mut self, handles: &[i32]) -> Self {
        self.closed = handles.to_vec();
        self
    }

    pub(super) fn call(self, handle: i32, method: &str, params: Value, result: Value) -> Self {
        self.ask(handle, method, params).wait(LATENCY).answer(0, result)
    }

    pub(super) fn fails(self, handle: i32, method: &str, params: Value, code: i32) -> Self {
        let mut script = self.ask(handle, method, params).wait(LATENCY);
        let id = script.asked.pop().unwrap();
        script.push(json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": "it failed"}}))
    }

    /// Makes a call, and leaves it unanswered.
    pub(super) fn ask(mut self, handle: i32, method: &str, params: Value) -> Self {
        self.ids += 1;
        self.asked.push(self.ids);
        let request = json!({
            "jsonrpc": "2.0", "id": self.ids, "handle": handle, "method": method, "params": params, "delta": self.delta,
        });
        self.said(Side::Client, &request)
    }

    /// Answers the oldest call that has no answer. The number is for folds.
    pub(super) fn answer(mut self, _at: u64, result: Value) -> Self {
        let id = self.asked.remove(0);
        let mut answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        if self.delta {
            answer["delta"] = true.into();
        }
        for (name, handles) in [("change", &mut self.changed), ("close", &mut self.closed)] {
            if !handles.is_empty() {
                answer[name] = json!(std::mem::take(handles));
            }
        }
        self.said(Side::Engine, &answer)
    }

    /// Has the engine say something.
    pub(super) fn push(self, message: Value) -> Self {
        self.said(Side::Engine, &message)
    }

    /// Closes the connection.
    pub(super) fn close(self) -> Self {
        let closing = Closing { code: Some(1000), clean: true, ..Closing::default() };
        self.entry(EntryKind::Close(closing))
    }

    pub(super) fn repeat(self, times: u64, each: impl Fn(Self, u64) -> Self) -> Self {
        (0..times).fold(self, each)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Result<Entry, ReadError>> + use<> {
        self.entries.clone().into_iter().map(Ok)
    }

    /// Returns what a rule finds.
    pub(super) fn found(&self, rule: &str) -> Vec<Finding> {
        let mut linter = Linter::new().only([rule]).unwrap();
        linter.read(self.entries()).unwrap();
        linter.finish()
    }

    fn said(self, from: Side, message: &Value) -> Self {
        self.entry(EntryKind::Frame { from, text: FrameText::Text(Bytes::from(message.to_string())) })
    }

    fn entry(mut self, kind: EntryKind) -> Self {
        let (seq, at) = (self.entries.len() as u64 + 1, Duration::from_millis(self.now));
        self.entries.push(Entry { seq, at, began: None, conn: Some(self.conn), kind });
        self
    }
}
