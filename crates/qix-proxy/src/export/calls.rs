//! Writes the calls of a recording: JSON Lines here, Parquet in `parquet.rs`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use bytes::Bytes;
use jiff::Timestamp;
use qix_protocol::frame::Raw;

use super::{
    ExportError, ExportReport, ExportSettings, Messages,
    left_out::LeftOut,
    new_file::NewFile,
    rows::{COLUMNS, Cell, Column, Row},
    torn,
};
use crate::{
    calls::{Answered, Asked, Calls, Step},
    record::{Entry, EntryKind, FrameText, Header, Opening, RecordingParts, Side},
};

/// What takes the rows.
pub(super) trait Table: Sized {
    /// Starts a file of these columns.
    fn start(file: NewFile, columns: &'static [Column], header: &Header) -> io::Result<Self>;

    /// Adds a row; cells beyond the columns are not wanted.
    fn add(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;

    /// Ends the file.
    fn finish(self) -> io::Result<NewFile>;
}

/// Writes the calls in the order in which they were answered; those that were not stand where their connection ends.
pub(super) fn export<T: Table>(
    parts: RecordingParts,
    file: NewFile,
    settings: &ExportSettings,
) -> Result<ExportReport, ExportError> {
    let failed = file.failed();
    let columns = if settings.results { &COLUMNS[..] } else { &COLUMNS[..COLUMNS.len() - 1] };
    let started = parts.header().started.parse::<Timestamp>().ok().map(|started| started.as_microsecond());
    let table = T::start(file, columns, parts.header()).map_err(&failed)?;
    let mut export = Export {
        table,
        started,
        only: settings.connection,
        results: settings.results,
        connections: BTreeMap::new(),
        written: 0,
        left: Left::default(),
    };
    if started.is_none() {
        export.left.notes.add("times: the recording does not say when it started".to_owned());
    }
    let mut calls = Calls::new(parts);
    if !settings.results {
        calls = calls.without_patched_results();
    }
    while let Some(step) = calls.next() {
        let step = step?;
        for asked in calls.given_up() {
            export.row(asked, None).map_err(&failed)?;
        }
        export.take(step).map_err(&failed)?;
    }
    let Export { table, connections, written, mut left, .. } = export;
    if let Some(conn) = settings.connection.filter(|conn| !connections.contains_key(conn)) {
        let connections = connections.into_values().map(|(messages, _)| messages).collect();
        return Err(ExportError::NoConnection { conn, connections });
    }
    table.finish().map_err(&failed)?.keep()?;
    torn(calls.entries()).for_each(|line| left.notes.add(line));
    Ok(ExportReport { written, left_out: left.told() })
}

struct Export<T> {
    table: T,
    started: Option<i64>,
    only: Option<u64>,
    results: bool,
    /// What was seen of each connection, and how those that are open were opened.
    connections: BTreeMap<u64, (Messages, Option<Opening>)>,
    written: u64,
    left: Left,
}

impl<T: Table> Export<T> {
    fn take(&mut self, step: Step) -> io::Result<()> {
        match step {
            Step::Opened { conn, opening, .. } => {
                let (messages, known) = self.connection(conn);
                messages.url.clone_from(&opening.url);
                // Said again, it says less.
                if known.is_none() || !opening.continued {
                    *known = Some(opening);
                }
                Ok(())
            }
            Step::Asked(asked) => {
                self.connection(asked.conn).0.frames += 1;
                Ok(())
            }
            Step::Answered(answered) => {
                self.connection(answered.asked.conn).0.frames += 1;
                self.left.patches += u64::from(answered.fault.is_some());
                self.row(&answered.asked, Some(&answered))
            }
            Step::Said { seq, conn, from, text, .. } => {
                self.connection(conn).0.frames += 1;
                if self.only.is_none_or(|only| only == conn) {
                    let is_open = self.connection(conn).1.is_some();
                    self.left.said(seq, from, &text, is_open);
                }
                Ok(())
            }
            Step::Closed { conn, unanswered, .. } => {
                for asked in unanswered {
                    self.row(&asked, None)?;
                }
                // What is left of it is named if another is asked for that is not there.
                self.connection(conn).1 = None;
                Ok(())
            }
            Step::Other(entry) => {
                self.left.other(&entry);
                Ok(())
            }
        }
    }

    fn connection(&mut self, conn: u64) -> &mut (Messages, Option<Opening>) {
        let new = || (Messages { conn, ..Messages::default() }, None);
        self.connections.entry(conn).or_insert_with(new)
    }

    fn row(&mut self, asked: &Asked, answered: Option<&Answered>) -> io::Result<()> {
        if self.only.is_some_and(|only| only != asked.conn) {
            return Ok(());
        }
        let opening = self.connections.get(&asked.conn).and_then(|(_, opening)| opening.as_ref());
        let row = Row { asked, answered, opening, started: self.started, results: self.results };
        self.written += 1;
        // Parameters and, with them, results: all else has gone through a decoder.
        let is_utf8 =
            |text: &Option<Bytes>| text.as_deref().is_none_or(|text| std::str::from_utf8(text).is_ok());
        let result = answered.filter(|_| self.results).is_none_or(|answered| is_utf8(&answered.result));
        self.left.replaced += u64::from(!is_utf8(&asked.params) || !is_utf8(&asked.id) || !result);
        self.table.add(&row.cells())
    }
}

/// What no row tells.
#[derive(Debug, Default)]
struct Left {
    notes: LeftOut,
    /// Messages of clients that are no requests.
    no_requests: u64,
    /// Messages of connections of which it is not known how they were opened.
    unopened: u64,
    /// Calls with bytes that are no UTF-8.
    replaced: u64,
    /// Messages of engines that were too large to be recorded.
    large_answers: u64,
    /// Answers whose patches cannot be applied.
    patches: u64,
    /// Entries of kinds that are not known.
    unknown: u64,
}

impl Left {
    fn said(&mut self, seq: u64, from: Side, text: &FrameText, is_open: bool) {
        match (from, text) {
            _ if !is_open => self.unopened += 1,
            (Side::Client, FrameText::Omitted(bytes)) => {
                self.notes.add(format!(
                    "entry {seq}: a client's message of {bytes} bytes, which was too large to be recorded"
                ));
            }
            (Side::Engine, FrameText::Omitted(_)) => self.large_answers += 1,
            (Side::Client, _) => self.no_requests += 1,
            (Side::Engine, _) => {}
        }
    }

    fn other(&mut self, entry: &Entry) {
        match &entry.kind {
            EntryKind::Gap(gap) => self.notes.add(format!(
                "{} messages that the recording misses before entry {}; calls of which it has only one side count as unanswered",
                gap.frames, entry.seq
            )),
            EntryKind::Unknown(_) => self.unknown += 1,
            _ => {}
        }
    }

    fn told(self) -> Vec<String> {
        let mut told = self.notes.told();
        for (count, what) in [
            (self.no_requests, "messages of clients that are no requests"),
            (
                self.large_answers,
                "answers or news that were too large to be recorded; such calls count as unanswered",
            ),
            (
                self.unopened,
                "messages of connections of which the recording does not say how they were opened",
            ),
            (self.replaced, "calls with bytes that are no UTF-8, for which U+FFFD stands"),
            (self.patches, "results whose patches do not fit what was said before"),
            (self.unknown, "entries of a kind that this version does not know"),
        ] {
            if count > 0 {
                told.push(format!("{count} {what}"));
            }
        }
        told
    }
}

/// JSON Lines: each call an object with all columns.
pub(super) struct JsonLines {
    file: NewFile,
    columns: &'static [Column],
    line: Vec<u8>,
}

impl Table for JsonLines {
    fn start(file: NewFile, columns: &'static [Column], _: &Header) -> io::Result<Self> {
        Ok(Self { file, columns, line: Vec::new() })
    }

    fn add(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let line = &mut self.line;
        line.clear();
        for (column, cell) in self.columns.iter().zip(cells) {
            line.push(if line.is_empty() { b'{' } else { b',' });
            line.push(b'"');
            line.extend_from_slice(column.name.as_bytes());
            line.extend_from_slice(b"\":");
            match cell {
                Cell::Null => line.extend_from_slice(b"null"),
                Cell::Integer(number) => {
                    line.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes())
                }
                Cell::Small(number) => line.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes()),
                Cell::Flag(flag) => line.extend_from_slice(if *flag { b"true" } else { b"false" }),
                Cell::Time(micros) => match Timestamp::from_microsecond(*micros) {
                    Ok(time) => write!(line, "\"{time:.6}\"")?,
                    Err(_) => line.extend_from_slice(b"null"),
                },
                // What is embedded must be one value, and stay on its line.
                Cell::Json(json) if Raw::new(json.as_bytes()).is_ok() => {
                    let start = line.len();
                    line.extend_from_slice(json.as_bytes());
                    line[start..]
                        .iter_mut()
                        .filter(|byte| matches!(**byte, b'\n' | b'\r'))
                        .for_each(|byte| *byte = b' ');
                }
                Cell::Text(text) | Cell::Json(text) => serde_json::to_writer(&mut *line, text)?,
            }
        }
        line.extend_from_slice(b"}\n");
        self.file.write_all(line)
    }

    fn finish(self) -> io::Result<NewFile> {
        Ok(self.file)
    }
}
