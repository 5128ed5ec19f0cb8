//! A reload that can be watched.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
};

use futures_core::Stream;
use qix_protocol::RequestId;

use super::{
    ReloadProgress, Reloaded,
    run::{Plan, Told},
};
use crate::{Error, ErrorKind, Global};

/// A reload on its way, made by [`Reload::start`](super::Reload::start): a stream of its progress that ends when the reload does, and a
/// future of what became of it.
///
/// It is driven by whoever polls it and needs no task. Who only awaits the end misses the progress and nothing else; who takes no
/// items for a while finds them at the engine, which keeps what it has not told yet.
///
/// # Cancellation
///
/// Dropping it lets the reload run on, unless [`Reload::cancel_on_drop`](super::Reload::cancel_on_drop) was called; what the engine does
/// with a reload whose session is closed is up to the engine.
#[must_use = "a reload does nothing until it is polled"]
pub struct Reloading {
    run: Pin<Box<dyn Future<Output = Result<Reloaded, Error>> + Send>>,
    outcome: Option<Result<Reloaded, Error>>,
    ended: bool,
    told: Arc<Told>,
    cancel: CancelReload,
}

/// Cancels a reload from elsewhere. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CancelReload {
    global: Global,
    id: RequestId,
    told: Arc<Told>,
}

impl Reloading {
    pub(super) fn new(plan: Plan) -> Self {
        let told = Arc::new(Told::default());
        let cancel = CancelReload { global: plan.global.clone(), id: plan.start.id(), told: told.clone() };
        let run = Box::pin(plan.run(told.clone()));
        Self { run, outcome: None, ended: false, told, cancel }
    }

    /// Returns what is new once there is something, `None` once the reload has ended.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<ReloadProgress> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    /// Returns the id of the request, for `GetProgress` by other means. What others ask for is told to nobody else.
    pub fn request_id(&self) -> RequestId {
        self.cancel.id
    }

    /// Cancels the reload in the engine, which then answers: go on polling. See [`CancelReload::cancel`].
    ///
    /// # Errors
    ///
    /// Those of any call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled may leave the reload running.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.cancel.cancel().await
    }

    /// Returns what cancels the reload from elsewhere.
    pub fn canceller(&self) -> CancelReload {
        self.cancel.clone()
    }

    fn poll_run(&mut self, cx: &mut Context<'_>) {
        if !self.ended
            && let Poll::Ready(outcome) = self.run.as_mut().poll(cx)
        {
            (self.ended, self.outcome) = (true, Some(outcome));
        }
    }
}

impl CancelReload {
    /// Sends `CancelReload`, or `CancelRequest` with the reload's id to an engine that refuses the former.
    ///
    /// A reload that is not sent yet will not be; after the end of this one nothing is sent, so that no later one is cancelled.
    /// The reload then ends as [`ErrorKind::ReloadCancelled`], or well if its data was there already
    /// ([`Reloaded::cancelled`]).
    ///
    /// # Errors
    ///
    /// Those of any call.
    ///
    /// # Cancellation
    ///
    /// Dropping the future after it was first polled may leave the reload running.
    pub async fn cancel(&self) -> Result<(), Error> {
        self.told.cancelled.store(true, Ordering::SeqCst);
        if !self.told.running.load(Ordering::SeqCst) {
            return Ok(());
        }
        match self.global.cancel_reload().detach().await {
            Err(error) if error.kind() == ErrorKind::Engine => {
                self.global.cancel_request(self.id).detach().await
            }
            done => done,
        }
    }
}

impl Stream for Reloading {
    type Item = ReloadProgress;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ReloadProgress>> {
        let this = self.get_mut();
        if let Some(progress) = this.told.pop() {
            return Poll::Ready(Some(progress));
        }
        this.poll_run(cx);
        match this.told.pop() {
            Some(progress) => Poll::Ready(Some(progress)),
            None if this.ended => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

impl Future for Reloading {
    type Output = Result<Reloaded, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.poll_run(cx);
        this.told.clear();
        match this.ended {
            // A future that is polled after its end has nothing to say any more.
            true => Poll::Ready(this.outcome.take().unwrap_or_else(|| Err(Error::new(ErrorKind::Closed)))),
            false => Poll::Pending,
        }
    }
}

impl fmt::Debug for Reloading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloading").field("id", &self.cancel.id).finish_non_exhaustive()
    }
}
