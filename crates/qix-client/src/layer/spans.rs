//! A span for each call.

use std::sync::Arc;

use qix_protocol::Answer;
use tower::{Layer, ServiceExt};
use tracing::{Instrument, Span, field::Empty};

use crate::{
    Error, ErrorKind, Request,
    layer::{
        CallService,
        around::{Around, Handle},
    },
};

/// Makes a [`tracing`] span of each call, with the names that OpenTelemetry gives to JSON-RPC.
///
/// The span is called `qix` at level `INFO`, and for OpenTelemetry (`otel.name`) by class and method, such as `Doc/GetObject`. Its
/// fields: `rpc.system`, `rpc.service`, `rpc.method`, `rpc.jsonrpc.version`, `rpc.jsonrpc.request_id`, `qix.handle`, and at its end
/// `duration_ms`, and for calls that did not succeed `otel.status_code`, `error.type` and, if the engine refused,
/// `rpc.jsonrpc.error_code`. Parameters and words of the engine, which may be secret, are not in it.
///
/// A span that no subscriber wants costs nothing.
///
/// ```
/// use qix_client::{SessionConfig, layer::Tracing};
///
/// let config = SessionConfig::default().layer(Tracing::new());
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Tracing {}

impl Tracing {
    /// Makes the layer.
    pub fn new() -> Self {
        Self {}
    }
}

impl<S: CallService> Layer<S> for Tracing {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Handle for Tracing {
    async fn handle<S: CallService>(self: Arc<Self>, request: Request, next: S) -> Result<Answer, Error> {
        let span = span(&request);
        if span.is_disabled() {
            return next.oneshot(request).await;
        }
        let mut open = Open { span: span.clone(), start: tokio::time::Instant::now(), ended: false };
        let outcome = next.oneshot(request).instrument(span).await;
        open.end(outcome.as_ref().err());
        outcome
    }
}

fn span(request: &Request) -> Span {
    let (class, method) = (request.class(), request.method());
    tracing::info_span!(
        "qix",
        "otel.name" = %format_args!("{class}/{method}"),
        "otel.kind" = "client",
        "otel.status_code" = Empty,
        "rpc.system" = "jsonrpc",
        "rpc.service" = class,
        "rpc.method" = method,
        "rpc.jsonrpc.version" = "2.0",
        "rpc.jsonrpc.request_id" = request.id().get(),
        "rpc.jsonrpc.error_code" = Empty,
        "qix.handle" = request.handle().get(),
        "error.type" = Empty,
        "duration_ms" = Empty,
    )
}

/// The span of a call that has not ended.
struct Open {
    span: Span,
    start: tokio::time::Instant,
    ended: bool,
}

impl Open {
    fn end(&mut self, error: Option<&Error>) {
        self.ended = true;
        self.span.record("duration_ms", self.start.elapsed().as_secs_f64() * 1e3);
        let Some(error) = error else { return };
        self.fail(name(error.kind()));
        if let Some(engine) = error.engine() {
            self.span.record("rpc.jsonrpc.error_code", engine.code.get());
        }
    }

    fn fail(&self, kind: &str) {
        self.span.record("otel.status_code", "ERROR");
        self.span.record("error.type", kind);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.ended {
            self.span.record("duration_ms", self.start.elapsed().as_secs_f64() * 1e3);
            self.fail("cancelled");
        }
    }
}

fn name(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Engine => "engine",
        ErrorKind::NotFound => "not_found",
        ErrorKind::TimedOut => "timeout",
        ErrorKind::Closed => "closed",
        ErrorKind::Protocol => "protocol",
        ErrorKind::Params => "params",
        ErrorKind::Connect => "connect",
        ErrorKind::OutcomeUnknown => "outcome_unknown",
        ErrorKind::Suspended => "suspended",
        ErrorKind::NotAttached => "not_attached",
        ErrorKind::AlreadyOpen => "already_open",
        ErrorKind::Settings => "settings",
        ErrorKind::ReloadFailed => "reload_failed",
        ErrorKind::ReloadCancelled => "reload_cancelled",
        ErrorKind::NotSaved => "not_saved",
        ErrorKind::Data => "data",
        ErrorKind::Unsuccessful => "unsuccessful",
    }
}
