//! What sessions ask of the driver.

use std::{borrow::Cow, time::Duration};

use qix_protocol::{Answer, Handle, RequestId};
use tokio::sync::oneshot;

use crate::Error;

/// The caller's end of a call.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Error>>;

/// Session to driver.
#[derive(Debug)]
pub(crate) enum Command {
    /// Make a call.
    Call {
        id: RequestId,
        to: Handle,
        method: Cow<'static, str>,
        /// JSON, as `serde_json` wrote it.
        params: Vec<u8>,
        timeout: Option<Duration>,
        reply: Reply,
    },
    /// Say goodbye.
    Close,
}
