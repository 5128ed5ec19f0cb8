//! Deadlines by what kind of call it is.

use std::{collections::HashMap, sync::Arc, time::Duration};

use qix_protocol::{Answer, Effect};
use tower::{Layer, ServiceExt};

use crate::{
    Error, Request,
    layer::{
        CallService,
        around::{Around, Handle},
    },
};

/// Methods that may take as long as they take: loading, saving and exporting apps.
const LONG: &[&str] = &[
    "CopyApp",
    "CreateSessionAppFromApp",
    "DoReload",
    "DoReloadEx",
    "DoSave",
    "ExportApp",
    "ExportData",
    "ExportReducedData",
    "OpenDoc",
    "PublishApp",
    "ReplaceAppFromID",
    "SaveAs",
    "SaveObjects",
    "TransformApp",
];

/// Sets the timeouts of calls that have none of their own.
///
/// Calls that load, save or export apps get none unless their method is named: `DoReload`, `DoReloadEx`, `OpenDoc`, `DoSave`,
/// `SaveAs`, `SaveObjects`, `ExportApp`, `ExportData`, `ExportReducedData`, `CopyApp`, `PublishApp`, `ReplaceAppFromID`,
/// `TransformApp` and `CreateSessionAppFromApp`. A call that takes too long fails with
/// [`ErrorKind::TimedOut`](crate::ErrorKind::TimedOut) and is cancelled in the engine.
///
/// ```
/// use std::time::Duration;
///
/// use qix_client::{SessionConfig, layer::Timeout};
///
/// let config = SessionConfig::default().layer(
///     Timeout::new(Duration::from_secs(60))
///         .reads(Duration::from_secs(300))
///         .method("DoReload", Duration::from_secs(4 * 3600)),
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Timeout {
    others: Duration,
    reads: Duration,
    methods: HashMap<String, Duration>,
}

impl Timeout {
    /// Gives every call this long, but for those that load, save or export apps.
    pub fn new(limit: Duration) -> Self {
        Self { others: limit, reads: limit, methods: HashMap::new() }
    }

    /// Gives calls that only read this long instead: layouts and data may take long to calculate.
    pub fn reads(mut self, limit: Duration) -> Self {
        self.reads = limit;
        self
    }

    /// Gives calls of this method this long instead, whatever it does.
    pub fn method(mut self, method: impl Into<String>, limit: Duration) -> Self {
        self.methods.insert(method.into(), limit);
        self
    }

    fn limit(&self, request: &Request) -> Option<Duration> {
        match self.methods.get(request.method()) {
            Some(limit) => Some(*limit),
            None if LONG.contains(&request.method()) => None,
            None if request.effect() == Effect::Reads => Some(self.reads),
            None => Some(self.others),
        }
    }
}

impl<S: CallService> Layer<S> for Timeout {
    type Service = Around<Self, S>;

    fn layer(&self, inner: S) -> Self::Service {
        Around::new(self.clone(), inner)
    }
}

impl Handle for Timeout {
    async fn handle<S: CallService>(self: Arc<Self>, mut request: Request, next: S) -> Result<Answer, Error> {
        if request.timeout().is_none() {
            request.set_timeout(self.limit(&request));
        }
        next.oneshot(request).await
    }
}
