//! Pivot tables.

use std::{
    fmt,
    ops::Range,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;
use futures_util::stream;
use qix_protocol::{
    ErrorCode,
    schema::{NxPivotDimensionCell, NxPivotPage, NxPivotValuePoint},
};

use super::{
    DataError, Size,
    plan::{Area, tallest},
    source::{Source, again, is},
};
use crate::{Error, ErrorKind};

/// The pages of a pivot table, from top to bottom and within that from left to right; made by
/// [`HyperCube::pivot`](super::HyperCube::pivot).
///
/// Ends after the first error. [`PivotRow::of`] makes rows of a page.
#[must_use = "streams do nothing unless they are polled"]
pub struct Pivots(Pin<Box<dyn Stream<Item = Result<NxPivotPage, Error>> + Send>>);

/// A row of a pivot page.
#[derive(Clone, Debug)]
pub struct PivotRow<'a> {
    /// The headers on the left, from the outermost dimension to the innermost that is expanded.
    pub headers: Vec<&'a NxPivotDimensionCell>,
    /// The cells, from left to right.
    pub cells: Vec<PivotCell<'a>>,
}

/// A value of a pivot page with the headers above it.
#[derive(Clone, Debug)]
pub struct PivotCell<'a> {
    /// The headers above, from the outermost dimension to the innermost that is expanded.
    pub headers: std::rc::Rc<[&'a NxPivotDimensionCell]>,
    /// The value.
    pub value: &'a NxPivotValuePoint,
}

impl Pivots {
    /// Reads a table that had this size at this version of its object.
    pub(super) fn new(source: Source, size: Size, version: u64) -> Self {
        // What is still to be fetched, the next part last.
        let mut todo = Vec::new();
        if size.rows > 0 && size.columns > 0 {
            todo.push((0..size.rows, 0..size.columns));
        }
        Self(Box::pin(stream::try_unfold((source, todo), move |(source, mut todo)| async move {
            while let Some((rows, columns)) = todo.pop() {
                let limit = source.limit();
                let (height, width) = (tallest(columns.len(), limit), limit);
                if rows.len() > height {
                    let middle = rows.start + height;
                    todo.extend([(middle..rows.end, columns.clone()), (rows.start..middle, columns)]);
                    continue;
                }
                if columns.len() > width {
                    let middle = columns.start + width;
                    todo.extend([(rows.clone(), middle..columns.end), (rows, columns.start..middle)]);
                    continue;
                }
                let page = match fetch(&source, &rows, &columns).await {
                    Err(error) if is(&error, ErrorCode::CALC_PAGES_TOO_LARGE) => {
                        if !source.halve(rows.len() * columns.len()) {
                            return Err(error);
                        }
                        todo.push((rows, columns));
                        continue;
                    }
                    page => page?,
                };
                if source.version() != version {
                    return Err(Error::because(ErrorKind::Data, DataError::Changed));
                }
                return Ok(Some((page, (source, todo))));
            }
            Ok(None)
        })))
    }
}

async fn fetch(source: &Source, rows: &Range<usize>, columns: &Range<usize>) -> Result<NxPivotPage, Error> {
    let pages = [Area::new(rows, columns)];
    let fetched = again(|| source.object().get_hypercube_pivot_data(source.path(), &pages)).await?;
    let missing = || Error::because(ErrorKind::Data, DataError::Changed);
    fetched.into_iter().next().ok_or_else(missing)
}

impl Stream for Pivots {
    type Item = Result<NxPivotPage, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.as_mut().poll_next(cx)
    }
}

impl fmt::Debug for Pivots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pivots").finish_non_exhaustive()
    }
}

impl<'a> PivotRow<'a> {
    /// Returns the rows of a page, each value with its headers on both sides.
    pub fn of(page: &'a NxPivotPage) -> impl Iterator<Item = Self> {
        let above: Vec<std::rc::Rc<[_]>> =
            leaves(&page.top, |cell| &cell.sub_nodes).map(Into::into).collect();
        let none: std::rc::Rc<[_]> = std::rc::Rc::new([]);
        // Without dimensions on one side there are values and no headers.
        let headers = leaves(&page.left, |cell| &cell.sub_nodes).chain(std::iter::repeat_with(Vec::new));
        headers.zip(&page.data).map(move |(headers, values)| {
            let above = above.iter().chain(std::iter::repeat(&none));
            let cells = values.iter().zip(above);
            let cells = cells.map(|(value, headers)| PivotCell { headers: headers.clone(), value }).collect();
            PivotRow { headers, cells }
        })
    }
}

/// Returns the paths to all nodes that have none below, in order. Without recursion: the depth is up to the engine.
pub(super) fn leaves<'a, N>(
    nodes: &'a [N],
    below: impl Fn(&'a N) -> &'a [N],
) -> impl Iterator<Item = Vec<&'a N>> {
    let mut levels = vec![nodes.iter()];
    let mut path: Vec<&N> = Vec::new();
    std::iter::from_fn(move || {
        while let Some(level) = levels.last_mut() {
            let Some(node) = level.next() else {
                levels.pop();
                path.pop();
                continue;
            };
            path.push(node);
            let nodes = below(node);
            if nodes.is_empty() {
                let found = path.clone();
                path.pop();
                return Some(found);
            }
            levels.push(nodes.iter());
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_value_of_a_pivot_page_has_its_headers_on_both_sides() {
        let leaf = |text: &str| json!({"qText": text, "qElemNo": 0, "qValue": "NaN", "qType": "O"});
        let page = json!({
            "qLeft": [
                {"qText": "North", "qElemNo": 0, "qType": "O", "qSubNodes": [leaf("A"), leaf("B")]},
                {"qText": "South", "qElemNo": 1, "qType": "O", "qSubNodes": []},
            ],
            "qTop": [leaf("2019"), leaf("2020")],
            "qData": [
                [{"qText": "1", "qNum": 1, "qType": "V"}, {"qText": "2", "qNum": 2, "qType": "V"}],
                [{"qText": "3", "qNum": 3, "qType": "V"}, {"qText": "-", "qNum": "NaN", "qType": "U"}],
                [{"qText": "5", "qNum": 5, "qType": "V"}, {"qText": "6", "qNum": 6, "qType": "V"}],
            ],
            "qArea": {"qLeft": 0, "qTop": 0, "qWidth": 2, "qHeight": 3},
        });
        let page: NxPivotPage = serde_json::from_value(page).unwrap();
        let flat: Vec<(String, Vec<String>)> = PivotRow::of(&page)
            .map(|row| {
                let headers: Vec<&str> = row.headers.iter().map(|cell| &*cell.text).collect();
                let cell = |cell: &PivotCell<'_>| format!("{}={}", cell.headers[0].text, cell.value.text);
                (headers.join("/"), row.cells.iter().map(cell).collect())
            })
            .collect();
        let row = |header: &str, a: &str, b: &str| {
            (header.to_owned(), vec![format!("2019={a}"), format!("2020={b}")])
        };
        assert_eq!(flat, [row("North/A", "1", "2"), row("North/B", "3", "-"), row("South", "5", "6")]);
    }
}
