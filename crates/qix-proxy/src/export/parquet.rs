//! Writes calls as Parquet, in row groups of bounded size.

use std::{fmt::Write as _, io, sync::Arc};

use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::parser::parse_message_type,
};

use super::{
    calls::Table,
    new_file::NewFile,
    rows::{Cell, Column, Kind},
};
use crate::record::Header;

/// How many rows a group has at most, and how many bytes of texts: what is in memory until the group is written.
const GROUP: (usize, usize) = (1 << 17, 32 << 20);

/// A Parquet file.
pub(super) struct ParquetFile {
    writer: SerializedFileWriter<NewFile>,
    columns: Vec<Values>,
    rows: usize,
    bytes: usize,
}

/// What a row group has in one column.
struct Values {
    name: &'static str,
    is_required: bool,
    /// For each row whether there is a value: 1 or 0.
    levels: Vec<i16>,
    kept: Kept,
}

enum Kept {
    Integers(Vec<i64>),
    Smalls(Vec<i32>),
    Flags(Vec<bool>),
    Texts(Vec<ByteArray>),
}

impl Table for ParquetFile {
    fn start(file: NewFile, columns: &'static [Column], header: &Header) -> io::Result<Self> {
        let mut schema = "message call {".to_owned();
        for Column { name, kind, is_required } in columns {
            let repetition = if *is_required { "required" } else { "optional" };
            let (physical, logical) = match kind {
                Kind::Integer => ("int64", ""),
                Kind::Small => ("int32", ""),
                Kind::Flag => ("boolean", ""),
                Kind::Time => ("int64", " (TIMESTAMP(MICROS,true))"),
                Kind::Text => ("binary", " (STRING)"),
                // A text to those who do not know JSON.
                Kind::Json => ("binary", " (JSON)"),
            };
            // Writing to a String cannot fail.
            let _ = write!(schema, " {repetition} {physical} {name}{logical};");
        }
        schema.push('}');
        let schema = Arc::new(parse_message_type(&schema).map_err(failed)?);
        let pair = |name: &str, value: &str| KeyValue::new(name.to_owned(), value.to_owned());
        let version = env!("CARGO_PKG_VERSION");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(1).map_err(failed)?))
            .set_created_by(format!("qix-proxy version {version}"))
            .set_key_value_metadata(Some(vec![
                pair("qix-proxy.version", version),
                pair("qix-proxy.started", &header.started),
                pair("qix-proxy.upstream", &header.upstream),
                pair("qix-proxy.recorded-by", &header.tool),
            ]))
            .build();
        let writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).map_err(failed)?;
        Ok(Self { writer, columns: columns.iter().map(Values::new).collect(), rows: 0, bytes: 0 })
    }

    fn add(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.add(cell)?;
        }
        self.rows += 1;
        if self.rows >= GROUP.0 || self.bytes >= GROUP.1 { self.write() } else { Ok(()) }
    }

    fn finish(mut self) -> io::Result<NewFile> {
        self.write()?;
        self.writer.into_inner().map_err(failed)
    }
}

impl ParquetFile {
    /// Writes a row group of what there is.
    fn write(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.bytes) = (0, 0);
        let mut group = self.writer.next_row_group().map_err(failed)?;
        for values in &mut self.columns {
            let column = group.next_column().map_err(failed)?;
            values
                .write(column.ok_or_else(|| failed_by("the schema has too few columns"))?)
                .map_err(failed)?;
        }
        group.close().map_err(failed)?;
        Ok(())
    }
}

impl Values {
    fn new(column: &Column) -> Self {
        let kept = match column.kind {
            Kind::Integer | Kind::Time => Kept::Integers(Vec::new()),
            Kind::Small => Kept::Smalls(Vec::new()),
            Kind::Flag => Kept::Flags(Vec::new()),
            Kind::Text | Kind::Json => Kept::Texts(Vec::new()),
        };
        Self { name: column.name, is_required: column.is_required, levels: Vec::new(), kept }
    }

    /// Adds a value, and returns how many bytes of text it has.
    fn add(&mut self, cell: &Cell<'_>) -> io::Result<usize> {
        let mut bytes = 0;
        match (&mut self.kept, cell) {
            (_, Cell::Null) if !self.is_required => {}
            (Kept::Integers(kept), Cell::Integer(number) | Cell::Time(number)) => kept.push(*number),
            (Kept::Smalls(kept), Cell::Small(number)) => kept.push(*number),
            (Kept::Flags(kept), Cell::Flag(flag)) => kept.push(*flag),
            (Kept::Texts(kept), Cell::Text(text) | Cell::Json(text)) => {
                bytes = text.len();
                kept.push(text.as_bytes().to_vec().into());
            }
            _ => return Err(failed_by(&format!("{} has {cell:?}", self.name))),
        }
        self.levels.push(i16::from(*cell != Cell::Null));
        Ok(bytes)
    }

    fn write(&mut self, mut column: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = (!self.is_required).then_some(&*self.levels);
        match &mut self.kept {
            Kept::Integers(kept) => {
                column.typed::<Int64Type>().write_batch(kept, levels, None)?;
                kept.clear();
            }
            Kept::Smalls(kept) => {
                column.typed::<Int32Type>().write_batch(kept, levels, None)?;
                kept.clear();
            }
            Kept::Flags(kept) => {
                column.typed::<BoolType>().write_batch(kept, levels, None)?;
                kept.clear();
            }
            Kept::Texts(kept) => {
                column.typed::<ByteArrayType>().write_batch(kept, levels, None)?;
                kept.clear();
            }
        }
        self.levels.clear();
        column.close()
    }
}

fn failed(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(error) => match error.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(error) => io::Error::other(error),
        },
        other => io::Error::other(other),
    }
}

fn failed_by(why: &str) -> io::Error {
    io::Error::other(why.to_owned())
}
