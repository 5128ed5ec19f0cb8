//! Hypercube data, decoded by column instead of cell by cell.
//!
//! A page of a hypercube or list object has one object per cell. Decoding those into structs allocates for each text;
//! [`pages`] reads the same text once into a few arrays per page, whatever the number of cells. Pivot and stacked pages have
//! another shape and are not read here.
//!
//! ```
//! use qix_protocol::{columns::{self, CellState}, frame::Raw};
//!
//! let result = Raw::new(br#"{"qDataPages":[{"qMatrix":[
//!     [{"qText":"North","qNum":"NaN","qElemNumber":0,"qState":"O"},{"qText":"12.50","qNum":12.5}],
//!     [{"qText":"South","qNum":"NaN","qElemNumber":1,"qState":"S"},{"qText":"7.00","qNum":7}]
//! ],"qTails":[],"qArea":{"qLeft":0,"qTop":0,"qWidth":2,"qHeight":2}}]}"#)?;
//! let page = &columns::pages(result)?[0];
//! let (names, sums) = (page.column(0).unwrap(), page.column(1).unwrap());
//! assert_eq!(names.texts().collect::<Vec<_>>(), ["North", "South"]);
//! assert_eq!(names.states()[1], CellState::Selected);
//! assert_eq!(sums.numbers(), [12.5, 7.0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cell;
mod page;
mod read;

#[cfg(test)]
mod tests;

pub use cell::{CellMarks, CellState};
pub use page::{Area, Column, Page};

use crate::{ProtocolError, frame::Raw};

/// Why data pages could not be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The text is not JSON, or not in the shape of data pages.
    #[error(transparent)]
    Malformed(ProtocolError),
    /// A row has more or fewer cells than the first of its page. Padding it could take more memory than its text.
    #[error("row {row} of a data page has {found} cells, the first row {width}")]
    Ragged {
        /// The row, counted from 0.
        row: usize,
        /// How many cells the first row has.
        width: usize,
        /// How many cells this row has.
        found: usize,
    },
    /// The text has 4 GiB or more, or holds more than 65,536 pages.
    #[error("more data pages than can be read at once")]
    TooLarge,
}

/// Reads data pages: the `qDataPages` of `value`, or `value` itself if it is an array.
///
/// `value` may be the result of `GetHyperCubeData` or `GetListObjectData`, or the `qHyperCube` or `qListObject` of a layout.
/// Members may stand in any order, unknown ones are stepped over, and `null` is as good as absent. An object without
/// `qDataPages` has no pages.
///
/// # Errors
///
/// [`PageError`] if the text is not JSON where it is read, if a known member has a type that no engine writes, or if rows
/// differ in length.
pub fn pages(value: Raw<'_>) -> Result<Vec<Page>, PageError> {
    read::pages(value.as_bytes(), &["qDataPages"])
}

/// Reads the data pages of an object within `value`: that of `["qLayout", "qHyperCube"]` in the result of `GetLayout`.
///
/// This is one pass; finding the object with [`Raw::member`] first steps over all of it once for each name.
///
/// # Errors
///
/// As [`pages`]. A path that leads nowhere has no pages.
pub fn pages_at(value: Raw<'_>, path: &[&str]) -> Result<Vec<Page>, PageError> {
    read::pages(value.as_bytes(), &[path, &["qDataPages"]].concat())
}
