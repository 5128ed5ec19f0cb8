//! Calls that are expected, and what is answered.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use qix_protocol::{Handle, canonical_params, frame::Raw};
use serde_json::{Value, json};

use crate::testing::{
    difference::differences,
    script::{Called, Script},
};

/// A call that a [`ScriptedEngine`](crate::testing::ScriptedEngine) expects; made by
/// [`expect`](crate::testing::ScriptedEngine::expect).
///
/// It counts from when it is made; what is said of it afterwards refines it. Unless said otherwise it may go to any object with any
/// parameters, is made once, and is answered with `{}`.
#[derive(Clone)]
pub struct Expected {
    script: Arc<Script>,
    at: usize,
}

/// One expectation.
pub(super) struct Expectation {
    method: String,
    handle: Option<Handle>,
    params: Option<Wanted>,
    /// How often it is expected; none if it does not matter.
    times: Option<usize>,
    pub(super) met: usize,
    pub(super) reply: Reply,
}

enum Wanted {
    Exactly(Value),
    Where(Box<dyn Fn(&Value) -> bool + Send>),
}

/// What is answered, and when.
pub(super) struct Reply {
    pub(super) content: Content,
    pub(super) changes: Vec<i32>,
    pub(super) closes: Vec<i32>,
    pub(super) after: Option<Duration>,
    pub(super) delta: bool,
}

#[derive(Clone)]
pub(super) enum Content {
    Result(Value),
    Made(Arc<dyn Fn(&Called) -> Value + Send + Sync>),
    Error { code: i32, message: String },
    Nothing,
}

impl Expected {
    pub(super) fn new(script: Arc<Script>, method: &str) -> Self {
        let at = script.expect(Expectation {
            method: method.to_owned(),
            handle: None,
            params: None,
            times: Some(1),
            met: 0,
            reply: Reply {
                content: Content::Result(json!({})),
                changes: Vec::new(),
                closes: Vec::new(),
                after: None,
                delta: false,
            },
        });
        Self { script, at }
    }

    /// Expects it on the object with this handle; -1 is Global.
    pub fn on(self, handle: i32) -> Self {
        self.refine(|this| this.handle = Some(Handle::new(handle)))
    }

    /// Expects these parameters. By position or by name, with optional ones written out or left out: as the engine would see it.
    pub fn with(self, params: Value) -> Self {
        self.refine(|this| this.params = Some(Wanted::Exactly(params)))
    }

    /// Expects parameters of which this is true; they are an array or an object.
    pub fn with_params(self, wanted: impl Fn(&Value) -> bool + Send + 'static) -> Self {
        self.refine(|this| this.params = Some(Wanted::Where(Box::new(wanted))))
    }

    /// Expects it this often.
    pub fn times(self, times: usize) -> Self {
        self.refine(|this| this.times = Some(times))
    }

    /// Expects it any number of times, also never.
    pub fn any_times(self) -> Self {
        self.refine(|this| this.times = None)
    }

    /// Answers with this object of out members.
    pub fn answer(self, result: Value) -> Self {
        self.content(Content::Result(result))
    }

    /// Answers with what is made of the call: an object of out members. If the closure panics, the call is refused and the test fails.
    pub fn answer_with(self, make: impl Fn(&Called) -> Value + Send + Sync + 'static) -> Self {
        self.content(Content::Made(Arc::new(make)))
    }

    /// Answers with patches to the last answer to the same method of the same object: each out member is an array of them.
    pub fn patch(self, patches: Value) -> Self {
        self.refine(|this| this.reply.delta = true).answer(patches)
    }

    /// Answers with a reference to an object that is new, and so has changed: `{"qReturn": {"qType": kind, "qHandle": handle}}`.
    pub fn open(self, handle: i32, kind: &str) -> Self {
        let reference = json!({"qReturn": {"qType": kind, "qHandle": handle}});
        self.answer(reference).change(&[handle])
    }

    /// Answers that there is no such object: a null reference.
    pub fn find_nothing(self) -> Self {
        self.answer(json!({"qReturn": {"qType": null, "qHandle": null}}))
    }

