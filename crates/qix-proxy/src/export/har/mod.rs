//! HAR 1.2, with WebSockets as Chrome writes them.
//!
//! A recording has the messages of all connections in the order of time, a HAR has those of each together: they wait in a temporary
//! file, so that in memory are a few words for each entry.

mod entry;
mod origin;
mod spool;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use jiff::Timestamp;
use serde_json::json;

use super::{
    ExportError, ExportReport, ExportSettings, Messages, left_out::LeftOut, new_file::NewFile, torn,
};
use crate::record::{Entry, EntryKind, Opening, RecordingParts};
use origin::{Origins, Place};
use spool::Spool;

/// From when on an import takes the time of a message for one, in microseconds since 1970.
const FIRST_TIME: i64 = 100_000_000_000_000;

/// Writes a recording as a HAR.
pub(super) fn export(
    mut parts: RecordingParts,
    mut file: NewFile,
    settings: &ExportSettings,
) -> Result<ExportReport, ExportError> {
    let failed = file.failed();
    let mut har = Har::new(&parts, settings).map_err(&failed)?;
    for entry in parts.by_ref() {
        har.entry(entry?).map_err(&failed)?;
    }
    torn(&parts).for_each(|line| har.left_out.add(line));
    if let Some(conn) = settings.connection.filter(|conn| !har.connections.contains_key(conn)) {
        return Err(ExportError::NoConnection { conn, connections: har.connections.into_values().collect() });
    }
    if har.items.is_empty() {
        return Err(ExportError::Nothing { path: file.path().to_owned() });
    }
    let report = har.write(&mut file).map_err(&failed)?;
    file.keep()?;
    Ok(report)
}

/// What a recording has, on its way into a HAR.
struct Har<'a> {
    settings: &'a ExportSettings,
    title: String,
    /// Microseconds since 1970.
    started: u64,
    spool: Spool,
    origins: Origins,
    items: Vec<Item>,
    /// Where in `items` the open connections are.
    open: BTreeMap<u64, usize>,
    connections: BTreeMap<u64, Messages>,
    /// Those that a replay has added.
    added: BTreeSet<u64>,
    /// Messages of connections of which it is not known how they were opened.
    unopened: u64,
    left_out: LeftOut,
}

/// An entry.
struct Item {
    started: u64,
    place: Place,
    /// `http` or `ws`.
    scheme: &'static str,
    /// Its strand in the spool.
    strand: usize,
    /// Of a WebSocket, what it ends with.
    socket: Option<Socket>,
}

#[derive(Default)]
struct Socket {
    messages: u64,
    /// The time of the last thing that happened.
    latest: u64,
    close: Option<String>,
}

