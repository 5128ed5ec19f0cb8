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
    /// As `GROUP`.
    group: (usize, usize),
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
        Ok(Self {
            writer,
            group: GROUP,
            columns: columns.iter().map(Values::new).collect(),
            rows: 0,
            bytes: 0,
        })
    }

    fn add(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += column.add(cell)?;
        }
        self.rows += 1;
        if self.rows >= self.group.0 || self.bytes >= self.group.1 { self.write() } else { Ok(()) }
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

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        path::{Path, PathBuf},
    };

    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::Field,
    };
    use serde_json::{Map, Value};

    use super::*;
    use crate::export::{ExportAs, ExportError, ExportReport, ExportSettings, export, rows::COLUMNS};

    /// A recording with all that a row can tell, and with faults.
    const ALL: &str = r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05.678901Z","tool":"t","upstream":"ws://h/"}
{"seq":1,"t":10,"conn":1,"kind":"open","url":"/app/a?b=1","status":101,"request":[],"response":[]}
{"seq":2,"t":20,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"OpenDoc","params":["a"],"delta":true}}
{"seq":3,"t":1020,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{"qReturn":[{"op":"add","path":"/","value":{"qType":"Doc","qHandle":1,"qGenericId":"A"}}]},"delta":true,"change":[1,2]}}
{"seq":4,"t":1030,"conn":1,"kind":"frame","from":"client","text":"{\"id\":\"x\",\"handle\":1,\n\"method\":\"Get\",\"params\":{\"a\":\n[1e400]}}"}
{"seq":5,"t":1040,"conn":1,"kind":"frame","from":"client","json":{"handle":7,"method":"Silent"}}
{"seq":6,"t":1050,"conn":1,"kind":"frame","from":"engine","json":{"id":"x","error":{"code":15,"parameter":"p","message":"aborted"},"close":[1]}}
{"seq":7,"t":1060,"conn":1,"kind":"frame","from":"client","base64":"/w==","opcode":2}
{"seq":8,"t":1070,"conn":1,"kind":"frame","from":"engine","bytes":99}
{"seq":9,"t":1080,"conn":1,"kind":"frame","from":"client","bytes":99}
{"seq":10,"t":1090,"kind":"strange"}
{"seq":11,"t":1100,"kind":"gap","since":1095,"frames":3,"others":0,"reason":"disk full"}
{"seq":12,"t":1110,"conn":2,"kind":"open","url":"/app/a","status":101,"request":[],"response":[],"added":true}
{"seq":13,"t":1120,"conn":2,"kind":"frame","from":"client","json":{"id":1,"method":"EngineVersion","handle":-1,"params":[]}}
{"seq":14,"t":1140,"conn":2,"kind":"frame","from":"engine","json":{"id":1,"result":{"qVersion":{"a":"<é>"}}}}
{"seq":15,"t""#;

    fn exported(
        recording: &Path,
        kind: ExportAs,
        change: impl FnOnce(&mut ExportSettings),
    ) -> Result<(PathBuf, ExportReport), ExportError> {
        let mut settings = ExportSettings::new(kind);
        change(&mut settings);
        let to = recording.with_extension(if kind == ExportAs::Calls { "jsonl" } else { "parquet" });
        let _ = fs::remove_file(&to);
        let report = export(&[recording.to_owned()], &to, &settings)?;
        Ok((to, report))
    }

    fn recording(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    fn json_lines(path: &Path) -> Vec<Map<String, Value>> {
        let text = fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the rows of a Parquet file as those of JSON Lines: texts of JSON become values, and times texts.
    fn rows(path: &Path) -> Vec<Map<String, Value>> {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        let cell = |(name, field): (&String, &Field)| {
            let is_json = COLUMNS.iter().any(|column| column.name == name && column.kind == Kind::Json);
            let text =
                |text: &str| if is_json { serde_json::from_str(text).unwrap() } else { Value::from(text) };
            let value = match field {
                Field::Null => Value::Null,
                Field::Bool(flag) => (*flag).into(),
                Field::Int(number) => (*number).into(),
                Field::Long(number) => (*number).into(),
                Field::Str(string) => text(string),
                Field::Bytes(bytes) => text(std::str::from_utf8(bytes.data()).unwrap()),
                Field::TimestampMicros(micros) => {
                    format!("{:.6}", jiff::Timestamp::from_microsecond(*micros).unwrap()).into()
                }
                other => panic!("{name}: {other}"),
            };
            (name.clone(), value)
        };
        let row = |row: Result<parquet::record::Row, _>| row.unwrap().get_column_iter().map(cell).collect();
        reader.get_row_iter(None).unwrap().map(row).collect()
    }

    #[test]
    fn both_tables_have_the_same_rows() {
        let bundled = include_str!("../../assets/demo.qixrec");
        for text in [bundled, &ALL.replace("1e400", "1")] {
            for results in [false, true] {
                let (_dir, recording) = recording(text);
                let (lines, report) =
                    exported(&recording, ExportAs::Calls, |to| to.results = results).unwrap();
                let (table, same) =
                    exported(&recording, ExportAs::Parquet, |to| to.results = results).unwrap();
                assert_eq!(report, same);
                let lines = json_lines(&lines);
                assert_eq!(lines.len() as u64, report.written);
                assert_eq!(lines, rows(&table));
                assert_eq!(lines[0].len(), COLUMNS.len() - usize::from(!results));
            }
        }
    }

    #[test]
    fn rows_tell_what_was_asked_and_answered() {
        let (_dir, recording) = recording(ALL);
        let (lines, report) = exported(&recording, ExportAs::Calls, |to| to.results = true).unwrap();
        let text = fs::read_to_string(lines).unwrap();
        let expected = [
            r#"{"connection":1,"path":"/app/a?b=1","added":false,"request_seq":2,"answer_seq":3,"request_id":"1","time":"2026-01-02T03:04:05.678921Z","offset_us":20,"latency_us":1000,"handle":-1,"class":"Global","app":null,"object":"Global","object_id":null,"object_type":null,"method":"OpenDoc","params":["a"],"delta":true,"request_bytes":67,"answer_bytes":136,"outcome":"ok","error_code":null,"error_name":null,"error_message":null,"error_parameter":null,"changed":2,"closed":0,"result":{"qReturn":{"qType":"Doc","qHandle":1,"qGenericId":"A"}}}"#,
            r#"{"connection":1,"path":"/app/a?b=1","added":false,"request_seq":4,"answer_seq":6,"request_id":"\"x\"","time":"2026-01-02T03:04:05.679931Z","offset_us":1030,"latency_us":20,"handle":1,"class":"Doc","app":"A","object":"OpenDoc(\"A\")","object_id":"A","object_type":null,"method":"Get","params":{"a": [1e400]},"delta":false,"request_bytes":61,"answer_bytes":78,"outcome":"error","error_code":15,"error_name":"LOCERR_GENERIC_ABORTED","error_message":"aborted","error_parameter":"p","changed":0,"closed":1,"result":null}"#,
            r#"{"connection":2,"path":"/app/a","added":true,"request_seq":13,"answer_seq":14,"request_id":"1","time":"2026-01-02T03:04:05.680021Z","offset_us":1120,"latency_us":20,"handle":-1,"class":"Global","app":null,"object":"Global","object_id":null,"object_type":null,"method":"EngineVersion","params":[],"delta":false,"request_bytes":57,"answer_bytes":43,"outcome":"ok","error_code":null,"error_name":null,"error_message":null,"error_parameter":null,"changed":0,"closed":0,"result":{"qVersion":{"a":"<é>"}}}"#,
            r#"{"connection":1,"path":"/app/a?b=1","added":false,"request_seq":5,"answer_seq":null,"request_id":null,"time":"2026-01-02T03:04:05.679941Z","offset_us":1040,"latency_us":null,"handle":7,"class":null,"app":null,"object":null,"object_id":null,"object_type":null,"method":"Silent","params":null,"delta":false,"request_bytes":30,"answer_bytes":null,"outcome":"unanswered","error_code":null,"error_name":null,"error_message":null,"error_parameter":null,"changed":null,"closed":null,"result":null}"#,
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        let says = [
            "entry 9: a client's message of 99 bytes",
            "3 messages that the recording misses before entry 11",
            "line 16 of",
            "1 messages of clients that are no requests",
            "1 answers or news that were too large",
            "1 entries of a kind",
        ];
        assert_eq!(report.left_out.len(), says.len(), "{report:?}");
        for (left, says) in report.left_out.iter().zip(says) {
            assert!(left.starts_with(says), "{left}");
        }
    }

    #[test]
    fn what_is_no_utf8_or_of_a_connection_that_was_never_opened_is_named() {
        // {"id":1,"method":"M","params":["<ff>"]}
        let text = r#"{"qixrec":[1,1],"started":"2026-01-02T03:04:05Z"}
{"seq":1,"t":10,"conn":1,"kind":"open","url":"/","status":101,"request":[],"response":[]}
{"seq":2,"t":20,"conn":1,"kind":"frame","from":"client","base64":"eyJpZCI6MSwibWV0aG9kIjoiTSIsInBhcmFtcyI6WyL/Il19","opcode":1}
{"seq":3,"t":20,"conn":2,"kind":"frame","from":"client","json":{"id":1,"method":"M"}}
"#;
        let (_dir, recording) = recording(text);
        let (lines, report) = exported(&recording, ExportAs::Calls, |_| ()).unwrap();
        assert_eq!(json_lines(&lines)[0]["params"][0], "\u{fffd}");
        let (table, same) = exported(&recording, ExportAs::Parquet, |_| ()).unwrap();
        assert_eq!((rows(&table), &same), (json_lines(&lines), &report));
        let left = &report.left_out;
        assert_eq!(left.len(), 2, "{report:?}");
        assert!(
            left[0].starts_with("1 messages of connections") && left[1].starts_with("1 calls with bytes")
        );
    }

    #[test]
    fn columns_have_the_types_that_engines_of_queries_know() {
        let (_dir, recording) = recording(ALL);
        let (table, _) = exported(&recording, ExportAs::Parquet, |_| ()).unwrap();
        let reader = SerializedFileReader::new(File::open(table).unwrap()).unwrap();
        let metadata = reader.metadata().file_metadata();
        let mut schema = Vec::new();
        parquet::schema::printer::print_schema(&mut schema, metadata.schema());
        let schema = String::from_utf8(schema).unwrap();
        for column in [
            "REQUIRED INT64 connection;",
            "OPTIONAL INT64 time (TIMESTAMP(MICROS,true));",
            "OPTIONAL INT64 latency_us;",
            "REQUIRED INT32 handle;",
            "REQUIRED BYTE_ARRAY method (STRING);",
            "OPTIONAL BYTE_ARRAY params (JSON);",
            "REQUIRED BOOLEAN delta;",
        ] {
            assert!(schema.contains(column), "{schema}");
        }
        let pairs = metadata.key_value_metadata().unwrap();
        let value = |key| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
        assert_eq!(value("qix-proxy.upstream").as_deref(), Some("ws://h/"));
        assert_eq!(value("qix-proxy.version").as_deref(), Some(env!("CARGO_PKG_VERSION")));
    }

    #[test]
    fn row_groups_are_of_bounded_size() {
        let dir = tempfile::tempdir().unwrap();
        for (group, text, groups) in [((3, 1000), "x".repeat(10), 4), ((100, 1000), "x".repeat(500), 5)] {
            let path = dir.path().join(format!("{groups}.parquet"));
            let column = COLUMNS.iter().position(|column| column.name == "method").unwrap();
            let file = NewFile::create(&path).unwrap();
            let columns = &COLUMNS[column..=column];
            let mut table = ParquetFile::start(file, columns, &Header::default()).unwrap();
            table.group = group;
            for _ in 0..10 {
                table.add(&[Cell::Text(text.as_str().into())]).unwrap();
            }
            table.finish().unwrap().keep().unwrap();
            let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
            assert_eq!((reader.num_row_groups(), rows_of(&reader)), (groups, 10));
        }
    }

    fn rows_of(reader: &SerializedFileReader<File>) -> i64 {
        reader.metadata().file_metadata().num_rows()
    }

    #[test]
    fn one_connection_can_be_chosen_and_none_is_an_empty_table() {
        let (_dir, recording) = recording(ALL);
        for kind in [ExportAs::Calls, ExportAs::Parquet] {
            let (_, report) = exported(&recording, kind, |to| to.connection = Some(2)).unwrap();
            assert_eq!(report.written, 1);
            let error = exported(&recording, kind, |to| to.connection = Some(7)).unwrap_err();
            assert!(
                error.to_string().contains("no connection 7; it has 1 (/app/a?b=1, 8 messages), 2"),
                "{error}"
            );
        }
        let (_dir, recording) = self::recording(&ALL[..=ALL.find('\n').unwrap()]);
        let (table, report) = exported(&recording, ExportAs::Parquet, |_| ()).unwrap();
        assert_eq!((report.written, rows(&table).len()), (0, 0));
    }
}
