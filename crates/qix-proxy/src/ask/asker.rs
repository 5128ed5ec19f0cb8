//! Makes calls in a session, and says in words what came of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use qix_client::{Error, ErrorKind, Object, Session};
use qix_protocol::{Handle, ObjectReference, effect_of_call, frame::Raw};
use qix_transport::{WsConnect, printable};
use serde_json::{Value, value::RawValue};
use tokio::time::timeout;

use crate::chain::chain;

/// The longest text that is shown of an error.
const LONGEST: usize = 500;

/// What a call is made on.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// An object that was opened here.
    Object {
        /// The object, which stays open as long as somebody has it.
        object: Object,
        /// Its class.
        class: &'static str,
        /// Its id, or what it was asked for by.
        label: String,
    },
    /// A bare handle, of which nothing is known.
    Handle(Handle),
}

impl Target {
    /// Returns the class; empty if it is not known.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::Object { class, .. } => class,
            Self::Handle(Handle::GLOBAL) => "Global",
            Self::Handle(_) => "",
        }
    }

    /// Returns what people call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Object { class: "Global", .. } => "Global".to_owned(),
            Self::Object { object, class, label } => {
                let kind = match object.generic_type() {
                    Some(kind) if *class == "GenericObject" && !kind.is_empty() => kind,
                    _ => class,
                };
                printable(format!("{kind} {label}").trim_end(), LONGEST)
            }
            Self::Handle(handle) => format!("handle {handle}"),
        }
    }

    /// Returns the handle as of now.
    pub(crate) fn handle(&self) -> Handle {
        match self {
            Self::Object { object, .. } => object.handle(),
            Self::Handle(handle) => *handle,
        }
    }
}

/// A call to be made.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// On what.
    pub(crate) target: &'a Target,
    /// The method, without its class.
    pub(crate) method: &'a str,
    /// A JSON array or object.
    pub(crate) params: &'a RawValue,
    /// Whether it may change what outlives the session or what others see.
    pub(crate) writes: bool,
}

/// What came of a call.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The answer as it came.
    pub(crate) frame: Bytes,
    /// The out members.
    pub(crate) result: Box<RawValue>,
    /// From the call to its answer.
    pub(crate) took: Duration,
    /// The object that it opened.
    pub(crate) opened: Option<Target>,
}

/// Why a call has no result.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// One sentence.
    pub(crate) words: String,
    /// The engine's code, if the engine refused.
    pub(crate) code: Option<i32>,
    /// From the call to its answer, if it was made.
    pub(crate) took: Option<Duration>,
    /// Whether nothing was sent, because it would write.
    pub(crate) writes: bool,
}

/// A session for calls by hand. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    session: Session,
    limit: Duration,
}

impl Asker {
    /// Connects; connecting and each answer may take `limit`.
    ///
    /// # Errors
    ///
    /// Why no session comes about, in words.
    pub(crate) async fn connect(connect: &WsConnect, limit: Duration) -> Result<Self, String> {
        match timeout(limit, Session::connect(connect)).await {
            Ok(Ok(session)) => Ok(Self { session, limit }),
            Ok(Err(error)) => Err(printable(&chain(&error), LONGEST)),
            Err(_) => Err(format!("no connection within {} s", limit.as_secs_f64())),
        }
    }

    /// Returns the object that is always open.
    pub(crate) fn global(&self) -> Target {
        Target::Object { object: (*self.session.global()).clone(), class: "Global", label: String::new() }
    }

    /// Opens an app, whatever state the session is in.
    pub(crate) async fn open_app(&self, id: &str) -> Result<Target, Refusal> {
        let began = Instant::now();
        let doc = self.session.open_app(id).timeout(self.limit).await;
        let doc = doc.map_err(|error| refusal(&error, began.elapsed()))?;
        let label = doc.id().unwrap_or(id).to_owned();
        Ok(Target::Object { object: (*doc).clone(), class: "Doc", label })
    }

    /// Makes a call.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<Asked, Refusal> {
        let class = ask.target.class();
        let effect = effect_of_call(class, ask.method, Raw::new(ask.params.get().as_bytes()).ok());
        if effect.is_lasting() && !ask.writes {
            return Err(Refusal {
                words: format!("{} may change what outlives the session or what others see", ask.method),
                code: None,
                took: None,
                writes: true,
            });
        }
        let method = ask.method.to_owned();
        let call = match ask.target {
            Target::Object { object, .. } => object.call::<Value>(method, ask.params),
            Target::Handle(handle) => self.session.call::<Value>(*handle, method, ask.params),
        };
        let began = Instant::now();
        let answer = call.timeout(self.limit).raw().await;
        let took = began.elapsed();
        let answer = answer.map_err(|error| refusal(&error, took))?;
        let text = String::from_utf8_lossy(&answer.text()).into_owned();
        let result = RawValue::from_string(text).map_err(|error| Refusal {
            words: format!("the answer is no JSON: {error}"),
            code: None,
            took: Some(took),
            writes: false,
        })?;
        let opened = self.opened(&result, ask.params);
        Ok(Asked { frame: answer.frame().clone(), result, took, opened })
    }

    /// Says goodbye.
    pub(crate) async fn close(self) {
        // A goodbye that nobody answers is not waited for long.
        let _ = timeout(Duration::from_secs(2), self.session.close()).await;
    }

    fn opened(&self, result: &RawValue, params: &RawValue) -> Option<Target> {
        let members: std::collections::BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(result.get()).ok()?;
        members.values().find_map(|member| {
            let reference: ObjectReference = serde_json::from_str(member.get()).ok()?;
            let class = class_of(reference.object_type.as_deref()?)?;
            let object = Object::new(self.session.clone(), reference).ok()?;
            // References to fields have no id.
            let label = object.id().map_or_else(|| first_text(params), str::to_owned);
            Some(Target::Object { object, class, label })
        })
    }
}

/// Returns the class that an engine names.
fn class_of(name: &str) -> Option<&'static str> {
    qix_protocol::schema::METHODS.iter().map(|info| info.class).find(|class| *class == name)
}

/// Returns the first text among parameters.
fn first_text(params: &RawValue) -> String {
    let found = match serde_json::from_str(params.get()) {
        Ok(Value::Array(items)) => items.into_iter().find_map(|item| item.as_str().map(str::to_owned)),
        Ok(Value::Object(members)) => members.values().find_map(|item| item.as_str().map(str::to_owned)),
        _ => None,
    };
    found.unwrap_or_default()
}

fn refusal(error: &Error, took: Duration) -> Refusal {
    let engine = error.engine();
    let words = match (engine, error.kind()) {
        (Some(engine), _) => {
            let judgement = engine.code.judgement().reason;
            let why = if judgement.is_empty() { String::new() } else { format!(" ({judgement})") };
            format!("{engine}{why}")
        }
        (None, ErrorKind::NotFound) => "the engine has no such object".to_owned(),
        (None, _) => chain(error),
    };
    Refusal {
        words: printable(&words, LONGEST),
        code: engine.map(|engine| engine.code.get()),
        took: Some(took),
        writes: false,
    }
}
