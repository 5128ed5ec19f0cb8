//! The way of a request through the layers of its session, if it has any.

use std::{
    panic,
    pin::Pin,
    task::{Context, Poll, ready},
};

use qix_protocol::Answer;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use crate::{Error, ErrorKind, layer::Answering, request::Request, wire::Sent};

/// A request on its way.
///
/// Dropping it drops what the layers do, and in the end cancels the call.
pub(crate) enum Route {
    Direct(Sent),
    Layered(Answering),
    /// Layers may have more to do for it after its caller is gone: from its first poll it is a task.
    Detached(Answering),
    Task(JoinHandle<Result<Answer, Error>>),
}

impl Route {
    pub(crate) fn new(request: Request) -> Self {
        let Some(layers) = request.session().layers() else { return Self::Direct(Sent::new(request)) };
        let layers = layers.clone();
        let detached = request.detached;
        let answering = Box::pin(layers.oneshot(request));
        if detached { Self::Detached(answering) } else { Self::Layered(answering) }
    }
}

impl Future for Route {
    type Output = Result<Answer, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Self::Detached(answering) = this {
            let answering = std::mem::replace(answering, Box::pin(std::future::pending()));
            *this = Self::Task(tokio::spawn(answering));
        }
        match this {
            Self::Direct(sent) => Pin::new(sent).poll(cx),
            Self::Layered(answering) | Self::Detached(answering) => answering.as_mut().poll(cx),
            Self::Task(task) => match ready!(Pin::new(task).poll(cx)) {
                Ok(outcome) => Poll::Ready(outcome),
                // A layer's panic is its caller's, as if it were no task.
                Err(error) => match error.try_into_panic() {
                    Ok(cause) => panic::resume_unwind(cause),
                    Err(_) => Poll::Ready(Err(Error::new(ErrorKind::Closed))),
                },
            },
        }
    }
}
