//! Pages as a stream.

use std::{
    fmt,
    ops::{Bound, Range, RangeBounds},
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::{
    Page,
    layout::Shape,
    plan::Plan,
    source::{Fetched, Source, has_changed},
};
use crate::Error;

/// How often paging starts again by itself because the data changed before the first page.
pub(super) const MOST_RESTARTS: usize = 100;

/// The pages of a cube or list from top to bottom; made by [`HyperCube::pages`](super::HyperCube::pages) and
/// [`ListObject::pages`](super::ListObject::pages).
///
/// Pages are as tall as the engine allows, and have all columns. Nothing is asked for before the stream is polled. It ends after
/// the first error.
///
/// # Cancellation
///
/// Dropping the stream cancels the calls in flight.
#[must_use = "streams do nothing unless they are polled"]
pub struct Pages {
    source: Source,
    rows: Range<usize>,
    prefetch: usize,
    restarts: usize,
    state: State,
}

enum State {
    Idle,
    /// Whether a page has been given out.
    Running(Running, bool),
    Done,
}

type Running = Pin<Box<dyn Stream<Item = Result<Page, Error>> + Send>>;

impl Pages {
    pub(super) fn new(source: Source) -> Self {
        Self { source, rows: 0..usize::MAX, prefetch: 1, restarts: 0, state: State::Idle }
    }

    /// Reads only these rows, counted from 0. Default all.
    pub fn within(mut self, rows: impl RangeBounds<usize>) -> Self {
        let start = match rows.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match rows.end_bound() {
            Bound::Included(last) => last.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => usize::MAX,
        };
        self.rows = start..end.max(start);
        self
    }

    /// Asks for so many pages ahead of the one that is waited for, at most 8. Default 1.
    pub fn prefetch(mut self, pages: usize) -> Self {
        self.prefetch = pages.min(8);
        self
    }

    fn start(&self) -> Running {
        let (source, rows, ahead) = (self.source.clone(), self.rows.clone(), self.prefetch + 1);
        let pages = async move {
            let Fetched { layout: shape, answer, version } = source.shape().await?;
            let initial = source.initial_pages(&answer)?;
            drop(answer);
            let end = rows.end.min(shape.size.rows);
            let (first, start) = came_along(initial, rows.start..end, &shape);
            let mut plan = Plan::new(start..end, shape.size.columns);
            let limits = source.clone();
            let blocks = stream::iter(std::iter::from_fn(move || plan.next(limits.limit())));
            let fetched = blocks
                .map(move |block| {
                    let (source, shape) = (source.clone(), shape.clone());
                    async move { source.rows(block, &shape, version).await }
                })
                .buffered(ahead)
                .map_ok(|pages| stream::iter(pages.into_iter().map(Ok)))
                .try_flatten();
            Ok::<_, Error>(stream::iter(first.map(Ok)).chain(fetched))
        };
        Box::pin(stream::once(pages).try_flatten())
    }
}

/// Returns the page that came with the layout, if it is of use, and the first row that is still to be fetched.
fn came_along(
    initial: Vec<qix_protocol::columns::Page>,
    rows: Range<usize>,
    shape: &Shape,
) -> (Option<Page>, usize) {
    let fits = |page: &qix_protocol::columns::Page| {
        page.area.top == 0
            && page.area.left == 0
            && page.width() == shape.size.columns
            && (1..=rows.len()).contains(&page.rows())
    };
    match initial.into_iter().next().filter(|page| rows.start == 0 && fits(page)) {
        Some(page) => {
            let height = page.rows();
            (Some(Page::new(0, height, vec![page], shape.columns.clone())), height)
        }
        None => (None, rows.start),
    }
}

impl Stream for Pages {
    type Item = Result<Page, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            let (running, begun) = match &mut this.state {
                State::Idle => {
                    this.state = State::Running(this.start(), false);
                    continue;
                }
                State::Running(running, begun) => (running, begun),
                State::Done => return Poll::Ready(None),
            };
            let item = ready!(running.poll_next_unpin(cx));
            match &item {
                Some(Ok(_)) => *begun = true,
                Some(Err(error)) if !*begun && has_changed(error) && this.restarts < MOST_RESTARTS => {
                    this.restarts += 1;
                    this.state = State::Idle;
                    continue;
                }
                _ => this.state = State::Done,
            }
            return Poll::Ready(item);
        }
    }
}

impl fmt::Debug for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("rows", &self.rows)
            .field("prefetch", &self.prefetch)
            .finish_non_exhaustive()
    }
}