impl<'a> Har<'a> {
    fn new(parts: &RecordingParts, settings: &'a ExportSettings) -> io::Result<Self> {
        let header = parts.header();
        let started = header.started.parse::<Timestamp>().map(Timestamp::as_microsecond);
        let mut left_out = LeftOut::default();
        match started {
            Err(_) => left_out.add(
                "times: the recording does not say when it started, so they count from 1970 on".to_owned(),
            ),
            Ok(..0) => left_out
                .add("times: the recording started before 1970, so they count from then on".to_owned()),
            Ok(..FIRST_TIME) => left_out.add(
                "times of messages to those who import it: before 1973-03-03, they are taken for none"
                    .to_owned(),
            ),
            Ok(_) => {}
        }
        Ok(Self {
            settings,
            title: header.upstream.clone(),
            started: started.ok().and_then(|started| u64::try_from(started).ok()).unwrap_or_default(),
            spool: Spool::new()?,
            origins: Origins::new(header),
            items: Vec::new(),
            open: BTreeMap::new(),
            connections: BTreeMap::new(),
            added: BTreeSet::new(),
            unopened: 0,
            left_out,
        })
    }

    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        let Entry { at, conn, kind, .. } = entry;
        let time = self.started.saturating_add(u64::try_from(at.as_micros()).unwrap_or(u64::MAX));
        if let Some(conn) = conn {
            let new = || Messages { conn, ..Messages::default() };
            let messages = self.connections.entry(conn).or_insert_with(new);
            match &kind {
                EntryKind::Open(opening) => messages.url.clone_from(&opening.url),
                EntryKind::Frame { .. } => messages.frames += 1,
                _ => {}
            }
        }
        // Nobody knows whose messages a gap misses.
        let is_gap = matches!(kind, EntryKind::Gap(_));
        if !is_gap && self.settings.connection.is_some_and(|wanted| conn != Some(wanted)) {
            return Ok(());
        }
        let conn = conn.unwrap_or_default();
        match kind {
            EntryKind::Open(opening) if opening.added => {
                self.added.insert(conn);
                self.leave_out(format!(
                    "connection {conn}, which a replay has added, and no client has made"
                ));
                Ok(())
            }
            // It only says again that it is open.
            EntryKind::Open(_) if self.open.contains_key(&conn) => Ok(()),
            EntryKind::Open(opening) => {
                if opening.continued {
                    self.leave_out(format!("what was said on connection {conn} before the recording begins"));
                }
                let text = entry::socket(&opening, time, false);
                let socket = Socket { latest: time, ..Socket::default() };
                self.add(time, "ws", &opening.url, &opening.request, &text, Some(socket))?;
                self.open.insert(conn, self.items.len() - 1);
                Ok(())
            }
            EntryKind::Refused(opening) => self.refused(time, &opening),
            EntryKind::Http(exchange) => {
                let began = time.saturating_sub(exchange.took.as_micros() as u64);
                let text = entry::exchange(&exchange, began);
                self.add(began, "http", &exchange.url, &exchange.request, &text, None)
            }
            EntryKind::Frame { .. } if !self.open.contains_key(&conn) => {
                self.unopened += u64::from(!self.added.contains(&conn));
                Ok(())
            }
            EntryKind::Frame { from, text } => {
                let (message, whole) = entry::message(time, from, &text);
                if let Err(why) = whole {
                    self.leave_out(format!("connection {conn}: {why}"));
                }
                self.message(conn, time, &message)
            }
            EntryKind::Close(closing) => {
                let (message, member) = entry::close(time, &closing);
                match message {
                    Some(message) => self.message(conn, time, &message)?,
                    None => self.message(conn, time, b"")?,
                }
                if let Some(item) = self.open.remove(&conn) {
                    if let Some(socket) = &mut self.items[item].socket {
                        socket.close = Some(member);
                    }
                    self.spool.settle(self.items[item].strand)?;
                }
                Ok(())
            }
            EntryKind::Note(note) => {
                self.leave_out(format!("a note: {note}"));
                Ok(())
            }
            EntryKind::Gap(gap) => {
                let missing = gap.frames + gap.others;
                self.leave_out(format!(
                    "the word that {missing} entries are missing in the recording: {}",
                    gap.reason
                ));
                Ok(())
            }
            EntryKind::Unknown(kind) => {
                self.leave_out(format!("an entry of a kind that is not known here: {kind}"));
                Ok(())
            }
            EntryKind::End => Ok(()),
        }
    }

    fn refused(&mut self, time: u64, opening: &Opening) -> io::Result<()> {
        let text = entry::socket(opening, time, true);
        self.add(time, "ws", &opening.url, &opening.request, &text, None)
    }

    fn add(
        &mut self,
        started: u64,
        scheme: &'static str,
        url: &str,
        request: &[(String, String)],
        text: &str,
        socket: Option<Socket>,
    ) -> io::Result<()> {
        let strand = self.spool.strand();
        self.spool.push(strand, text.as_bytes())?;
        if socket.is_none() {
            self.spool.settle(strand)?;
        }
        let place = self.origins.place(url, request);
        self.items.push(Item { started, place, scheme, strand, socket });
        Ok(())
    }

    /// Adds a message to the entry of its connection; an empty one only says that something happened.
    fn message(&mut self, conn: u64, time: u64, message: &[u8]) -> io::Result<()> {
        let Some(item) = self.open.get(&conn).map(|item| &mut self.items[*item]) else { return Ok(()) };
        let Some(socket) = &mut item.socket else { return Ok(()) };
        socket.latest = socket.latest.max(time);
        if message.is_empty() {
            return Ok(());
        }
        let before: &[u8] = if socket.messages == 0 { b",\"_webSocketMessages\":[\n" } else { b",\n" };
        socket.messages += 1;
        self.spool.push(item.strand, before)?;
        self.spool.push(item.strand, message)
    }

    fn write(mut self, out: &mut impl Write) -> io::Result<ExportReport> {
        let page = json!({
            "id": "page_1",
            "startedDateTime": entry::date(self.started),
            "title": self.title,
            "pageTimings": {"onContentLoad": -1, "onLoad": -1},
        });
        let creator = json!({"name": "qix-proxy", "version": env!("CARGO_PKG_VERSION")});
        write!(
            out,
            "{{\"log\":{{\"version\":\"1.2\",\"creator\":{creator},\"pages\":[{page}],\"entries\":["
        )?;
        // Those that began together stay in the order in which they were recorded.
        self.items.sort_by_key(|item| item.started);
        for (at, item) in self.items.iter().enumerate() {
            let before = if at == 0 { "\n" } else { ",\n" };
            let origin = json!(self.origins.of(item.place, item.scheme)).to_string();
            // The rest of the text is in the spool.
            write!(out, "{before}{{\"request\":{{\"url\":{}", &origin[..origin.len() - 1])?;
            self.spool.copy(item.strand, out)?;
            if let Some(socket) = &item.socket {
                let none = if socket.messages == 0 { ",\"_webSocketMessages\":[" } else { "" };
                let millis = (socket.latest - item.started) as f64 / 1e3;
                write!(out, "{none}],\"time\":{millis}")?;
                if let Some(close) = &socket.close {
                    write!(out, ",\"_webSocketClose\":{close}")?;
                }
            }
            out.write_all(b"}")?;
        }
        out.write_all(b"\n]}}\n")?;
        let mut left_out = self.left_out.told();
        if self.unopened > 0 {
            let unopened = self.unopened;
            left_out.push(format!(
                "{unopened} messages of connections of which the recording does not say how they were opened"
            ));
        }
        Ok(ExportReport { written: self.items.len() as u64, left_out })
    }

    fn leave_out(&mut self, what: String) {
        self.left_out.add(what);
    }
}

#[cfg(test)]
mod tests;
