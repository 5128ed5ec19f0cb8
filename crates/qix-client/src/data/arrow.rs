//! Pages as record batches of Apache Arrow.

use std::{collections::HashMap, sync::Arc};

use arrow_array::{
    ArrayRef, Float64Array, RecordBatch, RecordBatchOptions, builder::StringDictionaryBuilder,
    types::Int32Type,
};
use arrow_schema::{DataType, Field, Schema};
use futures_core::Stream;
use futures_util::StreamExt as _;

use super::{Column, Page, Pages, cell::CellRef};
use crate::{Error, ErrorKind};

/// What a column becomes in Arrow.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ArrowKind {
    /// The texts: `Dictionary(Int32, Utf8)`.
    Text,
    /// The numbers: `Float64`, null where there is none. Dates are days since 30 December 1899.
    Number,
}

impl ArrowKind {
    /// Returns what a column becomes unless the caller says otherwise: numbers of measures and of dimensions that the engine tags
    /// `$numeric`, unless they are dates, and otherwise texts.
    pub fn of(column: &Column) -> Self {
        let tagged = |tag: &str| column.tags.iter().any(|found| found == tag);
        let is_date = tagged("$date") || tagged("$timestamp");
        if column.is_measure || tagged("$numeric") && !is_date { Self::Number } else { Self::Text }
    }
}

/// Returns the schema of record batches with these columns: their titles, and what Qlik calls them as metadata
/// (`qlik.kind`, `qlik.field`, `qlik.library_id`, `qlik.tags`).
pub fn arrow_schema(columns: &[Column], kind: impl Fn(&Column) -> ArrowKind) -> Schema {
    let field = |column: &Column| {
        let data_type = match kind(column) {
            ArrowKind::Text => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            ArrowKind::Number => DataType::Float64,
        };
        let kind = if column.is_measure { "measure" } else { "dimension" };
        let tags = column.tags.join(",");
        let metadata = [
            ("qlik.kind", kind),
            ("qlik.field", &column.field),
            ("qlik.library_id", &column.library_id),
            ("qlik.tags", &tags),
        ];
        let said = metadata.into_iter().filter(|(_, value)| !value.is_empty());
        let metadata: HashMap<String, String> =
            said.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Field::new(&column.title, data_type, true).with_metadata(metadata)
    };
    Schema::new(columns.iter().map(field).collect::<Vec<_>>())
}

impl Page {
    /// Copies the page to a record batch; [`ArrowKind::of`] says what columns become.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Data`] if a batch cannot hold it.
    pub fn to_record_batch(&self) -> Result<RecordBatch, Error> {
        self.to_record_batch_as(ArrowKind::of)
    }

    /// Copies the page to a record batch; `kind` says what columns become.
    ///
    /// # Errors
    ///
    /// As [`to_record_batch`](Self::to_record_batch).
    pub fn to_record_batch_as(&self, kind: impl Fn(&Column) -> ArrowKind) -> Result<RecordBatch, Error> {
        let schema = arrow_schema(self.header(), &kind);
        let arrays = self.header().iter().enumerate().map(|(at, column)| self.array(at, kind(column)));
        let arrays = arrays.collect::<Result<Vec<_>, Error>>()?;
        let rows = RecordBatchOptions::new().with_row_count(Some(self.len()));
        RecordBatch::try_new_with_options(Arc::new(schema), arrays, &rows)
            .map_err(|error| Error::because(ErrorKind::Data, error))
    }

    fn array(&self, column: usize, kind: ArrowKind) -> Result<ArrayRef, Error> {
        let cells = || (0..self.len()).map(|row| self.cell(row, column));
        let present = |cell: Option<CellRef<'_>>| cell.is_some_and(|cell| !cell.is_null());
        Ok(match kind {
            ArrowKind::Number => {
                let numbers = cells().map(|cell| {
                    cell.filter(|cell| present(Some(*cell)))
                        .map(|cell| cell.number())
                        .filter(|number| !number.is_nan())
                });
                Arc::new(numbers.collect::<Float64Array>())
            }
            ArrowKind::Text => {
                let mut texts = StringDictionaryBuilder::<Int32Type>::new();
                for cell in cells() {
                    match cell.filter(|cell| present(Some(*cell))) {
                        Some(cell) => {
                            texts
                                .append(cell.text())
                                .map_err(|error| Error::because(ErrorKind::Data, error))?;
                        }
                        None => texts.append_null(),
                    }
                }
                Arc::new(texts.finish())
            }
        })
    }
}

impl Pages {
    /// Reads record batches instead, one a page; [`ArrowKind::of`] says what columns become.
    pub fn record_batches(self) -> impl Stream<Item = Result<RecordBatch, Error>> + Unpin {
        self.record_batches_as(ArrowKind::of)
    }

    /// Reads record batches instead, one a page; `kind` says what columns become.
    pub fn record_batches_as(
        self,
        kind: impl Fn(&Column) -> ArrowKind + Unpin,
    ) -> impl Stream<Item = Result<RecordBatch, Error>> + Unpin {
        self.map(move |page| page?.to_record_batch_as(&kind))
    }
}
