//! From the text of a request to its answer.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::super::app::Kind;
use super::super::config::{AnswerOrder, Greeting};
use super::super::errors::EngineError;
use super::super::eval::Hold;
use super::super::handles::Target;
use super::super::otherwise::reverse_lists;
use super::super::params::Params;
use super::super::peer::{Answer, Outcome};
use super::super::session::Session;
use super::{doc, field, generic_object, global, library, object_selections};

/// One call on its way through a method.
pub(super) struct Call<'a> {
    pub(super) session: &'a mut Session,
    /// The socket it came from.
    pub(super) peer: u64,
    pub(super) handle: i64,
    /// The request id as text; it names the progress of a reload.
    pub(super) id: String,
    pub(super) params: Params,
    /// Set by a method whose answer shall be overtaken.
    pub(super) hold: Cell<Option<Hold>>,
    /// Set by a method that is not answered at all.
    pub(super) silent: bool,
    pub(super) is_reload: bool,
}

/// Executes one text frame of socket `peer` and queues what it leads to.
pub(crate) fn handle_text(session: &mut Session, peer: u64, text: &str) {
    greet_late(session, peer);
    let request = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(request)) => request,
        Ok(_) => return refuse(session, peer, &EngineError::new(-32600, "not an object")),
        Err(error) => return refuse(session, peer, &EngineError::new(-32700, error.to_string())),
    };
    handle_request(session, peer, request);
    session.push_changes(None);
}

fn greet_late(session: &mut Session, number: u64) {
    let is_late = session.config.greeting == Greeting::AfterFirstRequest;
    let has_sent = session.peer(number).is_ok_and(|peer| std::mem::replace(&mut peer.has_sent, true));
    if is_late && !has_sent {
        super::super::socket::greet(session, number);
    }
}

/// Answers what is no request; there is no id to answer to.
fn refuse(session: &mut Session, peer: u64, error: &EngineError) {
    if let Ok(peer) = session.peer(peer) {
        peer.send(serde_json::json!({"jsonrpc": "2.0", "error": error.to_json()}).to_string());
    }
}

fn handle_request(session: &mut Session, number: u64, mut request: Map<String, Value>) {
    let id = match request.remove("id") {
        None if session.config.answer_missing_id => Some(Value::from(0)),
        id => id,
    };
    let delta = session.config.delta && request.get("delta").and_then(Value::as_bool) == Some(true);
    let handle = match request.get("handle") {
        None => Some(-1),
        Some(handle) => handle.as_i64(),
    };
    let method = match request.remove("method") {
        Some(Value::String(method)) => method,
        _ => String::new(),
    };
    let mut answer = Answer { id, handle: handle.unwrap_or(0), method, delta, outcome: Ok(Map::new()) };
    let mut call = Call {
        session,
        peer: number,
        handle: answer.handle,
        id: answer.id.as_ref().map_or_else(String::new, Value::to_string),
        params: Params::default(),
        hold: Cell::new(None),
        silent: false,
        is_reload: false,
    };
    answer.outcome = call.run(&answer.method, request.remove("params"));
    if call.session.config.otherwise.reversed_lists
        && let Ok(result) = &mut answer.outcome
    {
        reverse_lists(&answer.method, result);
    }
    let (hold, silent, is_reload) = (call.hold.get(), call.silent, call.is_reload);
    if !silent {
        let reloaded = emit(session, number, answer, hold, is_reload);
        // A reload that is not held takes effect together with its answer.
        if reloaded || (is_reload && hold.is_none()) {
            session.finish_reload();
        }
    }
}

fn emit(session: &mut Session, number: u64, answer: Answer, hold: Option<Hold>, is_reload: bool) -> bool {
    let order = session.config.order.clone();
    let Ok(peer) = session.peer(number) else { return false };
    if let Some(hold) = hold.filter(|hold| *hold != Hold::After(0)) {
        peer.hold(answer, hold, false, is_reload);
        return false;
    }
    match order {
        AnswerOrder::Overtaken { methods, by } if by > 0 && methods.contains(&answer.method) => {
            peer.hold(answer, Hold::After(by), true, false);
            false
        }
        AnswerOrder::Shuffled { seed } => peer.shuffle(answer, seed),
        _ => peer.emit(answer),
    }
}

impl Call<'_> {
    fn run(&mut self, method: &str, params: Option<Value>) -> Outcome {
        if method.is_empty() {
            return Err(EngineError::new(-32600, "no method"));
        }
        let target = self.session.peer(self.peer)?.handles.get(self.handle);
        let Some(target) = target else {
            return Err(EngineError::invalid_params(format!("handle {} is not open", self.handle)));
        };
        let class = match &target {
            Target::Global => "Global",
            Target::Doc => "Doc",
            Target::Field(_) => "Field",
            Target::Entity(kind, _) => kind.type_name(),
        };
        self.params = Params::new(class, method, params)?;
        let is_about_app = class != "Global" || matches!(method, "OpenDoc" | "GetActiveDoc");
        if is_about_app && self.session.config.busy_while_reloading && self.session.pending_reload.is_some() {
            return Err(EngineError::new(11000, ""));
        }
        let found = match &target {
            Target::Global => global::call(self, method),
            Target::Doc => doc::call(self, method),
            Target::Field(name) => field::call(self, method, name),
            Target::Entity(Kind::Object, id) => match generic_object::call(self, method, id) {
                None => object_selections::call(self, method, id),
                found => found,
            },
            Target::Entity(kind, id) => library::call(self, method, *kind, id),
        };
        found.unwrap_or_else(|| Err(EngineError::new(-32601, format!("{class}.{method}"))))
    }

    pub(super) fn validate(&mut self) -> Result<(), EngineError> {
        let handle = self.handle;
        self.session.peer(self.peer)?.handles.validate(handle);
        Ok(())
    }

    /// Returns an object reference as the only result.
    pub(super) fn refer(&mut self, target: Target) -> Outcome {
        one("qReturn", self.session.refer(self.peer, target))
    }
}

/// Returns a result with one member.
pub(super) fn one(name: &str, value: impl Into<Value>) -> Outcome {
    Ok(Map::from_iter([(name.to_owned(), value.into())]))
}

/// Returns a result without members.
pub(super) fn nothing() -> Outcome {
    Ok(Map::new())
}
