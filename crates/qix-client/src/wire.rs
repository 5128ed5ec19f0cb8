//! The way of a request to the driver and back.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use qix_protocol::{Answer, RequestId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Error,
    command::Command,
    request::{Request, Target},
};

type Received = oneshot::Receiver<Result<Answer, Error>>;
type Permit = Result<mpsc::OwnedPermit<Command>, mpsc::error::SendError<()>>;

/// A request on its way: the innermost service of a session, as a future.
///
/// # Cancellation
///
/// Dropping it after it was first polled sends `CancelRequest`.
#[must_use = "futures do nothing unless they are polled"]
pub struct Sent {
    /// Kept so that the object lives as long as the call, and a call that is repeated after a resume finds its handle.
    to: Target,
    id: RequestId,
    detached: bool,
    state: State,
}

enum State {
    Unsent(Request),
    /// The queue was full.
    Queueing(Request, Pin<Box<dyn Future<Output = Permit> + Send>>),
    Waiting(Received),
    Done,
}

impl Sent {
    pub(crate) fn new(request: Request) -> Self {
        Self {
            to: request.to.clone(),
            id: request.id,
            detached: request.detached,
            state: State::Unsent(request),
        }
    }

    /// Lets a detached request keep its place in the queue without its caller.
    fn queue_on(&mut self) {
        let State::Queueing(request, permit) = std::mem::replace(&mut self.state, State::Done) else {
            return;
        };
        // Without a runtime the session's task has ended, too.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Ok(permit) = permit.await {
                let (reply, _) = oneshot::channel();
                permit.send(Command { request, reply });
            }
        });
    }

    fn ended(&self) -> Poll<Result<Answer, Error>> {
        Poll::Ready(Err(self.to.session().ended()))
    }
}

impl Future for Sent {
    type Output = Result<Answer, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match std::mem::replace(&mut this.state, State::Done) {
                State::Unsent(request) => {
                    let commands = this.to.session().commands();
                    this.state = match commands.try_reserve() {
                        Ok(permit) => {
                            let (reply, answer) = oneshot::channel();
                            permit.send(Command { request, reply });
                            State::Waiting(answer)
                        }
                        Err(mpsc::error::TrySendError::Closed(())) => return this.ended(),
                        Err(mpsc::error::TrySendError::Full(())) => {
                            State::Queueing(request, Box::pin(commands.clone().reserve_owned()))
                        }
                    };
                }
                State::Queueing(request, mut permit) => match permit.as_mut().poll(cx) {
                    Poll::Ready(Ok(permit)) => {
                        let (reply, answer) = oneshot::channel();
                        permit.send(Command { request, reply });
                        this.state = State::Waiting(answer);
                    }
                    Poll::Ready(Err(_)) => return this.ended(),
                    Poll::Pending => {
                        this.state = State::Queueing(request, permit);
                        return Poll::Pending;
                    }
                },
                State::Waiting(mut answer) => {
                    let Poll::Ready(outcome) = Pin::new(&mut answer).poll(cx) else {
                        this.state = State::Waiting(answer);
                        return Poll::Pending;
                    };
                    return match outcome {
                        Ok(outcome) => Poll::Ready(outcome),
                        Err(_) => this.ended(),
                    };
                }
                // A future that is polled after its end has nothing to say any more.
                State::Done => return this.ended(),
            }
        }
    }
}

impl Drop for Sent {
    fn drop(&mut self) {
        match &mut self.state {
            State::Waiting(answer) if !self.detached => {
                // The driver leaves out what is closed when its turn comes; what it has sent already must be cancelled.
                answer.close();
                match answer.try_recv() {
                    // It came a moment before.
                    Ok(Ok(answer)) => self.to.give_back(&answer),
                    Ok(Err(_)) => {}
                    Err(_) => self.to.session().cancel(self.id),
                }
            }
            State::Queueing(..) if self.detached => self.queue_on(),
            _ => {}
        }
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent").field("id", &self.id).finish_non_exhaustive()
    }
}
