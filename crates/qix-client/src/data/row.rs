//! One row, as serde sees it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        self, Visitor,
        value::{MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::{Page, cell::CellRef};

/// Why a row does not fit a type.
#[derive(Debug)]
pub(super) struct RowError(String);

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RowError {}

impl de::Error for RowError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Reads the rows of one page.
pub(super) struct RowReader<'a> {
    page: &'a Page,
    width: usize,
    /// Which columns the members of a struct were found to be, so that names are compared once a page.
    known: Option<Found>,
}

struct Found {
    fields: &'static [&'static str],
    columns: Vec<(&'static str, usize)>,
}

impl<'a> RowReader<'a> {
    pub(super) fn new(page: &'a Page) -> Self {
        Self { page, width: page.width(), known: None }
    }

    /// Reads one row of the page.
    pub(super) fn read<T: Deserialize<'a>>(&mut self, row: usize) -> Result<T, RowError> {
        T::deserialize(Row { reader: self, row })
    }

    /// Returns which columns the members of a struct are: by label, by field or expression, or by number.
    fn find(&mut self, fields: &'static [&'static str]) -> &[(&'static str, usize)] {
        let same = |known: &Found| std::ptr::eq(known.fields, fields);
        if !self.known.as_ref().is_some_and(same) {
            let header = self.page.header();
            // The label of one column may be the field of another.
            let found = |field: &&'static str| {
                let title = header.iter().position(|column| column.title == *field);
                title.or_else(|| header.iter().position(|column| column.field == *field))
            };
            let number = |field: &&'static str| field.parse().ok().filter(|at| *at < self.width);
            let column = |field: &&'static str| Some((*field, found(field).or_else(|| number(field))?));
            self.known = Some(Found { fields, columns: fields.iter().filter_map(column).collect() });
        }
        self.known.as_ref().map_or(&[], |known| &known.columns)
    }

    fn cell(&self, row: usize, column: usize) -> Result<CellRef<'a>, RowError> {
        self.page
            .cell(row, column)
            .ok_or_else(|| de::Error::custom(format_args!("there is no column {column}")))
    }
}

/// One row.
struct Row<'r, 'a> {
    reader: &'r mut RowReader<'a>,
    row: usize,
}

/// A cell that names its column if it does not fit.
struct Named<'a> {
    cell: CellRef<'a>,
    column: usize,
    title: &'a str,
}

impl<'a> Row<'_, 'a> {
    /// The one cell of a table with one column.
    fn only(&self) -> Result<Named<'a>, RowError> {
        match self.reader.width {
            1 => self.named(0),
            width => Err(de::Error::custom(format_args!(
                "there are {width} columns, which take a tuple or struct"
            ))),
        }
    }

    fn named(&self, column: usize) -> Result<Named<'a>, RowError> {
        let title = self.reader.page.header().get(column).map_or("", |column| &*column.title);
        Ok(Named { cell: self.reader.cell(self.row, column)?, column, title })
    }

    fn cells(&self) -> Result<Vec<Named<'a>>, RowError> {
        (0..self.reader.width).map(|column| self.named(column)).collect()
    }
}

macro_rules! only {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
            self.only()?.$method(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Row<'_, 'de> {
    type Error = RowError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        self.deserialize_map(visitor)
    }

    only! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64
        deserialize_char deserialize_str deserialize_string deserialize_option
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let (row, reader) = (self.row, self.reader);
        let cells = (0..reader.width).map_while(|column| {
            let title = reader.page.header().get(column).map_or("", |column| &*column.title);
            Some(Named { cell: reader.page.cell(row, column)?, column, title })
        });
        visitor.visit_seq(SeqDeserializer::new(cells))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, RowError> {
        if len != self.reader.width {
            let width = self.reader.width;
            return Err(de::Error::custom(format_args!(
                "there are {width} columns, and {len} are asked for"
            )));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, RowError> {
        match self.only() {
            Ok(cell) => cell.deserialize_newtype_struct(name, visitor),
            // It may be a tuple that is wrapped.
            Err(_) => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        let cells = self.cells()?;
        visitor.visit_map(MapDeserializer::new(cells.into_iter().map(|cell| (cell.title, cell))))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, RowError> {
        let Self { reader, row } = self;
        let (page, width) = (reader.page, reader.width);
        let found = reader.find(fields);
        if found.is_empty() && !fields.is_empty() {
            if width == 1 {
                // The struct may be the members of the one cell.
                return Row { reader, row }.only()?.deserialize_struct(name, fields, visitor);
            }
            let titles: Vec<&str> = page.header().iter().map(|column| &*column.title).collect();
            return Err(de::Error::custom(format_args!(
                "no member of {name} is called as a column; the columns are {titles:?}"
            )));
        }
        let cells = found.iter().filter_map(|&(field, column)| {
            let title = page.header().get(column).map_or("", |column| &*column.title);
            Some((field, Named { cell: page.cell(row, column)?, column, title }))
        });
        visitor.visit_map(MapDeserializer::new(cells))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, RowError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bytes byte_buf unit_struct enum identifier }
}

impl<'de> de::IntoDeserializer<'de, RowError> for Named<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! named {
    ($($method:ident($($arg:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($arg: $kind,)* visitor: V) -> Result<V::Value, RowError> {
            let Self { cell, column, title } = self;
            cell.$method($($arg,)* visitor).map_err(|error| {
                RowError(format!("column {column}, {title:?}: {error}"))
            })
        }
    )*};
}

impl<'de> Deserializer<'de> for Named<'de> {
    type Error = RowError;

    named! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64()
        deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string() deserialize_bytes()
        deserialize_byte_buf() deserialize_option() deserialize_unit() deserialize_unit_struct(name: &'static str)
        deserialize_newtype_struct(name: &'static str) deserialize_seq() deserialize_tuple(len: usize)
        deserialize_tuple_struct(name: &'static str, len: usize) deserialize_map()
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
        deserialize_identifier() deserialize_ignored_any()
    }
}
