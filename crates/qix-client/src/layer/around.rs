//! What all layers of this crate have in common.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use qix_protocol::Answer;
use tokio::time::Instant;
use tower::Service;

use crate::{
    Error, Request,
    layer::{Answering, CallService},
};

/// What a layer does with a call, as an `async fn`.
pub trait Handle: Send + Sync + 'static {
    /// Takes the request to its answer; `next` is the service inside.
    fn handle<S: CallService>(
        self: Arc<Self>,
        request: Request,
        next: S,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + 'static;
}

/// When the caller of a request gives up, if it does.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    pub(crate) fn of(request: &Request) -> Self {
        Self(request.timeout().and_then(|timeout| Instant::now().checked_add(timeout)))
    }

    /// Gives a request the time that is left; false if there is none.
    pub(crate) fn limit(self, request: &mut Request) -> bool {
        let Some(deadline) = self.0 else { return true };
        let left = deadline.saturating_duration_since(Instant::now());
        request.set_timeout(Some(left));
        !left.is_zero()
    }
}

/// A service made of a handler and the service inside.
pub struct Around<H, S> {
    handler: Arc<H>,
    next: S,
}

impl<H, S> Around<H, S> {
    pub(crate) fn new(handler: H, next: S) -> Self {
        Self { handler: Arc::new(handler), next }
    }
}

impl<H, S: Clone> Clone for Around<H, S> {
    fn clone(&self) -> Self {
        Self { handler: self.handler.clone(), next: self.next.clone() }
    }
}

impl<H: Handle, S: CallService> Service<Request> for Around<H, S> {
    type Response = Answer;
    type Error = Error;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Each try waits for a clone of its own.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        Box::pin(self.handler.clone().handle(request, self.next.clone()))
    }
}

impl<H, S> fmt::Debug for Around<H, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Around").finish_non_exhaustive()
    }
}