    /// Refuses with an error code of the engine.
    pub fn refuse(self, code: i32, message: &str) -> Self {
        self.content(Content::Error { code, message: message.to_owned() })
    }

    /// Never answers. The call ends when it is cancelled, with error 15.
    pub fn never(self) -> Self {
        self.content(Content::Nothing)
    }

    /// Answers only after this time. A call that is cancelled before ends with error 15.
    pub fn after(self, delay: Duration) -> Self {
        self.refine(|this| this.reply.after = Some(delay))
    }

    /// Says in the answer's frame that these objects have changed.
    pub fn change(self, handles: &[i32]) -> Self {
        self.refine(|this| this.reply.changes.extend(handles))
    }

    /// Says in the answer's frame that these objects are closed.
    pub fn close(self, handles: &[i32]) -> Self {
        self.refine(|this| this.reply.closes.extend(handles))
    }

    /// Returns how often it was made so far.
    pub fn met(&self) -> usize {
        self.script.with(self.at, |this| this.met)
    }

    fn content(self, content: Content) -> Self {
        self.refine(|this| this.reply.content = content)
    }

    fn refine(self, change: impl FnOnce(&mut Expectation)) -> Self {
        self.script.with(self.at, change);
        self
    }
}

impl Expectation {
    /// Whether more of it is expected.
    pub(super) fn is_open(&self) -> bool {
        self.times.is_none_or(|times| self.met < times)
    }

    /// Whether the test fails if no more of it comes.
    pub(super) fn is_owed(&self) -> bool {
        self.times.is_some_and(|times| self.met < times)
    }

    /// How many of three things are not as in the call: method, object, parameters.
    pub(super) fn distance(&self, call: &Called) -> usize {
        4 * usize::from(self.method != call.method)
            + usize::from(self.handle.is_some_and(|handle| handle != call.handle))
            + 2 * usize::from(!self.takes_params(call))
    }

    fn takes_params(&self, call: &Called) -> bool {
        match &self.params {
            None => true,
            Some(Wanted::Exactly(params)) => {
                params == &call.params || canonical(params, call) == canonical(&call.params, call)
            }
            // One that panics does not want them, and has said why.
            Some(Wanted::Where(wanted)) => {
                catch_unwind(AssertUnwindSafe(|| wanted(&call.params))).unwrap_or(false)
            }
        }
    }

    /// Says how a call differs, a line each.
    pub(super) fn differences(&self, call: &Called) -> Vec<String> {
        let mut lines = Vec::new();
        if self.method != call.method {
            lines.push(format!("method: expected {}, got {}", self.method, call.method));
        }
        if let Some(handle) = self.handle.filter(|handle| *handle != call.handle) {
            lines.push(format!("object: expected {}, got {}", object(handle), object(call.handle)));
        }
        match &self.params {
            Some(Wanted::Exactly(params)) if !self.takes_params(call) => {
                lines.extend(differences(params, &call.params));
            }
            Some(Wanted::Where(_)) if !self.takes_params(call) => {
                lines.push("parameters: not what the closure asks for".to_owned());
            }
            _ => {}
        }
        lines
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.method)?;
        if let Some(handle) = self.handle {
            write!(f, " on {}", object(handle))?;
        }
        match &self.params {
            Some(Wanted::Exactly(params)) => write!(f, " with {params}")?,
            Some(Wanted::Where(_)) => f.write_str(" with parameters of some kind")?,
            None => {}
        }
        if let Some(times) = self.times.filter(|times| *times != 1) {
            write!(f, " ({} of {times} times)", self.met)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.script.with(self.at, |this| write!(f, "Expected({this})"))
    }
}

pub(super) fn object(handle: Handle) -> String {
    if handle == Handle::GLOBAL { "Global".to_owned() } else { format!("handle {handle}") }
}

fn canonical(params: &Value, call: &Called) -> String {
    let class = if call.handle == Handle::GLOBAL { "Global" } else { "" };
    let text = params.to_string();
    canonical_params(class, &call.method, Raw::new(text.as_bytes()).ok())
}
