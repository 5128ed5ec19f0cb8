//! Data: hypercubes and list objects, defined in a few words and read whole.
//!
//! [`Doc::hypercube`](crate::Doc::hypercube) computes measures by dimensions, [`Doc::list_object`](crate::Doc::list_object) lists
//! the values of a field with their states; [`HyperCube::of`] and [`ListObject::of`] read what a chart or list box of the app has.
//! Their data come as streams of rows of your own type, or of pages by column, whatever their size: the engine gives out at most
//! [`MAX_CELLS`] cells a call. With the feature `arrow` they come as record batches too.
//!
//! ```no_run
//! use futures_util::TryStreamExt as _;
//! use qix_client::data::{CubeDef, Measure};
//!
//! # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
//! let sales = Measure::expression("Sum(Sales)").label("Sales");
//! let cube = doc.hypercube(CubeDef::new().dimension("Region").measure(sales)).await?;
//! let mut rows = cube.rows::<(String, f64)>();
//! while let Some((region, sales)) = rows.try_next().await? {
//!     println!("{region}: {sales}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Nothing is silently empty
//!
//! A layout can carry errors where it has no data: a calculation condition that does not hold, an invalid expression. Whatever
//! reads data here ends with [`ErrorKind::Data`](crate::ErrorKind::Data) then, and [`Error::data`](crate::Error::data) says what is
//! wrong with which column.
//!
//! # Changes under the paging
//!
//! Pages of two states of the selections do not fit together. If the data change before the first page, paging starts again; after
//! it, the stream ends with [`DataError::Changed`]. [`HyperCube::all`], [`HyperCube::table`] and the live streams start again by
//! themselves.

#[cfg(feature = "arrow")]
mod arrow;
mod cell;
mod cube;
mod definition;
mod error;
mod layout;
mod list;
mod live;
mod page;
mod pages;
mod pivot;
mod plan;
mod row;
mod rows;
mod source;
mod stack;
mod tree;

#[cfg(test)]
mod tests;

#[cfg(feature = "arrow")]
pub use arrow::{ArrowKind, arrow_schema};
pub use cell::{Cell, Dual, Element};
pub use cube::HyperCube;
pub use definition::{CubeDef, Dimension, Limit, ListDef, Measure, Sort};
pub use error::{DataError, Part};
pub use layout::{Column, CubeLayout, ListLayout, Size};
pub use list::{ListObject, Search};
pub use live::Live;
pub use page::{Page, Table};
pub use pages::Pages;
pub use pivot::{PivotCell, PivotRow, Pivots};
pub use qix_protocol::columns::{CellMarks, CellState};
pub use rows::Rows;
pub use stack::{StackPath, stack_paths};
pub use tree::{TreePath, tree_paths};

pub(crate) use layout::read_at;
pub(crate) use source::again;

/// The most cells that an engine gives out in one call, over all its pages.
pub const MAX_CELLS: usize = 10_000;
