//! Times and sizes of calls.

use std::{fmt, sync::Arc, time::Instant};

use qix_protocol::Answer;
use tower::{Layer, ServiceExt};

use crate::{
    Error, Request,
    layer::{
        CallService,
        around::{Around, Handle},
    },
    stopwatch::Times,
};

/// Hands times and sizes of every call to a function, also of those that fail and those that are dropped.
///
/// The function runs in the task that made the call, and should not take long.
///
/// ```
/// use qix_client::{SessionConfig, layer::Metrics};
///
/// let config = SessionConfig::default().layer(Metrics::new(|call| {
///     if let (Some(written), Some(answered)) = (call.written, call.answered) {
///         println!("{}.{} took the engine {:?}", call.class, call.method, answered - written);
///     }
/// }));
/// ```
#[derive(Clone)]
pub struct Metrics<F> {
    report: F,
}

/// What is known of one call when it ends. Retries inside of [`Metrics`] count as one call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Measurement<'a> {
    /// The class of the object; empty if it is not known.
    pub class: &'a str,
    /// The method.
    pub method: &'a str,
    /// When it was awaited.
    pub called: Instant,
    /// When its text was first handed to the socket; none if it never was.
    pub written: Option<Instant>,
    /// When the answer to its last try had been read, or it failed otherwise; none if it was dropped before.
    pub answered: Option<Instant>,
    /// When the caller went on: with the answer, the failure, or something else, having dropped the call.
    pub resumed: Instant,
    /// Bytes of the request's text, all retries and repeats after a resume together.
    pub sent: usize,
    /// Bytes of the answer's text; 0 if there was none, or a refusal.
    pub received: usize,
    /// How it ended.
    pub outcome: Outcome<'a>,
}

/// How a measured call ended.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Outcome<'a> {
    /// With an answer.
    Answered,
    /// With an error.
    Failed(&'a Error),
    /// Its caller dropped it.
    Dropped,
}

impl<F: Fn(Measurement<'_>) + Clone + Send + Sync + 'static> Metrics<F> {
    /// Hands what is measured to `report`.
    pub fn new(report: F) -> Self {
        Self { report }
    }
}

impl<F, S> Layer<S> for Metrics<F>
where
    F: Fn(Measurement<'_>) + Clone + Send + Sync + 'static,
    S: CallService,
{
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl<F> Handle for Metrics<F>
where
    F: Fn(Measurement<'_>) + Clone + Send + Sync + 'static,
{
    async fn handle<S: CallService>(self: Arc<Self>, mut request: Request, next: S) -> Result<Answer, Error> {
        let called = now();
        // An outer one may measure as well.
        let times = request.times.get_or_insert_default().clone();
        let mut running = Running { metrics: &self.report, request: Some(request.clone()), called, times };
        let outcome = next.oneshot(request).await;
        match &outcome {
            Ok(answer) => running.end(Outcome::Answered, answer.frame().len()),
            Err(error) => running.end(Outcome::Failed(error), 0),
        }
        outcome
    }
}

/// A call that is being measured.
struct Running<'a, F: Fn(Measurement<'_>)> {
    metrics: &'a F,
    /// None once it has ended.
    request: Option<Request>,
    called: Instant,
    times: Arc<Times>,
}

impl<F: Fn(Measurement<'_>)> Running<'_, F> {
    fn end(&mut self, outcome: Outcome<'_>, received: usize) {
        let Some(request) = self.request.take() else { return };
        let noted = self.times.noted();
        let resumed = now();
        // What failed without an answer has failed now.
        let failed = matches!(outcome, Outcome::Failed(_)).then_some(resumed);
        (self.metrics)(Measurement {
            class: request.class(),
            method: request.method(),
            called: self.called,
            written: noted.written,
            answered: noted.answered.or(failed),
            resumed,
            sent: noted.sent,
            received,
            outcome,
        });
    }
}

impl<F: Fn(Measurement<'_>)> Drop for Running<'_, F> {
    fn drop(&mut self) {
        self.end(Outcome::Dropped, 0);
    }
}

impl<F> fmt::Debug for Metrics<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Tokio's clock, as the driver's.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
