//! HAR 1.2, with WebSockets as Chrome writes them.
//!
//! A recording has the messages of all connections in the order of time, a HAR has those of each together: they wait in a temporary
//! file, so that in memory are a few words for each entry.

mod entry;
mod origin;
mod spool;

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use jiff::Timestamp;
use serde_json::json;

use super::{ExportError, ExportReport, ExportSettings, new_file::NewFile};
use crate::record::{Entry, EntryKind, Opening, RecordingParts};
use origin::{Origins, Place};
use spool::Spool;

/// How many things that could not be written are named.
const MOST_LEFT_OUT: usize = 1000;

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
    for (path, torn) in parts.torn() {
        har.leave_out(format!("the end of {}, {} bytes, which were cut", path.display(), torn.bytes));
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
    report: ExportReport,
    more: u64,
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
        let started = header.started.parse::<Timestamp>().map(Timestamp::as_microsecond).unwrap_or_default();
        Ok(Self {
            settings,
            title: header.upstream.clone(),
            started: u64::try_from(started).unwrap_or_default(),
            spool: Spool::new()?,
            origins: Origins::new(header),
            items: Vec::new(),
            open: BTreeMap::new(),
            report: ExportReport::default(),
            more: 0,
        })
    }

    fn entry(&mut self, entry: Entry) -> io::Result<()> {
        let Entry { at, conn, kind, .. } = entry;
        let time = self.started + at.as_micros() as u64;
        if self.settings.connection.is_some_and(|wanted| conn != Some(wanted)) {
            return Ok(());
        }
        let conn = conn.unwrap_or_default();
        match kind {
            EntryKind::Open(opening) if opening.added => {
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
        self.report.written = self.items.len() as u64;
        if self.more > 0 {
            self.report.left_out.push(format!("{} more", self.more));
        }
        Ok(self.report)
    }

    fn leave_out(&mut self, what: String) {
        if self.report.left_out.len() < MOST_LEFT_OUT {
            self.report.left_out.push(what);
        } else {
            self.more += 1;
        }
    }
}

#[cfg(test)]
mod tests;
