//! How many calls may be in the engine at once.

use std::sync::Arc;

use qix_protocol::Answer;
use tokio::sync::Semaphore;
use tower::{Layer, ServiceExt};

use crate::{
    Error, ErrorKind, Request,
    layer::{
        CallService,
        around::{Around, Handle},
    },
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
        Around::new(Limit { permits: Semaphore::new(self.calls) }, inner)
    }
}

/// The limit of one session.
#[derive(Debug)]
pub struct Limit {
    permits: Semaphore,
}

impl Handle for Limit {
    async fn handle<S: CallService>(self: Arc<Self>, request: Request, next: S) -> Result<Answer, Error> {
        if BESIDE.contains(&request.method()) {
            return next.oneshot(request).await;
        }
        // Nobody closes the semaphore.
        let _permit = self.permits.acquire().await.map_err(|_| Error::new(ErrorKind::Closed))?;
        next.oneshot(request).await
    }
}
