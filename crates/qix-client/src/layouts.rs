//! The layouts of one object as a stream.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use qix_protocol::{
    ErrorCode,
    schema::{doc, generic_bookmark, generic_dimension, generic_measure, generic_object, generic_variable},
};
use serde::de::DeserializeOwned;
use tokio::time::{Sleep, sleep};
use tokio_stream::wrappers::WatchStream;

use crate::{
    Call, CallFuture, Doc, Error, GenericBookmark, GenericDimension, GenericMeasure, GenericObject,
    GenericVariable, Object,
    returns::{As, Returns},
};

/// How many aborts in a row are followed by another fetch at once.
const AT_ONCE: u32 = 3;

/// The longest pause between two fetches of a layout that is aborted over and over.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The layouts of one object: the present one, and one after each change.
///
/// A layout that a newer change made stale is skipped, and its fetch cancelled. A fetch that the engine aborts is made again: the
/// object stays invalid then, and there will be no other notice. Other errors are items, after which the stream goes on with the
/// next change. It ends when the object is closed.
///
/// Only one fetch runs at a time, and nothing is fetched while nobody polls.
#[must_use = "streams do nothing unless they are polled"]
pub struct Layouts<M: Returns> {
    object: Object,
    make: fn(&Object) -> Call<M>,
    delta: Option<bool>,
    changes: WatchStream<u64>,
    state: State<M>,
    /// Aborts since the last outcome of another kind.
    aborts: u32,
}

enum State<M> {
    /// The last layout is that of the present state.
    Fresh,
    Stale,
    Fetching(Box<CallFuture<M>>),
    Pausing(Pin<Box<Sleep>>),
    Ended,
}

impl<M: Returns> Layouts<M> {
    fn new(object: &Object, make: fn(&Object) -> Call<M>) -> Self {
        let mut news = object.news();
        news.mark_unchanged();
        Self {
            object: object.clone(),
            make,
            delta: None,
            changes: WatchStream::from_changes(news),
            state: State::Stale,
            aborts: 0,
        }
    }

    /// Asks for delta answers, or not. Default: what the session was built with.
    pub fn delta(mut self, delta: bool) -> Self {
        self.delta = Some(delta);
        self
    }

    /// Returns the next layout, `None` once the object is closed.
    ///
    /// # Errors
    ///
    /// What a fetch failed with, other than by being aborted. The stream goes on with the next change.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn next(&mut self) -> Option<Result<M::Result, Error>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn fetch(&self) -> CallFuture<M> {
        let call = (self.make)(&self.object);
        match self.delta {
            Some(delta) => call.delta(delta),
            None => call,
        }
        .into_future()
    }

    /// What follows an abort.
    fn aborted(&mut self) -> State<M> {
        self.aborts = self.aborts.saturating_add(1);
        match self.aborts.checked_sub(AT_ONCE) {
            // Somebody is selecting.
            None | Some(0) => State::Stale,
            // Whatever aborts it should not be asked thousands of times a second.
            Some(more) => {
                let pause = Duration::from_millis(10 << more.min(10)).min(LONGEST_PAUSE);
                State::Pausing(Box::pin(sleep(pause)))
            }
        }
    }
}

impl<M: Returns> Stream for Layouts<M> {
    type Item = Result<M::Result, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        while let (false, Poll::Ready(change)) =
            (matches!(this.state, State::Ended), Pin::new(&mut this.changes).poll_next(cx))
        {
            // A fetch that runs is cancelled by being dropped.
            this.state = if change.is_some() { State::Stale } else { State::Ended };
        }
        loop {
            match &mut this.state {
                State::Fresh => return Poll::Pending,
                State::Ended => return Poll::Ready(None),
                State::Stale => this.state = State::Fetching(Box::new(this.fetch())),
                State::Pausing(pause) => match pause.as_mut().poll(cx) {
                    Poll::Ready(()) => this.state = State::Stale,
                    Poll::Pending => return Poll::Pending,
                },
                State::Fetching(fetch) => match Pin::new(fetch).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) if is_aborted(&error) => this.state = this.aborted(),
                    // It was closed under the fetch; the notice may be behind the answer.
                    Poll::Ready(Err(_)) if this.object.is_closed() => this.state = State::Ended,
                    Poll::Ready(outcome) => {
                        this.aborts = 0;
                        this.state = State::Fresh;
                        return Poll::Ready(Some(outcome));
                    }
                },
            }
        }
    }
}

impl<M: Returns> fmt::Debug for Layouts<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layouts").field("object", &self.object).finish_non_exhaustive()
    }
}

fn is_aborted(error: &Error) -> bool {
    error.is_refusal(ErrorCode::GENERIC_ABORTED)
}

/// Gives classes their streams of layouts.
macro_rules! layouts {
    ($($class:ident: $method:ty),* $(,)?) => {$(
        impl $class {
            /// Returns the present layout, and one after each change: see [`Layouts`].
            pub fn layouts(&self) -> Layouts<$method> {
                Layouts::new(self, |object| Call::on(object))
            }

            /// Returns the present layout, and one after each change, as a type of your own.
            pub fn layouts_into<R: DeserializeOwned + 'static>(&self) -> Layouts<As<R>> {
                Layouts::new(self, |object| Call::<$method>::on(object).call_into())
            }
        }
    )*};
}

layouts! {
    Doc: doc::GetAppLayout,
    GenericBookmark: generic_bookmark::GetLayout,
    GenericDimension: generic_dimension::GetLayout,
    GenericMeasure: generic_measure::GetLayout,
    GenericObject: generic_object::GetLayout,
    GenericVariable: generic_variable::GetLayout,
}
