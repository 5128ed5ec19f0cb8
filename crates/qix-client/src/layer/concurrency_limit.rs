//! How many calls may be in the engine at once.

use std::{
    future::poll_fn,
    panic,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use qix_protocol::Answer;
use tokio::{
    runtime,
    sync::{Semaphore, oneshot},
    task::JoinHandle,
};
use tower::{Layer, ServiceExt};
use tracing::Instrument;

use crate::{
    Error, ErrorKind, Request,
    layer::{
        CallService,
        around::{Around, Handle},
    },
    request::Target,
};

/// Calls about a call that runs, which the engine serves beside it: if they waited for it to end, they would come too late.
const BESIDE: &[&str] = &[
    "AbortAll",
    "AbortRequest",
    "CancelReload",
    "CancelRequest",
    "GetInteract",
    "GetProgress",
    "InteractDone",
];

/// Lets so many calls of a session be on their way at once; the others wait, first come, first served.
///
/// Calls about a running call pass at once: `CancelRequest`, `AbortRequest`, `AbortAll`, `CancelReload`, `GetProgress`, `GetInteract`
/// and `InteractDone`. That is why this is not the layer of the same name in tower, which does not know what it lets pass.
///
/// A call's [timeout](crate::Call::timeout) counts from when it is sent, not while it waits here.
///
/// From its first poll a call goes on in a task: one that its caller keeps without polling it, as a stream does between two items, would
/// hold up all others otherwise. A layer inside of this one that makes calls of its own makes them with what is inside of it; through the
/// session they would have to wait for the call that waits for them.
///
/// ```
/// use qix_client::{SessionConfig, layer::ConcurrencyLimit};
///
/// let config = SessionConfig::default().layer(ConcurrencyLimit::new(16));
/// ```
#[derive(Clone, Debug)]
pub struct ConcurrencyLimit {
    calls: usize,
}

impl ConcurrencyLimit {
    /// Lets so many calls pass at once; 0 counts as 1.
    pub fn new(calls: usize) -> Self {
        Self { calls: calls.clamp(1, Semaphore::MAX_PERMITS) }
    }
}

impl<S: CallService> Layer<S> for ConcurrencyLimit {
    type Service = Around<Limit, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(Limit { permits: Semaphore::new(self.calls), runtime: runtime::Handle::current() }, inner)
    }
}

/// The limit of one session.
#[derive(Debug)]
pub struct Limit {
    permits: Semaphore,
    runtime: runtime::Handle,
}

impl Handle for Limit {
    async fn handle<S: CallService>(self: Arc<Self>, request: Request, next: S) -> Result<Answer, Error> {
        if BESIDE.contains(&request.method()) {
            return next.oneshot(request).await;
        }
        let (to, runtime) = (request.to.clone(), self.runtime.clone());
        let (reply, answer) = oneshot::channel();
        let mut call = Box::pin(async move {
            let to = request.to.clone();
            let outcome = match self.permits.acquire().await {
                Ok(_permit) => next.oneshot(request).await,
                // Nobody closes the semaphore.
                Err(_) => Err(Error::new(ErrorKind::Closed)),
            };
            if let Err(Ok(answer)) = reply.send(outcome) {
                to.give_back(&answer);
            }
        });
        // Begun here, so that calls keep the order in which they are made.
        let ended = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
        let task = (!ended).then(|| runtime.spawn(call.in_current_span()));
        Running { to, task, answer }.await
    }
}

/// A call that waits for its turn or has it. Dropping it drops the call.
struct Running {
    to: Target,
    /// None if it has ended at once.
    task: Option<JoinHandle<()>>,
    answer: oneshot::Receiver<Result<Answer, Error>>,
}

impl Future for Running {
    type Output = Result<Answer, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Ok(outcome) = ready!(Pin::new(&mut self.answer).poll(cx)) {
            return Poll::Ready(outcome);
        }
        let Some(task) = &mut self.task else { return Poll::Ready(Err(Error::new(ErrorKind::Closed))) };
        match ready!(Pin::new(task).poll(cx)).map_err(tokio::task::JoinError::try_into_panic) {
            // A panic of what is inside is its caller's, as if there were no task.
            Err(Ok(cause)) => panic::resume_unwind(cause),
            _ => Poll::Ready(Err(Error::new(ErrorKind::Closed))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(answer)) = self.answer.try_recv() {
            self.to.give_back(&answer);
        }
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
