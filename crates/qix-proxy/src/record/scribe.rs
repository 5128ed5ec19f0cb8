//! The thread that owns the file: makes messages of bytes and lines of messages.

use std::{
    collections::HashMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderName;

use super::{
    Observer, RecorderConfig, Sealed, Seen, Side,
    assembler::{Assembler, Buffers, Found},
    event::{Batch, Event, Item, Upgraded},
    gathered::{Gathered, Message},
    queue::Queue,
    redact::{Redacted, Redaction},
    shelf::Shelf,
    volume::{Open, What},
    writer::Ending,
};
use crate::relay::Head;

/// Everything the thread works with.
#[derive(Debug)]
pub(super) struct Scribe {
    shelf: Shelf,
    max_message: usize,
    connections: HashMap<u64, Connection>,
    buffers: Buffers,
    gathered: Gathered,
    redaction: Redaction,
    /// Headers whose values are secrets, besides those that always are.
    secret_headers: Vec<HeaderName>,
    observer: Option<Arc<dyn Observer>>,
}

/// What is known of one open connection.
#[derive(Debug)]
struct Connection {
    url: String,
    client: Assembler,
    engine: Assembler,
    /// The first close frame: whose, and what it said.
    goodbye: Option<(Side, Option<u16>, String)>,
}

/// Closes the queue when the thread ends, be it by a panic: the relays must never wait for it then.
struct Hangup(Arc<Queue>);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Scribe {
    pub(super) fn new(shelf: Shelf, config: &RecorderConfig) -> Self {
        Self {
            shelf,
            max_message: config.max_message,
            connections: HashMap::new(),
            buffers: Buffers::default(),
            gathered: Gathered::default(),
            redaction: config.redaction.clone(),
            secret_headers: config.secret_headers.clone(),
            observer: config.observer.clone(),
        }
    }

    /// Works until the queue is closed or the recording sealed. Times are counted from `started`.
    pub(super) fn run(mut self, queue: Arc<Queue>, started: Instant) {
        /// After how many bytes room is made for more.
        const STEP: usize = 256 << 10;

        let now = || started.elapsed().as_micros() as u64;
        let queue = Hangup(queue);
        let queue = &*queue.0;
        let mut batch = Batch::default();
        let mut due: Option<u64> = None;
        loop {
            let idle = || {
                self.buffers.release();
                self.shelf.release();
            };
            let patience = due.map(|due| Duration::from_micros(due.saturating_sub(now())));
            if !queue.take(&mut batch, patience, idle) {
                self.shelf.flush();
                return;
            }
            let (mut count, mut bytes) = (0, 0);
            let Batch { items, bytes: small } = &mut batch;
            for item in items.drain(..) {
                (count, bytes) = (count + 1, bytes + item.bytes());
                if let Some((sealing, t)) = self.handle(item, small) {
                    let _ = sealing.send(self.seal(t));
                    return;
                }
                if bytes >= STEP {
                    queue.release(count, bytes);
                    (count, bytes) = (0, 0);
                }
            }
            self.settle();
            small.clear();
            due = self.commit(now());
            if let Some(observer) = &self.observer {
                observer.stands(&self.shelf.standing());
            }
            queue.release(count, bytes);
        }
    }

    /// Takes an item in, with the `small` pieces of its batch. Returns who waits for the end, if that is what it is.
    fn handle(&mut self, item: Item, small: &[u8]) -> Option<(tokio::sync::oneshot::Sender<Sealed>, u64)> {
        let Item { conn, t, event } = item;
        if !event.is_traffic() {
            self.settle();
        }
        match event {
            Event::Open(upgraded) => {
                self.tell(conn, t, &Seen::Opened { url: &upgraded.url });
                self.shelf.open(conn, t);
                self.shelf.record(conn, t, What::Open, |writer| writer.open(conn, t, &upgraded));
                let connection = Connection {
                    url: upgraded.url,
                    client: Assembler::new(true, self.max_message),
                    engine: Assembler::new(false, self.max_message),
                    goodbye: None,
                };
                self.connections.insert(conn, connection);
            }
            Event::Chunk(from, bytes) => self.chunk(conn, t, from, &bytes),
            Event::Small(from, range) => self.chunk(conn, t, from, &small[range]),
            Event::Message(from, opcode, bytes) => {
                self.tell(conn, t, &Seen::Bytes { from, count: bytes.len() as u64 });
                let Self { shelf, gathered, redaction, observer, .. } = self;
                let mut desk = Desk { shelf, gathered, redaction, observer: observer.as_deref() };
                desk.take((conn, t, from), &Found::Message { opcode, bytes: &bytes, began: None });
            }
            Event::Goodbye(from, code, reason) => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    connection.goodbye.get_or_insert((from, code, reason));
                }
            }
            Event::Note(text) => {
                let text = self.redaction.text(&text).into_owned();
                self.shelf.record(conn, t, What::Other, |writer| writer.note(conn, t, &text));
            }
            Event::Close { by, error } => self.close(conn, t, by, error),
            Event::Refused(upgraded) => {
                let Upgraded { url, status, error, .. } = &*upgraded;
                self.tell(conn, t, &Seen::Refused { url, status: *status, error: error.as_deref() });
                self.shelf.record(conn, t, What::Other, |writer| writer.refused(t, &upgraded));
            }
            Event::Http(exchanged) => {
                let clean = exchanged.clean(&self.redaction, &self.secret_headers);
                self.tell(conn, t, &clean.seen());
                self.shelf.record(conn, t, What::Exchange, |writer| writer.http(t, &clean));
            }
            Event::Rotate => {
                let connections = &self.connections;
                self.shelf.rotate(t, &|| open(connections));
            }
            Event::Seal(sealing) => return Some((sealing, t)),
        }
        let connections = &self.connections;
        self.shelf.rotate_if_due(conn, t, &|| open(connections));
        None
    }

    /// Hands on what has waited long enough. Returns when to do so again.
    fn commit(&mut self, now: u64) -> Option<u64> {
        let connections = &self.connections;
        self.shelf.commit(now, &|| open(connections))
    }

    fn seal(self, t: u64) -> Sealed {
        let connections = &self.connections;
        self.shelf.seal(t, &|| open(connections))
    }

    fn tell(&self, conn: u64, t: u64, seen: &Seen<'_>) {
        if let Some(observer) = &self.observer {
            observer.saw(conn, t, seen);
        }
    }

    fn chunk(&mut self, conn: u64, t: u64, from: Side, bytes: &[u8]) {
        self.tell(conn, t, &Seen::Bytes { from, count: bytes.len() as u64 });
        let Self { shelf, connections, buffers, gathered, redaction, observer, .. } = self;
        let mut desk = Desk { shelf, gathered, redaction, observer: observer.as_deref() };
        let Some(connection) = connections.get_mut(&conn) else { return };
        let assembler = match from {
            Side::Client => &mut connection.client,
            Side::Engine => &mut connection.engine,
        };
        let goodbye = &mut connection.goodbye;
        assembler.push(t, bytes, buffers, &mut |found| {
            if let (Found::Close { code, reason }, None) = (&found, &*goodbye) {
                *goodbye = Some((from, *code, String::from_utf8_lossy(reason).into_owned()));
            }
            desk.take((conn, t, from), &found);
        });
    }

    /// Writes what was gathered.
    fn settle(&mut self) {
        let Self { shelf, connections, gathered, redaction, observer, .. } = self;
        let mut desk = Desk { shelf, gathered, redaction, observer: observer.as_deref() };
        desk.settle(&|| open(connections));
    }

    fn close(&mut self, conn: u64, t: u64, by: Option<Side>, error: Option<io::Error>) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        let unfinished = [connection.client.unfinished(), connection.engine.unfinished()];
        let mut ending = Ending {
            by,
            cut: unfinished.iter().any(Option::is_some).then(|| unfinished.map(Option::unwrap_or_default)),
            error: error.map(|error| error.to_string()),
            ..Ending::default()
        };
        if let Some((side, code, reason)) = connection.goodbye {
            let reason = self.redaction.text(&reason).into_owned();
            ending = Ending { by: Some(side), code, reason, clean: true, ..ending };
        }
        self.tell(
            conn,
            t,
            &Seen::Closed {
                by: ending.by,
                code: ending.code,
                reason: &ending.reason,
                clean: ending.clean,
                error: ending.error.as_deref(),
            },
        );
        self.shelf.close(conn, t, ending);
    }
}

