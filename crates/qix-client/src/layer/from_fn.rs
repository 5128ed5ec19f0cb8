//! A layer from an async function.

use std::{fmt, sync::Arc};

use qix_protocol::Answer;
use tower::{Layer, ServiceExt};

use crate::{
    Error, Request,
    layer::{
        CallService, Calls,
        around::{Around, Handle},
    },
};

/// Makes a layer of an async function from the request and what is inside to the answer.
///
/// ```
/// use qix_client::{SessionConfig, layer};
///
/// // Nobody waits longer than the patience of this program.
/// let config = SessionConfig::default().layer(layer::from_fn(|mut request, next| async move {
///     request.set_timeout(Some(std::time::Duration::from_secs(10)));
///     next.call(request).await
/// }));
/// ```
pub fn from_fn<F, A>(f: F) -> FromFn<F>
where
    F: Fn(Request, Next) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Error>> + Send + 'static,
{
    FromFn(f)
}

/// A layer made by [`from_fn`].
#[derive(Clone, Copy)]
pub struct FromFn<F>(F);

/// What is inside of a layer that is a function.
#[derive(Clone)]
pub struct Next(Calls);

impl Next {
    /// Passes the request on.
    ///
    /// # Errors
    ///
    /// What the call fails with.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cancels the call.
    pub async fn call(&self, request: Request) -> Result<Answer, Error> {
        self.0.clone().oneshot(request).await
    }
}

impl<F, A, S> Layer<S> for FromFn<F>
where
    F: Fn(Request, Next) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Error>> + Send + 'static,
    S: CallService,
{
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(Self(self.0.clone()), inner)
    }
}

impl<F, A> Handle for FromFn<F>
where
    F: Fn(Request, Next) -> A + Send + Sync + 'static,
    A: Future<Output = Result<Answer, Error>> + Send + 'static,
{
    fn handle<S: CallService>(
        self: Arc<Self>,
        request: Request,
        next: S,
    ) -> impl Future<Output = Result<Answer, Error>> + Send + 'static {
        (self.0)(request, Next(Calls::new(next)))
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Next").finish_non_exhaustive()
    }
}
