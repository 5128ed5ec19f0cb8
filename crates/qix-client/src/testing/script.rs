//! What a scripted engine expects, and what has happened to it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use qix_protocol::{Handle, RequestId};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::testing::{
    expectation::{Content, Expectation, Reply, object},
    line::{Line, Outgoing},
};

/// Methods that this crate calls by itself, and the answers to them unless one is expected.
const HOUSEKEEPING: &[&str] = &["CancelRequest", "DestroySessionObject", "DestroySessionVariableById"];

/// A call that was made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Called {
    /// The id of the request.
    pub id: RequestId,
    /// The handle that it went to.
    pub handle: Handle,
    /// The method.
    pub method: String,
    /// The parameters: an array or an object.
    pub params: Value,
    /// Whether a delta answer was asked for.
    pub delta: bool,
}

/// What an engine and the tasks of its sockets share.
#[derive(Default)]
pub(super) struct Script {
    state: Mutex<State>,
    pub(super) progress: Notify,
}

#[derive(Default)]
struct State {
    expected: Vec<Expectation>,
    in_order: bool,
    calls: Vec<Called>,
    faults: Vec<String>,
}

impl Script {
    pub(super) fn expect(&self, expectation: Expectation) -> usize {
        let mut state = self.lock();
        state.expected.push(expectation);
        state.expected.len() - 1
    }

    pub(super) fn with<R>(&self, at: usize, look: impl FnOnce(&mut Expectation) -> R) -> R {
        look(&mut self.lock().expected[at])
    }

    pub(super) fn in_order(&self) {
        self.lock().in_order = true;
    }

    pub(super) fn calls(&self) -> Vec<Called> {
        self.lock().calls.clone()
    }

    pub(super) fn fault(&self, fault: String) {
        self.lock().faults.push(fault);
        self.progress.notify_waiters();
    }

    /// Whether there is nothing more to wait for.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.lock();
        !state.faults.is_empty() || !state.expected.iter().any(Expectation::is_owed)
    }

    /// Says what went wrong, if anything did.
    pub(super) fn verdict(&self) -> Option<String> {
        let state = self.lock();
        let mut lines = state.faults.clone();
        let owed = state.expected.iter().filter(|expected| expected.is_owed());
        lines.extend(owed.map(|expected| format!("expected, but not made: {expected}")));
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    /// Answers a call.
    pub(super) fn hear(&self, call: Called, line: &Line) {
        let mut state = self.lock();
        state.calls.push(call.clone());
        let found = match state.in_order {
            true => {
                let next =
                    state.expected.iter().position(Expectation::is_owed).unwrap_or(state.expected.len());
                (0..state.expected.len().min(next + 1)).rev().find(|at| state.expected[*at].takes(&call))
            }
            false => state.expected.iter().position(|expected| expected.takes(&call)),
        };
        match found {
            Some(at) => {
                state.expected[at].met += 1;
                let mut content = state.expected[at].reply.content.clone();
                if let Content::Made(make) = &content {
                    // The closure may ask the engine something.
                    drop(state);
                    let made = catch_unwind(AssertUnwindSafe(|| make(&call)));
                    state = self.lock();
                    content = match made {
                        Ok(result) => Content::Result(result),
                        Err(cause) => {
                            let fault = format!("{}\n  panicked: {}", told(&call), words(&*cause));
                            state.faults.push(format!("the closure that answers {fault}"));
                            Content::Error { code: -32603, message: fault }
                        }
                    };
                }
                reply(&state.expected[at].reply, content, &call, line);
            }
            None if HOUSEKEEPING.contains(&call.method.as_str()) => {
                let result =
                    if call.method == "CancelRequest" { json!({}) } else { json!({"qSuccess": true}) };
                line.say(json!({"jsonrpc": "2.0", "id": call.id, "result": result}));
            }
            None => {
                let fault = state.unexpected(&call);
                let error = json!({"code": -32601, "message": "Method not found", "parameter": fault});
                line.say(json!({"jsonrpc": "2.0", "id": call.id, "error": error}));
                state.faults.push(fault);
            }
        }
        if call.method == "CancelRequest" {
            cancelled(&call).into_iter().for_each(|id| line.abort(id));
        }
        drop(state);
        self.progress.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A closure of a test may have panicked; what went wrong is still to be said.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn unexpected(&self, call: &Called) -> String {
        let mut text = format!("unexpected call: {}", told(call));
        let open = self.expected.iter().filter(|expected| expected.is_open());
        match open.min_by_key(|expected| expected.distance(call)) {
            Some(nearest) if nearest.distance(call) == 0 => {
                text += &format!("\n  it is expected, but another call before it: {}", self.first_owed());
            }
            Some(nearest) => {
                text += &format!("\n  nearest to it is: {nearest}");
                nearest.differences(call).iter().for_each(|line| text += &format!("\n    {line}"));
            }
            None => text += "\n  no more calls are expected",
        }
        text
    }

    fn first_owed(&self) -> String {
        self.expected.iter().find(|expected| expected.is_owed()).map(ToString::to_string).unwrap_or_default()
    }
}

impl Expectation {
    fn takes(&self, call: &Called) -> bool {
        self.is_open() && self.distance(call) == 0
    }
}

/// A call, for who reads the verdict.
fn told(call: &Called) -> String {
    format!("{} on {} with {}", call.method, object(call.handle), call.params)
}

/// What a panic says.
fn words(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied()).unwrap_or("something without words")
}

fn reply(reply: &Reply, content: Content, call: &Called, line: &Line) {
    let id = call.id;
    let mut frame = match content {
        Content::Result(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        // What it makes is a result by now.
        Content::Made(make) => json!({"jsonrpc": "2.0", "id": id, "result": make(call)}),
        Content::Error { code, message } => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message, "parameter": ""}})
        }
        Content::Nothing => return line.hang(id),
    };
    for (name, handles) in [("change", &reply.changes), ("close", &reply.closes)] {
        if !handles.is_empty() {
            frame[name] = json!(handles);
        }
    }
    if reply.delta {
        frame["delta"] = json!(true);
    }
    match reply.after {
        Some(delay) => line.say_later(id, delay, frame),
        None => line.say(frame),
    }
}

fn cancelled(call: &Called) -> Option<RequestId> {
    let id = call.params.get(0).or_else(|| call.params.get("qRequestId"))?;
    serde_json::from_value(id.clone()).ok()
}

impl From<Value> for Outgoing {
    fn from(frame: Value) -> Self {
        Self::Text(frame.to_string())
    }
}