fn open(connections: &HashMap<u64, Connection>) -> Vec<(u64, String)> {
    let mut open: Vec<_> =
        connections.iter().map(|(conn, connection)| (*conn, connection.url.clone())).collect();
    open.sort_unstable();
    open
}

/// Where what was found becomes lines.
struct Desk<'a> {
    shelf: &'a mut Shelf,
    gathered: &'a mut Gathered,
    redaction: &'a Redaction,
    observer: Option<&'a dyn Observer>,
}

impl Desk<'_> {
    /// Takes something complete in. Small messages are gathered, and written before anything else is.
    fn take(&mut self, (conn, t, from): (u64, u64, Side), found: &Found<'_>) {
        match found {
            Found::Message { opcode, bytes, began } => {
                let message = Message { conn, t, from, opcode: *opcode, began: *began };
                if !self.gathered.take(message, bytes) {
                    self.spill();
                    write(self.shelf, self.observer, message, bytes, || self.redaction.frame(bytes));
                } else if self.gathered.is_full() {
                    self.spill();
                }
            }
            Found::Omitted { size } => {
                self.spill();
                if let Some(observer) = self.observer {
                    observer.saw(conn, t, &Seen::Other { from, size: *size });
                }
                tracing::warn!(
                    "a message of {size} bytes from the {from} of connection {conn} is too large to be recorded"
                );
                self.shelf.record(conn, t, What::Frame, |writer| writer.omitted(conn, t, from, *size));
                self.note(
                    conn,
                    t,
                    &format!("a message of {size} bytes from the {from} was too large to be kept"),
                );
            }
            Found::Odd(what) => {
                self.spill();
                tracing::warn!(
                    "against the rules of WebSocket, from the {from} of connection {conn}: {what}"
                );
                self.note(conn, t, &format!("from the {from}: {what}"));
            }
            // Written when the connection is gone.
            Found::Close { .. } => {}
        }
    }

    /// Writes what was gathered; files may grow by that much beyond the size at which the next is begun.
    fn spill(&mut self) {
        let Self { shelf, gathered, redaction, observer } = self;
        gathered.hand_out(redaction, |message, bytes, clean| write(shelf, *observer, message, bytes, clean));
    }

    /// Writes what was gathered, and begins the next file where it is time to.
    fn settle(&mut self, open: Open<'_>) {
        let Self { shelf, gathered, redaction, observer } = self;
        gathered.hand_out(redaction, |message, bytes, clean| {
            write(shelf, *observer, message, bytes, clean);
            shelf.rotate_if_due(message.conn, message.t, open);
        });
    }

    fn note(&mut self, conn: u64, t: u64, text: &str) {
        self.shelf.record(conn, t, What::Other, |writer| writer.note(conn, t, text));
    }
}

fn write(
    shelf: &mut Shelf,
    observer: Option<&dyn Observer>,
    message: Message,
    bytes: &[u8],
    clean: impl FnOnce() -> Option<Redacted>,
) {
    let Message { conn, t, from, opcode, began } = message;
    let cleaned = match observer {
        Some(observer) => {
            // What is watched is cleaned even while nothing can be written.
            let clean = clean();
            let text = clean.as_ref().map_or(bytes, |clean| &clean.text);
            let is_text = opcode == Head::TEXT;
            let size = text.len() as u64;
            observer.saw(
                conn,
                t,
                &if is_text { Seen::Text { from, text } } else { Seen::Other { from, size } },
            );
            Ok(clean)
        }
        None => Err(clean),
    };
    shelf.record(conn, t, What::Frame, |writer| match cleaned.unwrap_or_else(|clean| clean()) {
        None => writer.frame(conn, (t, began), from, opcode, bytes, &[]),
        Some(clean) => writer.frame(conn, (t, began), from, opcode, &clean.text, &clean.redacted),
    });
}
