//! All live connections of a recording, kept going while one of them is waited for.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    task::{Context, Poll},
};

use tokio::time::{Instant, sleep_until};

use super::lane::Lane;

/// Live connections by the number of the recorded one.
#[derive(Default)]
pub(super) struct Lanes(pub(super) BTreeMap<u64, Lane>);

impl Lanes {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut moved = false;
        for lane in self.0.values_mut() {
            moved |= lane.poll(cx);
        }
        if moved { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Sends what waits, and takes in what is there, without waiting.
    pub(super) async fn turn(&mut self) {
        poll_fn(|cx| {
            // Nobody minds if nothing happens.
            let _ = self.poll(cx);
            Poll::Ready(())
        })
        .await;
    }

    /// Keeps all connections going until something is so, or until the time has come. Returns whether it is so.
    pub(super) async fn until(&mut self, deadline: Instant, mut is_so: impl FnMut(&Self) -> bool) -> bool {
        loop {
            if is_so(self) {
                return true;
            }
            tokio::select! {
                biased;
                () = poll_fn(|cx| self.poll(cx)) => {}
                () = sleep_until(deadline) => return is_so(self),
            }
        }
    }

    /// Keeps all connections going while something else is done, for as long as that may take.
    pub(super) async fn meanwhile<T>(
        &mut self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = poll_fn(|cx| self.poll(cx)) => {}
                () = sleep_until(deadline) => return None,
            }
        }
    }
}
