//! What sessions ask of the driver.

use qix_protocol::{Answer, RequestId};
use tokio::sync::oneshot;

use crate::{Error, request::Request};

/// The caller's end of a call.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Error>>;

/// Session to driver: make a call.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) request: Request,
    pub(crate) reply: Reply,
}

/// Session to driver, past calls that wait for their turn.
#[derive(Debug)]
pub(crate) enum Control {
    /// Nobody waits for this call any more.
    Cancel(RequestId),
    /// Make a call whose answer nobody waits for.
    Tell(Box<Request>),
    /// Say goodbye.
    Close,
}
