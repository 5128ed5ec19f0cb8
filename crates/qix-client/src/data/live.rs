//! Data as streams that follow the selections.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::{FutureExt as _, stream};

use crate::{Error, GenericObject, data::source::has_changed};

/// Values that are read at once and after each change; made by [`HyperCube::live_rows`](super::HyperCube::live_rows) and others.
///
/// Changes that come while a value is read, or while nobody asks, become one. An item is never older than the item before it. An
/// error is an item, and the next change is waited for after it. Ends when the object is closed.
///
/// # Cancellation
///
/// Dropping the stream cancels the calls in flight.
#[must_use = "streams do nothing unless they are polled"]
pub struct Live<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T: Send + 'static> Live<T> {
    /// Reads once, and again after each change of the object.
    pub(crate) fn new<F, R>(object: GenericObject, read: R) -> Self
    where
        R: Fn() -> F + Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let changes = object.changes();
        let start = (changes, read, true);
        Self(Box::pin(stream::unfold(start, move |(mut changes, read, is_first)| {
            let closed = object.clone();
            async move {
                if is_first {
                    // What has changed before is in the first value.
                    let _ = changes.next().now_or_never();
                } else {
                    changes.next().await?;
                }
                loop {
                    match read().await {
                        // A newer change says that reading again will do. Without one, nothing would ever end the waiting.
                        Err(error)
                            if has_changed(&error) && changes.next().now_or_never() == Some(Some(())) => {}
                        Err(_) if !is_first && closed.is_closed() => return None,
                        outcome => return Some((outcome, (changes, read, false))),
                    }
                }
            }
        })))
    }
}

impl<T> Live<T> {
    /// Returns the next value, `None` once the object is closed.
    ///
    /// # Errors
    ///
    /// [`Error`] if it cannot be read. The stream goes on.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|cx| self.0.as_mut().poll_next(cx)).await
    }
}

impl<T> Stream for Live<T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.as_mut().poll_next(cx)
    }
}

impl<T> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}
