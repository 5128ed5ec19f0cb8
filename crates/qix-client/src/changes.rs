//! The changes of one object as a stream.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

/// The changes of one object; made by [`Object::changes`](crate::Object::changes).
///
/// Changes that nobody has looked at yet become one item, so a slow reader holds nobody up and never misses that something
/// changed.
#[derive(Debug)]
#[must_use = "streams do nothing unless they are polled"]
pub struct Changes {
    version: WatchStream<u64>,
}

impl Changes {
    pub(crate) fn new(version: watch::Receiver<u64>) -> Self {
        let unchanged = *version.borrow() == 0;
        let version = if unchanged { WatchStream::from_changes(version) } else { WatchStream::new(version) };
        Self { version }
    }

    /// Returns `Some` once the object has changed since the last item, `None` once it is closed.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<()> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Changes {
    type Item = ();

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<()>> {
        Pin::new(&mut self.get_mut().version).poll_next(cx).map(|item| item.map(|_| ()))
    }
}
