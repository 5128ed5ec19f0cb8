//! What sessions ask of the driver.

use std::sync::Arc;

use qix_protocol::{Answer, RequestId};
use tokio::sync::oneshot;

use crate::{Error, object::Change, request::Request, resume::ResumeReport};

/// The caller's end of a call.
pub(crate) type Reply = oneshot::Sender<Result<Answer, Error>>;

/// Who wants to know how a resume ended.
pub(crate) type Asked = oneshot::Sender<Result<Arc<ResumeReport>, Error>>;

/// Session to driver: make a call.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) request: Request,
    pub(crate) reply: Reply,
}

/// What the driver keeps of a call in flight.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) reply: Reply,
    /// Whether it runs on when nobody waits for it any more.
    pub(crate) detached: bool,
    /// What it makes of its object. Noted by the driver: its caller may hear of the answer only after a resume.
    pub(crate) change: Option<Box<Change>>,
}

/// Session to driver, past calls that wait for their turn.
#[derive(Debug)]
pub(crate) enum Control {
    /// Nobody waits for this call any more.
    Cancel(RequestId),
    /// Make a call whose answer nobody waits for.
    Tell(Box<Request>),
    /// Give the socket up, and wait to be told to resume.
    Suspend(oneshot::Sender<()>),
    /// Get a new socket, if there is none.
    Resume { only_if_attached: bool, asked: Asked },
    /// Say goodbye.
    Close,
}
