//! Bodies on their way from one side to the other.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::record::Kept;

/// Why a body does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body broke off")]
    Http(#[from] hyper::Error),
    #[error("no more of the body came for {0:?}")]
    Idle(Duration),
    #[error("the body cannot be read from where it is kept")]
    Stored(#[source] std::io::Error),
}

/// A body that comes in, with an end to each wait for more of it.
#[derive(Debug)]
pub(crate) struct Timed {
    /// What was read of it already.
    read: VecDeque<Frame<Bytes>>,
    body: Incoming,
    limit: Duration,
    /// Runs while nothing comes; kept, and not set up anew for each wait.
    timer: Option<Pin<Box<Sleep>>>,
    waiting: bool,
}

impl Timed {
    pub(crate) fn new(read: VecDeque<Frame<Bytes>>, body: Incoming, limit: Duration) -> Self {
        Self { read, body, limit, timer: None, waiting: false }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(limit)));
        if !std::mem::replace(&mut self.waiting, true) {
            timer.as_mut().reset(Instant::now() + limit);
        }
        timer.as_mut().poll(cx)
    }
}

impl Body for Timed {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(frame) = self.read.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(BodyError::Http)));
        }
        ready!(self.poll_timer(cx));
        Poll::Ready(Some(Err(BodyError::Idle(self.limit))))
    }

    fn is_end_stream(&self) -> bool {
        self.read.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let read: usize = self.read.iter().filter_map(Frame::data_ref).map(Bytes::len).sum();
        let (read, rest) = (read as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(read));
        }
        hint.set_lower(rest.lower().saturating_add(read));
        hint
    }
}

/// What is kept of a request's body; the one who sends it shares it with the one who records it.
pub(crate) type Shared = Arc<Mutex<Kept>>;

/// What goes upstream with a request.
#[derive(Debug, Default)]
pub(crate) enum Sent {
    #[default]
    Nothing,
    /// All of it, which can be sent again.
    Whole(Bytes),
    /// What the client is sending.
    Streamed(Timed, Shared),
}

impl Sent {
    /// Returns the same once more, if that can be had.
    pub(crate) fn again(&self) -> Option<Self> {
        match self {
            Self::Nothing => Some(Self::Nothing),
            Self::Whole(bytes) => Some(Self::Whole(bytes.clone())),
            Self::Streamed(..) => None,
        }
    }

    /// Returns what tells how much was sent, if that takes time.
    pub(crate) fn progress(&self) -> Option<Shared> {
        match self {
            Self::Streamed(_, kept) => Some(Arc::clone(kept)),
            Self::Nothing | Self::Whole(_) => None,
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut *self {
            Self::Nothing => Poll::Ready(None),
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Streamed(body, kept) => {
                let polled = ready!(Pin::new(body).poll_frame(cx));
                if let Some(Ok(frame)) = &polled
                    && let Some(data) = frame.data_ref()
                {
                    lock(kept).push(data);
                }
                Poll::Ready(polled)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Nothing => true,
            Self::Whole(bytes) => bytes.is_empty(),
            Self::Streamed(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Streamed(body, _) => body.size_hint(),
        }
    }
}

pub(crate) fn lock(kept: &Shared) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}
