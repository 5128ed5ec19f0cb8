//! Calls that a page makes at an engine.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use qix_protocol::schema;
use qix_transport::WsConnect;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use tokio::sync::Mutex as AsyncMutex;

use crate::ask::{self, Ask, Asker, Refusal, Target};

/// The most objects that a page has open.
const MOST_TARGETS: usize = 1_000;
/// The largest answer that a page is sent, in bytes.
const LARGEST: usize = 32 << 20;

/// Makes the connector for a path and query.
pub(crate) type Dial = dyn Fn(&str) -> Result<WsConnect, String> + Send + Sync;

/// An engine that pages may make calls at.
pub(crate) struct Exploring {
    /// How it is reached.
    pub(crate) dial: Box<Dial>,
    /// The URL as people may see it.
    pub(crate) shown: String,
    /// The path that is connected to unless the page says another.
    pub(crate) path: String,
    /// Whether calls may change what outlives the session or what others see.
    pub(crate) writes: bool,
    /// How long connecting may take, and each answer.
    pub(crate) limit: Duration,
}

impl fmt::Debug for Exploring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exploring")
            .field("shown", &self.shown)
            .field("writes", &self.writes)
            .finish_non_exhaustive()
    }
}

impl Exploring {
    /// Returns what the page is told of it.
    pub(super) fn meta(&self) -> Value {
        json!({"upstream": self.shown, "path": self.path, "writes": self.writes})
    }
}

/// A call that a page wants made.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    target: u64,
    method: String,
    /// A JSON array or object, as text, so that it is sent as it was typed.
    params: String,
    /// Whether writes are switched on in the page.
    #[serde(default)]
    writes: bool,
}

/// The session of one page with the engine. It ends with the page.
#[derive(Debug)]
pub(super) struct Explorer {
    exploring: Arc<Exploring>,
    asker: AsyncMutex<Option<Asker>>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    targets: BTreeMap<u64, Target>,
    next: u64,
}

impl Explorer {
    pub(super) fn new(exploring: Arc<Exploring>) -> Self {
        Self { exploring, asker: AsyncMutex::new(None), open: Mutex::default() }
    }

    /// Connects anew, and returns what the page is told.
    pub(super) async fn connect(&self, path: &str) -> Value {
        let mut asker = self.asker.lock().await;
        if let Some(before) = asker.take() {
            self.open().targets.clear();
            before.close().await;
        }
        let connected = match (self.exploring.dial)(path) {
            Ok(connect) => Asker::connect(&connect, self.exploring.limit).await,
            Err(words) => Err(words),
        };
        match connected {
            Ok(connected) => {
                let global = connected.global();
                *asker = Some(connected);
                drop(asker);
                match self.opened(global) {
                    Some(target) => json!({"opened": target}),
                    None => json!({"error": {"words": "too many objects are open"}}),
                }
            }
            Err(words) => json!({"error": {"words": words}}),
        }
    }

    /// Makes a call, and returns what the page is told.
    pub(super) async fn ask(&self, wanted: Wanted) -> Value {
        let (asker, target) =
            (self.asker.lock().await.clone(), self.open().targets.get(&wanted.target).cloned());
        let Some((asker, target)) = asker.zip(target) else {
            return error("the object is not open: connect, and open it again");
        };
        let params = match RawValue::from_string(wanted.params) {
            Ok(params) => params,
            Err(fault) => return error(&format!("the parameters are no JSON: {fault}")),
        };
        if let Some(info) = schema::method(target.class(), &wanted.method)
            && let Err(words) = ask::check(info, &params)
        {
            return error(&words);
        }
        // The page's switch alone is not enough: whoever started this decides.
        let writes = wanted.writes && self.exploring.writes;
        let asked = asker.ask(Ask { target: &target, method: &wanted.method, params: &params, writes }).await;
        match asked {
            Ok(asked) => {
                let took = u64::try_from(asked.took.as_micros()).unwrap_or(u64::MAX);
                let opened = asked.opened.and_then(|target| self.opened(target));
                if asked.frame.len() > LARGEST {
                    let size = asked.frame.len();
                    let words = format!(
                        "the answer has {size} bytes, more than is shown here; `qix-proxy call` prints all of it"
                    );
                    return json!({"took": took, "opened": opened, "error": {"words": words}});
                }
                let frame = String::from_utf8_lossy(&asked.frame).into_owned();
                json!({"took": took, "opened": opened, "answer": frame})
            }
            Err(refusal) => self.refused(refusal),
        }
    }

    /// Ends the session with the engine.
    pub(super) async fn close(&self) {
        let asker = self.asker.lock().await.take();
        self.open().targets.clear();
        if let Some(asker) = asker {
            asker.close().await;
        }
    }

    fn refused(&self, refusal: Refusal) -> Value {
        let Refusal { mut words, code, took, writes } = refusal;
        if writes {
            words += if self.exploring.writes {
                "; switch writes on above to send it all the same"
            } else {
                "; writes are off: start qix-proxy with --allow-writes to make them possible"
            };
        }
        json!({"took": took.map(|took| took.as_micros() as u64), "error": {"words": words, "code": code, "writes": writes}})
    }

    /// Keeps an object and returns what the page is told of it; `None` if there are too many.
    fn opened(&self, target: Target) -> Option<Value> {
        let mut open = self.open();
        if open.targets.len() >= MOST_TARGETS {
            return None;
        }
        let known = open.targets.iter().find(|(_, known)| known.handle() == target.handle());
        let number = known.map_or(open.next, |(number, _)| *number);
        let told = json!({
            "target": number, "class": target.class(), "name": target.name(), "handle": target.handle().get(),
        });
        open.targets.insert(number, target);
        open.next = open.next.max(number + 1);
        Some(told)
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn error(words: &str) -> Value {
    json!({"error": {"words": words}})
}
