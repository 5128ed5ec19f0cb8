//! Data by column.

use std::sync::Arc;

use qix_protocol::columns;
use serde::Deserialize;

use super::{DataError, Size, cell::CellRef, layout::Column, row::RowReader};
use crate::{Error, ErrorKind};

/// Rows of a table that lie next to each other, by column.
///
/// Reading columns allocates nothing per cell.
#[derive(Clone, Debug)]
pub struct Page {
    top: usize,
    rows: usize,
    /// From left to right; more than one only if a row has more cells than one call gives out.
    parts: Vec<columns::Page>,
    columns: Arc<[Column]>,
}

impl Page {
    /// Makes a page of parts with equally many rows.
    pub(super) fn new(top: usize, rows: usize, parts: Vec<columns::Page>, columns: Arc<[Column]>) -> Self {
        Self { top, rows, parts, columns }
    }

    #[cfg(test)]
    pub(super) fn set_header(&mut self, columns: Arc<[Column]>) {
        self.columns = columns;
    }

    /// Returns which row of the table is the first of this page.
    pub fn top(&self) -> usize {
        self.top
    }

    /// Returns how many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Returns how many columns there are.
    pub fn width(&self) -> usize {
        self.parts.iter().map(columns::Page::width).sum()
    }

    /// Returns the values of a column, counted from 0 at the left of the table.
    pub fn column(&self, mut index: usize) -> Option<columns::Column<'_>> {
        for part in &self.parts {
            if let Some(column) = part.column(index) {
                return Some(column);
            }
            index -= part.width();
        }
        None
    }

    /// Returns the values of the columns, from left to right.
    pub fn columns(&self) -> impl Iterator<Item = columns::Column<'_>> {
        self.parts.iter().flat_map(columns::Page::columns)
    }

    /// Returns what the columns are, from left to right.
    pub fn header(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the rows as values of your own type, which may borrow texts. See [`Rows`](super::Rows) for the types that fit.
    ///
    /// # Errors
    ///
    /// [`DataError::Row`] for each row that does not fit.
    pub fn rows<'a, T: Deserialize<'a>>(&'a self) -> impl Iterator<Item = Result<T, Error>> {
        let mut reader = RowReader::new(self);
        (0..self.rows).map(move |row| reader.read(row).map_err(|reason| self.misfit(row, reason.to_string())))
    }

    /// Wraps what is wrong with a row, counted within the page.
    pub(super) fn misfit(&self, row: usize, reason: String) -> Error {
        Error::because(ErrorKind::Data, DataError::Row { row: self.top + row, reason })
    }

    /// Returns one cell.
    pub(super) fn cell(&self, row: usize, column: usize) -> Option<CellRef<'_>> {
        let values = self.column(column).filter(|_| row < self.rows)?;
        Some(CellRef {
            values,
            row,
            is_measure: self.columns.get(column).is_some_and(|column| column.is_measure),
        })
    }
}

/// All data of a cube or list, of one state.
#[derive(Clone, Debug)]
pub struct Table {
    pub(super) size: Size,
    pub(super) columns: Arc<[Column]>,
    pub(super) pages: Vec<Page>,
}

impl Table {
    /// Returns how large the table is.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Returns what the columns are, from left to right.
    pub fn header(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the pages from top to bottom.
    pub fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// Returns the numbers of a column from top to bottom: NaN where a cell has none.
    pub fn numbers(&self, column: usize) -> impl Iterator<Item = f64> {
        self.parts(column).flat_map(|values| values.numbers().iter().copied())
    }

    /// Returns the texts of a column from top to bottom.
    pub fn texts(&self, column: usize) -> impl Iterator<Item = &str> {
        self.parts(column).flat_map(|values| values.texts())
    }

    /// Returns the rows as values of your own type; see [`Page::rows`].
    ///
    /// # Errors
    ///
    /// [`DataError::Row`] for each row that does not fit.
    pub fn rows<'a, T: Deserialize<'a> + 'a>(&'a self) -> impl Iterator<Item = Result<T, Error>> {
        self.pages.iter().flat_map(Page::rows)
    }

    fn parts(&self, column: usize) -> impl Iterator<Item = columns::Column<'_>> {
        self.pages.iter().filter_map(move |page| page.column(column))
    }
}
