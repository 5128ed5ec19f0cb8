//! The thread that owns the file: makes messages of bytes and lines of messages.

use std::{collections::HashMap, fs::File, io, path::PathBuf, sync::Arc};

use super::{
    Sealed, Side,
    assembler::{Assembler, Buffers, Found},
    event::{Event, Item},
    queue::Queue,
    redact::Redaction,
    writer::{Ending, Writer},
};

/// Everything the thread works with.
#[derive(Debug)]
pub(super) struct Scribe {
    pub(super) writer: Writer<File>,
    pub(super) path: PathBuf,
    pub(super) max_message: usize,
    connections: HashMap<u64, Connection>,
    buffers: Buffers,
    redaction: Redaction,
    /// Why nothing is written any more.
    fault: Option<io::Error>,
}

/// What is known of one open connection.
#[derive(Debug)]
struct Connection {
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
    pub(super) fn new(writer: Writer<File>, path: PathBuf, max_message: usize, redaction: Redaction) -> Self {
        Self {
            writer,
            path,
            max_message,
            connections: HashMap::new(),
            buffers: Buffers::default(),
            redaction,
            fault: None,
        }
    }

    /// Works until the queue is closed or the recording sealed.
    pub(super) fn run(mut self, queue: Arc<Queue>) {
        /// After how many bytes room is made for more.
        const STEP: usize = 256 << 10;

        let queue = Hangup(queue);
        let queue = &*queue.0;
        let mut items = Vec::new();
        loop {
            let idle = || {
                self.buffers.release();
                self.writer.release();
            };
            if !queue.take(&mut items, idle) {
                return;
            }
            let (mut count, mut bytes) = (0, 0);
            for item in items.drain(..) {
                (count, bytes) = (count + 1, bytes + item.bytes());
                if let Some(sealing) = self.handle(item) {
                    let _ = sealing.send(self.seal());
                    return;
                }
                if bytes >= STEP {
                    queue.release(count, bytes);
                    (count, bytes) = (0, 0);
                }
            }
            self.attempt(|writer| writer.flush());
            queue.release(count, bytes);
        }
    }

    fn handle(&mut self, item: Item) -> Option<tokio::sync::oneshot::Sender<Sealed>> {
        let Item { conn, t, event } = item;
        match event {
            Event::Open(upgraded) => {
                let connection = Connection {
                    client: Assembler::new(true, self.max_message),
                    engine: Assembler::new(false, self.max_message),
                    goodbye: None,
                };
                self.connections.insert(conn, connection);
                self.attempt(|writer| writer.open(conn, t, &upgraded));
            }
            Event::Chunk(from, bytes) => self.chunk(conn, t, from, &bytes),
            Event::Message(from, opcode, bytes) => {
                if self.fault.is_none() {
                    let (writer, redaction) = (&mut self.writer, &self.redaction);
                    let found = Found::Message { opcode, bytes: &bytes };
                    let result = write(writer, redaction, (conn, t, from), &found);
                    self.failed(result);
                }
            }
            Event::Goodbye(from, code, reason) => {
                if let Some(connection) = self.connections.get_mut(&conn) {
                    connection.goodbye.get_or_insert((from, code, reason));
                }
            }
            Event::Close { by, error } => self.close(conn, t, by, error),
            Event::Refused(upgraded) => self.attempt(|writer| writer.refused(t, &upgraded)),
            Event::Seal(sealing) => {
                self.attempt(|writer| writer.end(t));
                return Some(sealing);
            }
        }
        None
    }

    fn chunk(&mut self, conn: u64, t: u64, from: Side, bytes: &[u8]) {
        let Self { writer, connections, buffers, redaction, fault, .. } = self;
        let Some(connection) = connections.get_mut(&conn) else { return };
        if fault.is_some() {
            return;
        }
        let assembler = match from {
            Side::Client => &mut connection.client,
            Side::Engine => &mut connection.engine,
        };
        let goodbye = &mut connection.goodbye;
        let mut result = Ok(());
        assembler.push(bytes, buffers, &mut |found| {
            if let (Found::Close { code, reason }, None) = (&found, &*goodbye) {
                *goodbye = Some((from, *code, String::from_utf8_lossy(reason).into_owned()));
            }
            if result.is_ok() {
                result = write(writer, redaction, (conn, t, from), &found);
            }
        });
        self.failed(result);
    }

    fn close(&mut self, conn: u64, t: u64, by: Option<Side>, error: Option<io::Error>) {
        let Some(connection) = self.connections.remove(&conn) else { return };
        let unfinished = [connection.client.unfinished(), connection.engine.unfinished()];
        let clean;
        let mut ending = Ending {
            by,
            cut: unfinished.iter().any(Option::is_some).then(|| unfinished.map(Option::unwrap_or_default)),
            error: error.map(|error| error.to_string()),
            ..Ending::default()
        };
        if let Some((side, code, reason)) = &connection.goodbye {
            clean = self.redaction.text(reason);
            ending = Ending { by: Some(*side), code: *code, reason: &clean, clean: true, ..ending };
        }
        self.attempt(|writer| writer.close(conn, t, &ending));
    }

    fn seal(self) -> Sealed {
        Sealed {
            path: self.path,
            connections: self.writer.connections,
            frames: self.writer.frames,
            refused: self.writer.refused,
            bytes: self.writer.written(),
            fault: self.fault,
        }
    }

    fn attempt(&mut self, write: impl FnOnce(&mut Writer<File>) -> io::Result<()>) {
        if self.fault.is_none() {
            let result = write(&mut self.writer);
            self.failed(result);
        }
    }

    fn failed(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(
                "recording stops, because {} cannot be written: {error}; connections go on unrecorded",
                self.path.display()
            );
            self.fault = Some(error);
        }
    }
}

fn write(
    writer: &mut Writer<File>,
    redaction: &Redaction,
    (conn, t, from): (u64, u64, Side),
    found: &Found<'_>,
) -> io::Result<()> {
    match found {
        Found::Message { opcode, bytes } => match redaction.frame(bytes) {
            None => writer.frame(conn, t, from, *opcode, bytes, &[]),
            Some(clean) => writer.frame(conn, t, from, *opcode, &clean.text, &clean.redacted),
        },
        Found::Omitted { size } => {
            tracing::warn!(
                "a message of {size} bytes from the {from} of connection {conn} is too large to be recorded"
            );
            writer.omitted(conn, t, from, *size)?;
            writer.note(
                conn,
                t,
                &format!("a message of {size} bytes from the {from} was too large to be kept"),
            )
        }
        Found::Odd(what) => {
            tracing::warn!("against the rules of WebSocket, from the {from} of connection {conn}: {what}");
            writer.note(conn, t, &format!("from the {from}: {what}"))
        }
        // Written when the connection is gone.
        Found::Close { .. } => Ok(()),
    }
}
