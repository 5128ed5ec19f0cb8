//! A call as a row: the columns, and what stands in them.

use std::borrow::Cow;

use crate::{
    calls::{Answered, Asked},
    record::Opening,
};

/// What a column holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Integer,
    Small,
    Flag,
    /// Microseconds since 1970 in UTC.
    Time,
    Text,
    /// JSON: a text in Parquet, the value itself in JSON Lines.
    Json,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether it has a value in every row.
    pub(super) is_required: bool,
}

const fn always(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: true }
}

const fn maybe(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, is_required: false }
}

/// All columns; the last is there only if it is asked for. `docs/bridges.md` says what they mean.
pub(super) const COLUMNS: [Column; 28] = [
    always("connection", Kind::Integer),
    maybe("path", Kind::Text),
    always("added", Kind::Flag),
    always("request_seq", Kind::Integer),
    maybe("answer_seq", Kind::Integer),
    maybe("request_id", Kind::Text),
    maybe("time", Kind::Time),
    always("offset_us", Kind::Integer),
    maybe("latency_us", Kind::Integer),
    always("handle", Kind::Small),
    maybe("class", Kind::Text),
    maybe("app", Kind::Text),
    maybe("object", Kind::Text),
    maybe("object_id", Kind::Text),
    maybe("object_type", Kind::Text),
    always("method", Kind::Text),
    maybe("params", Kind::Json),
    always("delta", Kind::Flag),
    always("request_bytes", Kind::Integer),
    maybe("answer_bytes", Kind::Integer),
    always("outcome", Kind::Text),
    maybe("error_code", Kind::Small),
    maybe("error_name", Kind::Text),
    maybe("error_message", Kind::Text),
    maybe("error_parameter", Kind::Text),
    maybe("changed", Kind::Small),
    maybe("closed", Kind::Small),
    maybe("result", Kind::Json),
];

/// What stands in a column.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Integer(i64),
    Small(i32),
    Flag(bool),
    Time(i64),
    Text(Cow<'a, str>),
    Json(Cow<'a, str>),
}

/// A call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row<'a> {
    pub(super) asked: &'a Asked,
    pub(super) answered: Option<&'a Answered>,
    /// How its connection was opened, if the recording has that.
    pub(super) opening: Option<&'a Opening>,
    /// When the recording started, in microseconds since 1970.
    pub(super) started: Option<i64>,
    /// Whether the result is wanted.
    pub(super) results: bool,
}

impl<'a> Row<'a> {
    /// Returns what stands in the columns, in their order.
    pub(super) fn cells(&self) -> [Cell<'a>; COLUMNS.len()] {
        let Self { asked, answered, opening, started, results } = *self;
        let error = answered.and_then(|answered| answered.error.as_ref());
        let offset = integer(asked.at.as_micros());
        let object = asked.object.as_deref();
        let count = |count: usize| Cell::Small(i32::try_from(count).unwrap_or(i32::MAX));
        let outcome = match (answered, error) {
            (None, _) => "unanswered",
            (_, Some(_)) => "error",
            (_, None) => "ok",
        };
        [
            integer_cell(asked.conn.into()),
            opening.map_or(Cell::Null, |opening| text(&opening.url)),
            Cell::Flag(opening.is_some_and(|opening| opening.added)),
            integer_cell(asked.seq.into()),
            answered.map_or(Cell::Null, |answered| integer_cell(answered.seq.into())),
            asked.id.as_deref().map_or(Cell::Null, |id| Cell::Text(String::from_utf8_lossy(id))),
            started.and_then(|started| started.checked_add(offset)).map_or(Cell::Null, Cell::Time),
            Cell::Integer(offset),
            answered.map_or(Cell::Null, |answered| integer_cell(answered.latency().as_micros())),
            Cell::Small(asked.handle.get()),
            if asked.class().is_empty() { Cell::Null } else { text(asked.class()) },
            asked.lineage.as_ref().and_then(|lineage| lineage.app()).map_or(Cell::Null, owned),
            asked.lineage.as_ref().map_or(Cell::Null, |lineage| owned(lineage.to_string())),
            object.and_then(|object| object.generic_id.as_deref()).map_or(Cell::Null, text),
            object.and_then(|object| object.generic_type.as_deref()).map_or(Cell::Null, text),
            text(&asked.method),
            asked.params.as_deref().map_or(Cell::Null, json),
            Cell::Flag(asked.delta),
            integer_cell(asked.text.len() as u128),
            answered.map_or(Cell::Null, |answered| integer_cell(answered.bytes.into())),
            text(outcome),
            error.map_or(Cell::Null, |error| Cell::Small(error.code.get())),
            error.and_then(|error| error.code.name()).map_or(Cell::Null, text),
            error.map_or(Cell::Null, |error| text(&error.message)),
            error.map_or(Cell::Null, |error| text(&error.parameter)),
            answered.map_or(Cell::Null, |answered| count(answered.changes.changed.len())),
            answered.map_or(Cell::Null, |answered| count(answered.changes.closed.len())),
            // To look through it for what is no UTF-8 takes as long as to read it.
            answered
                .filter(|_| results)
                .and_then(|answered| answered.result.as_deref())
                .map_or(Cell::Null, json),
        ]
    }
}

fn integer(number: u128) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn integer_cell<'a>(number: u128) -> Cell<'a> {
    Cell::Integer(integer(number))
}

fn text(text: &str) -> Cell<'_> {
    Cell::Text(Cow::Borrowed(text))
}

fn owned<'a>(text: String) -> Cell<'a> {
    Cell::Text(Cow::Owned(text))
}

fn json(json: &[u8]) -> Cell<'_> {
    // The usual case, and several times as fast as to look for what must be replaced.
    Cell::Json(str::from_utf8(json).map_or_else(|_| String::from_utf8_lossy(json), Cow::Borrowed))
}
