//! Rows as a stream.

use std::{
    fmt,
    ops::RangeBounds,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use serde::de::DeserializeOwned;

use super::{Page, Pages, row::RowReader};
use crate::Error;

/// The rows of a cube or list from top to bottom, as values of your own type; made by
/// [`HyperCube::rows`](super::HyperCube::rows).
///
/// # Types of rows
///
/// - A tuple, tuple struct or array has a value for each column, in their order.
/// - A struct has members called as columns: by their labels or, of dimensions, their fields. Give other names with
///   `#[serde(rename = "Sum of sales")]`; a name that is a number means the column at that place. Columns that no member is called
///   as are skipped.
/// - A map has the labels as keys, a `Vec` the cells in their order.
/// - Where there is only one column, the type of its cells is enough.
///
/// # Types of cells
///
/// - `String`: the text. `f64`: the number, NaN if there is none; dates are days since 30 December 1899. Whole numbers: the number,
///   or an error if it is none. `bool`: whether the number is not 0.
/// - `Option`: `None` where the value is null.
/// - An enum: its variant called as the text.
/// - [`Dual`](super::Dual), [`Element`](super::Element), [`Cell`](super::Cell), or a struct with some of the members of
///   [`Cell`](super::Cell).
///
/// A row that does not fit is an error of its own, after which the rows go on.
///
/// # Cancellation
///
/// Dropping the stream cancels the calls in flight.
#[must_use = "streams do nothing unless they are polled"]
pub struct Rows<T> {
    pages: Pages,
    page: Option<(Page, usize)>,
    /// Rows that were read of the page and not given out, the last one first.
    ready: Vec<Result<T, Error>>,
}

/// How many rows are read at a time.
const BATCH: usize = 64;

impl<T> Rows<T> {
    pub(super) fn new(pages: Pages) -> Self {
        Self { pages, page: None, ready: Vec::new() }
    }

    /// Reads only these rows, counted from 0. Default all.
    pub fn within(self, rows: impl RangeBounds<usize>) -> Self {
        Self { pages: self.pages.within(rows), ..self }
    }

    /// Asks for so many pages ahead, as [`Pages::prefetch`]. Default 1.
    pub fn prefetch(self, pages: usize) -> Self {
        Self { pages: self.pages.prefetch(pages), ..self }
    }
}

impl<T: DeserializeOwned> Stream for Rows<T> {
    type Item = Result<T, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(row) = this.ready.pop() {
                return Poll::Ready(Some(row));
            }
            if let Some((page, next)) = &mut this.page {
                let (start, end) = (*next, page.len().min(*next + BATCH));
                let mut reader = RowReader::new(page);
                let read = (start..end)
                    .map(|row| reader.read(row).map_err(|error| page.misfit(row, error.to_string())));
                this.ready.extend(read);
                this.ready.reverse();
                *next = end;
                if start == end {
                    this.page = None;
                }
                continue;
            }
            match ready!(Pin::new(&mut this.pages).poll_next(cx)) {
                Some(Ok(page)) => this.page = Some((page, 0)),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
    }
}

impl<T> Unpin for Rows<T> {}

impl<T> fmt::Debug for Rows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows").field("pages", &self.pages).finish_non_exhaustive()
    }
}
