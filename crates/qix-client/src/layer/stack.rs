//! The layers of a session.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use qix_protocol::Answer;
use tower::{Layer, Service, util::BoxCloneSyncService};

use crate::{Error, Request, wire::Sent};

/// Calls as a service: what layers are put around.
pub type Calls = BoxCloneSyncService<Request, Answer, Error>;

/// What a service around calls must be; implemented for every service that is.
pub trait CallService:
    Service<Request, Response = Answer, Error = Error, Future: Send + 'static> + Clone + Send + Sync + 'static
{
}

impl<S> CallService for S where
    S: Service<Request, Response = Answer, Error = Error, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The layers that were asked for, outermost first.
#[derive(Clone, Default)]
pub(crate) struct Layers(Vec<Arc<dyn Fn(Calls) -> Calls + Send + Sync>>);

impl Layers {
    pub(crate) fn add<L>(&mut self, layer: L)
    where
        L: Layer<Calls, Service: CallService> + Send + Sync + 'static,
    {
        self.0.push(Arc::new(move |inner| Calls::new(layer.layer(inner))));
    }

    /// Puts them around the innermost service; none if there are none.
    pub(crate) fn build(&self) -> Option<Calls> {
        if self.0.is_empty() {
            return None;
        }
        Some(self.0.iter().rev().fold(Calls::new(Wire), |inner, layer| layer(inner)))
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").field("count", &self.0.len()).finish()
    }
}

/// The innermost service. A request knows its session.
#[derive(Clone)]
struct Wire;

impl Service<Request> for Wire {
    type Response = Answer;
    type Error = Error;
    type Future = Sent;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // A request waits in its own future while the session's queue is full.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Sent {
        Sent::new(request)
    }
}
