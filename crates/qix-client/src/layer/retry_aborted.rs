//! Calls that the engine aborted are made again.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use qix_protocol::{Answer, Effect, ErrorCode, RequestId};
use serde_json::Value;
use tower::{Layer, ServiceExt};

use crate::{
    Error, Request,
    layer::{
        CallService,
        around::{Around, Deadline, Handle},
    },
};

type Also = Arc<dyn Fn(&Request) -> bool + Send + Sync>;

/// Makes calls again that the engine has aborted because the app's state changed under them (error 15).
///
/// Repeated are calls that only read ([`Request::effect`] is the table): nothing can be done twice. That includes fetches of data,
/// `GetHyperCube…` and `GetListObject…`: whoever awaits them gets the data of the newest state. A program that fetches data again at
/// every change of their object, as most do, gains nothing by that and can [leave them out](Self::without_data), as @qlik/api does.
/// Calls that the program itself has cancelled are not repeated, whether by dropping their future or by `CancelRequest`,
/// `AbortRequest` or `AbortAll`; those find the call although it has another id by then.
///
/// A repeated call is sent at once, under an id of its own. Its timeout, if it has one, goes on from the first try.
///
/// ```
/// use qix_client::{SessionConfig, layer::RetryAborted};
///
/// // Opening an app may be aborted too, and does no harm when it is done again.
/// let config =
///     SessionConfig::default().layer(RetryAborted::new().also(|request| request.method() == "OpenDoc"));
/// ```
#[derive(Clone)]
pub struct RetryAborted {
    retries: u32,
    data: bool,
    also: Option<Also>,
}

impl RetryAborted {
    /// Makes aborted calls again up to three times, as the example of enigma.js does.
    pub fn new() -> Self {
        Self { retries: 3, data: true, also: None }
    }

    /// Sets how often a call is made again at most.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Leaves `GetHyperCube…` and `GetListObject…` to who made the call.
    pub fn without_data(mut self) -> Self {
        self.data = false;
        self
    }

    /// Repeats these calls too, although they do more than read.
    pub fn also(mut self, repeated: impl Fn(&Request) -> bool + Send + Sync + 'static) -> Self {
        self.also = Some(Arc::new(repeated));
        self
    }

    fn repeats(&self, request: &Request) -> bool {
        let method = request.method();
        let is_data = method.starts_with("GetHyperCube") || method.starts_with("GetListObject");
        let reads = || request.effect() == Effect::Reads && (self.data || !is_data);
        reads() || self.also.as_ref().is_some_and(|also| also(request))
    }
}

impl Default for RetryAborted {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RetryAborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryAborted")
            .field("retries", &self.retries)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

impl<S: CallService> Layer<S> for RetryAborted {
    type Service = Around<Retry, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(Retry { rules: self.clone(), running: Mutex::default() }, inner)
    }
}

/// The calls of one session that may be repeated.
#[derive(Debug)]
pub struct Retry {
    rules: RetryAborted,
    /// By the id that the caller knows.
    running: Mutex<HashMap<RequestId, Running>>,
}

#[derive(Debug)]
struct Running {
    /// The id of the last try.
    id: RequestId,
    /// Whether the program has cancelled it.
    cancelled: bool,
}

impl Retry {
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Running>> {
        // Nothing under this lock can panic half-way.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a request cancels, and aims it at the try that runs.
    fn note_cancel(&self, request: &mut Request) {
        if request.class() != "Global" {
            return;
        }
        match request.method() {
            "AbortAll" => self.lock().values_mut().for_each(|running| running.cancelled = true),
            "CancelRequest" | "AbortRequest" => {
                let Some(id) = cancelled_id(request.params()) else { return };
                let mut running = self.lock();
                let Some(running) = running.get_mut(&id) else { return };
                running.cancelled = true;
                if running.id != id {
                    request.params = format!("[{}]", running.id).into();
                }
            }
            _ => {}
        }
    }
}

impl Handle for Retry {
    async fn handle<S: CallService>(self: Arc<Self>, mut request: Request, next: S) -> Result<Answer, Error> {
        if self.rules.retries == 0 || !self.rules.repeats(&request) {
            self.note_cancel(&mut request);
            return next.oneshot(request).await;
        }
        let known_as = request.id();
        let _entry = Entry::new(&self, known_as);
        let deadline = Deadline::of(&request);
        for _ in 0..self.rules.retries {
            let aborted = match next.clone().oneshot(request.clone()).await {
                Err(error) if is_aborted(&error) => error,
                outcome => return outcome,
            };
            request = request.again();
            if !deadline.limit(&mut request) {
                return Err(aborted);
            }
            match self.lock().get_mut(&known_as) {
                Some(running) if !running.cancelled => running.id = request.id(),
                _ => return Err(aborted),
            }
        }
        next.oneshot(request).await
    }
}

/// A running call's place in the table.
struct Entry<'a> {
    retry: &'a Retry,
    id: RequestId,
}

impl<'a> Entry<'a> {
    fn new(retry: &'a Retry, id: RequestId) -> Self {
        retry.lock().insert(id, Running { id, cancelled: false });
        Self { retry, id }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.retry.lock().remove(&self.id);
    }
}

fn is_aborted(error: &Error) -> bool {
    error.is_refusal(ErrorCode::GENERIC_ABORTED)
}

fn cancelled_id(params: &[u8]) -> Option<RequestId> {
    let params: Value = serde_json::from_slice(params).ok()?;
    let id = params.get(0).or_else(|| params.get("qRequestId"))?;
    Some(RequestId::new(serde_json::from_value(id.clone()).ok()?))
}
