//! What a session is doing, and why it stopped.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures_core::Stream;
use qix_protocol::SessionState;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use crate::{Error, resume::ResumeReport};

/// What a session is doing: [`Session::state`](crate::Session::state). Cheap to clone.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum State {
    /// The first socket is on its way. Calls wait.
    #[default]
    Connecting,
    /// There is a socket. Calls are sent.
    #[non_exhaustive]
    Open {
        /// What the engine's `OnConnected` named; none before it came. The oldest engines send none, and behind a Qlik Sense
        /// proxy it may come only after the first request, so do not wait for it before the first call.
        greeting: Option<SessionState>,
        /// What the resume brought back that led to this socket; none on the first socket.
        report: Option<Arc<ResumeReport>>,
    },
    /// There is no socket, and nobody tries to get one. Calls fail at once.
    #[non_exhaustive]
    Suspended {
        /// Who wanted or caused it.
        by: SuspendedBy,
        /// Why, if the session did not ask for it; or why the last attempt to resume failed.
        cause: Option<Error>,
    },
    /// A new socket is on its way, and objects are being made again on it. Calls wait.
    #[non_exhaustive]
    Resuming {
        /// Which attempt this is, from 1.
        attempt: u32,
        /// Why the attempt before it failed, or the socket before it ended.
        cause: Option<Error>,
    },
    /// The end, for this reason. There is no state after it.
    Closed(Error),
}

/// Who suspended a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SuspendedBy {
    /// [`Session::suspend`](crate::Session::suspend).
    Hand,
    /// The peer closed the socket, or the connection broke.
    Peer,
}

impl State {
    /// Returns whether there is a socket.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// Returns whether this is the end.
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// Returns what the engine named the session, on the present socket.
    pub fn greeting(&self) -> Option<&SessionState> {
        match self {
            Self::Open { greeting, .. } => greeting.as_ref(),
            _ => None,
        }
    }
}

/// The states of a session: [`Session::states`](crate::Session::states).
///
/// The first item is the present state. States that nobody has looked at before the next came are left out; the last,
/// [`State::Closed`], never is, and the stream ends after it.
#[must_use = "streams do nothing unless they are polled"]
pub struct States {
    states: WatchStream<State>,
    ended: bool,
}

impl States {
    pub(crate) fn new(states: watch::Receiver<State>) -> Self {
        Self { states: WatchStream::new(states), ended: false }
    }

    /// Returns the next state; `None` after [`State::Closed`].
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<State> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for States {
    type Item = State;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<State>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let next = Pin::new(&mut self.states).poll_next(cx);
        self.ended = matches!(&next, Poll::Ready(Some(State::Closed(_)) | None));
        next
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("States").field("ended", &self.ended).finish_non_exhaustive()
    }
}
