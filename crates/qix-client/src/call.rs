//! One method call as a value.

use std::{
    borrow::Cow,
    fmt,
    future::IntoFuture,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use qix_protocol::{Answer, Handle, RequestId};
use serde::de::DeserializeOwned;
use tokio::sync::{mpsc, oneshot};

use crate::{Error, ErrorKind, Session, command::Command};

/// A call that is not sent yet; `.await` sends it and decodes its out members into `R`.
///
/// # Cancellation
///
/// Dropping the future after it was first polled sends `CancelRequest`; the engine may still have done the work.
#[must_use = "a call does nothing until it is awaited"]
pub struct Call<R> {
    session: Session,
    id: RequestId,
    to: Handle,
    method: Cow<'static, str>,
    params: Result<Vec<u8>, Error>,
    timeout: Option<Duration>,
    result: PhantomData<fn() -> R>,
}

impl<R> Call<R> {
    pub(crate) fn new(
        session: Session,
        to: Handle,
        method: Cow<'static, str>,
        params: Result<Vec<u8>, Error>,
    ) -> Self {
        let id = session.ids().reserve();
        Self { session, id, to, method, params, timeout: None, result: PhantomData }
    }

    /// Returns the id that the request will have, for `GetProgress` and `CancelRequest`.
    pub fn request_id(&self) -> RequestId {
        self.id
    }

    pub(crate) fn method(&self) -> Cow<'static, str> {
        self.method.clone()
    }

    /// Gives the call up after this long, counted from when it is taken up for sending. Default: never, because a reload may
    /// take hours.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl<R: DeserializeOwned> IntoFuture for Call<R> {
    type Output = Result<R, Error>;
    type IntoFuture = CallFuture<R>;

    fn into_future(self) -> CallFuture<R> {
        CallFuture { call: self, state: State::Unsent }
    }
}

impl<R> fmt::Debug for Call<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("id", &self.id)
            .field("to", &self.to)
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

type Received = oneshot::Receiver<Result<Answer, Error>>;
type Permit = Result<mpsc::OwnedPermit<Command>, mpsc::error::SendError<()>>;

/// A call on its way.
#[must_use = "futures do nothing unless they are polled"]
pub struct CallFuture<R> {
    call: Call<R>,
    state: State,
}

enum State {
    Unsent,
    /// The queue was full.
    Queueing(Pin<Box<dyn Future<Output = Permit> + Send>>),
    Sent(Received),
    Done,
}

impl<R: DeserializeOwned> Future for CallFuture<R> {
    type Output = Result<R, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let outcome = ready!(this.poll_answer(cx));
        this.state = State::Done;
        let decoded = outcome
            .and_then(|answer| answer.decode().map_err(|error| Error::because(ErrorKind::Protocol, error)));
        Poll::Ready(decoded.map_err(|error| error.in_method(this.call.method())))
    }
}

impl<R> CallFuture<R> {
    fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Error>> {
        let Self { call, state } = self;
        loop {
            match state {
                State::Unsent => {
                    if let Err(error) = &call.params {
                        return Poll::Ready(Err(error.clone()));
                    }
                    let commands = call.session.commands();
                    *state = match commands.try_reserve() {
                        Ok(permit) => {
                            let (command, answer) = command(
                                call.id,
                                call.to,
                                call.method.clone(),
                                &mut call.params,
                                call.timeout,
                            );
                            permit.send(command);
                            State::Sent(answer)
                        }
                        Err(mpsc::error::TrySendError::Closed(())) => return ended(call),
                        Err(mpsc::error::TrySendError::Full(())) => {
                            State::Queueing(Box::pin(commands.clone().reserve_owned()))
                        }
                    };
                }
                State::Queueing(permit) => match ready!(permit.as_mut().poll(cx)) {
                    Ok(permit) => {
                        let (command, answer) =
                            command(call.id, call.to, call.method.clone(), &mut call.params, call.timeout);
                        permit.send(command);
                        *state = State::Sent(answer);
                    }
                    Err(_) => return ended(call),
                },
                State::Sent(answer) => {
                    return match ready!(Pin::new(answer).poll(cx)) {
                        Ok(outcome) => Poll::Ready(outcome),
                        Err(_) => ended(call),
                    };
                }
                // A future that is polled after its end has nothing to say any more.
                State::Done => return ended(call),
            }
        }
    }
}

/// Makes the command of a call, once: it takes the parameters.
fn command(
    id: RequestId,
    to: Handle,
    method: Cow<'static, str>,
    params: &mut Result<Vec<u8>, Error>,
    timeout: Option<Duration>,
) -> (Command, Received) {
    let (reply, answer) = oneshot::channel();
    let params = params.as_mut().map(std::mem::take).unwrap_or_default();
    (Command { id, to, method, params, timeout, reply }, answer)
}

fn ended<R>(call: &Call<R>) -> Poll<Result<Answer, Error>> {
    Poll::Ready(Err(call.session.ended()))
}

impl<R> Drop for CallFuture<R> {
    fn drop(&mut self) {
        if let State::Sent(answer) = &mut self.state {
            // The driver leaves out what is closed when its turn comes; what it has sent already must be cancelled.
            answer.close();
            if answer.try_recv().is_err() {
                self.call.session.cancel(self.call.id);
            }
        }
    }
}

impl<R> fmt::Debug for CallFuture<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").field("call", &self.call).finish_non_exhaustive()
    }
}
