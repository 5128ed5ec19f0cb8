//! What sessions ask of the driver.

use std::{borrow::Cow, time::Duration};

use qix_protocol::{Answer, Handle, RequestId};
use tokio::sync::oneshot;

use crate::Error;

/// The caller's end of a call.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Error>>;

/// Session to driver: make a call.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) id: RequestId,
    pub(crate) to: Handle,
    pub(crate) method: Cow<'static, str>,
    /// JSON, as `serde_json` wrote it.
    pub(crate) params: Vec<u8>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) reply: Reply,
}

/// Session to driver, past calls that wait for their turn.
#[derive(Debug)]
pub(crate) enum Control {
    /// Nobody waits for this call any more.
    Cancel(RequestId),
    /// Say goodbye.
    Close,
}
