//! The front of the recorder: what relays hold.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use qix_transport::Secret;
use tokio::sync::{oneshot, watch};

use super::{
    FileSettings, Observer, Side,
    event::{Event, Item, Upgraded},
    exchange::Exchanged,
    names::Names,
    queue::Queue,
    redact::{Redaction, Redactor},
    scribe::Scribe,
    shelf::Shelf,
    writer::Heading,
};
use crate::relay::Head;

/// Settings of a [`Recorder`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecorderConfig {
    /// What the recording says of the engine: its URL without secrets.
    ///
    /// Default: empty.
    pub upstream: String,
    /// How many bytes may wait to be written, over all connections, before relays have to wait.
    ///
    /// Default: 64 MiB.
    pub queue: usize,
    /// The largest message that is kept, in bytes. Of a larger one, the recording has the size. Each direction of each connection takes
    /// at most this much memory.
    ///
    /// Default: 256 MiB.
    pub max_message: usize,
    /// Headers whose values are secrets, besides those that always are.
    ///
    /// Default: none.
    pub secret_headers: Vec<HeaderName>,
    /// What is a secret in URLs, headers and messages.
    ///
    /// Default: [`Redaction::standard`].
    pub redaction: Redaction,
    /// How the recording is laid out in files.
    ///
    /// Default: one file that grows.
    pub files: FileSettings,
    /// Who is told what is recorded.
    ///
    /// Default: nobody, which costs nothing.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            upstream: String::new(),
            queue: 64 << 20,
            max_message: 256 << 20,
            secret_headers: Vec::new(),
            redaction: Redaction::standard(),
            files: FileSettings::default(),
            observer: None,
        }
    }
}

/// Why a recording could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecorderError {
    /// The file is there already.
    #[error("{} exists already and is never overwritten; give another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The name of the file is none.
    #[error("{} cannot name recordings: {fault}", path.display())]
    Name {
        /// What was given.
        path: PathBuf,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// The file cannot be made or written.
    #[error("cannot write {}; check that its folder exists and may be written to", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What was recorded.
#[derive(Debug)]
#[non_exhaustive]
pub struct Sealed {
    /// The file, the first if there are several.
    pub path: PathBuf,
    /// How many files there are, those included that were deleted since.
    pub files: u64,
    /// Connections that were established.
    pub connections: u64,
    /// Complete messages, in both directions.
    pub frames: u64,
    /// Upgrades that did not come about.
    pub refused: u64,
    /// Plain HTTP exchanges, however they ended.
    pub exchanges: u64,
    /// The size of all files.
    pub bytes: u64,
    /// Messages, and exchanges of plain HTTP, that were not recorded, because nothing could be written. The recording says where they are missing, if it went on.
    pub missing: u64,
    /// Why recording stopped early, if it did. What the file has is whole.
    pub fault: Option<io::Error>,
}

/// What went upstream that was not the client's, and is to be found nowhere in the recording.
#[derive(Clone, Debug, Default)]
pub struct Injected {
    /// Headers whose values are secrets in this upgrade, besides those that always are.
    pub headers: Vec<HeaderName>,
    /// The secrets themselves, which an upstream may repeat in its answer.
    pub secrets: Vec<Secret>,
}

/// An upgrade of a connection, or the attempt. Secrets are removed before anything of it is kept.
#[derive(Clone, Copy, Debug)]
pub struct Upgrade<'a> {
    /// Path and query of the client's request.
    pub url: &'a str,
    /// The upstream's status.
    pub status: StatusCode,
    /// The client's headers.
    pub request: &'a HeaderMap,
    /// The upstream's headers.
    pub response: &'a HeaderMap,
    /// What was added to the client's request.
    pub injected: &'a Injected,
}

impl Upgrade<'_> {
    /// Takes the secrets out; `more` are headers whose values are, besides those that always are.
    pub(super) fn clean<'a>(
        &self,
        redaction: &'a Redaction,
        more: &'a [HeaderName],
    ) -> (Upgraded, Redactor<'a>) {
        let mut redactor = Redactor::new(redaction, more);
        redactor.know(self.injected);
        let mut upgraded = Upgraded {
            url: redactor.url("url", self.url),
            status: self.status.as_u16(),
            request: redactor.headers("request", self.request),
            response: redactor.headers("response", self.response),
            ..Upgraded::default()
        };
        upgraded.redacted.clone_from(&redactor.redacted);
        (upgraded, redactor)
    }

    /// The same of one that did not come about.
    pub(super) fn refused(
        &self,
        redaction: &Redaction,
        more: &[HeaderName],
        body: &[u8],
        error: Option<&str>,
    ) -> Upgraded {
        let (mut upgraded, mut redactor) = self.clean(redaction, more);
        // A character that was cut at the end does not make it binary.
        let body = match std::str::from_utf8(body) {
            Err(fault) if fault.error_len().is_none() => std::str::from_utf8(&body[..fault.valid_up_to()]),
            whole => whole,
        };
        let body = body.ok().filter(|body| !body.is_empty());
        upgraded.body = body.map(|body| redactor.echo("body", body).into_owned());
        upgraded.error = error.map(|error| redactor.echo("error", error).into_owned());
        upgraded.redacted = redactor.redacted;
        upgraded
    }
}

/// Writes a recording. Cheap to clone.
///
/// All work, file included, is done by a thread of its own; a queue of bounded size leads to it. Once all clones are gone without
/// [`seal`](Self::seal), what has come is written and the file left without its `end`.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    queue: Arc<Queue>,
    started: Instant,
    path: PathBuf,
    secret_headers: Vec<HeaderName>,
    redaction: Redaction,
    stop: watch::Receiver<bool>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Recorder {
    /// Creates the first file and starts the thread. Only the owner may read the files.
    ///
    /// In the file name, `%Y`, `%m`, `%d`, `%H`, `%M`, `%S` and the other conversions of strftime stand for the time in UTC at which a file
    /// is begun, `%c` for the number of its connection if [each has its own](FileSettings::per_connection), and `%%` for a per cent sign.
    /// A name with a time gets a number behind it if it is taken; one without must not exist, and the files that continue it are
    /// numbered. A name that ends with `.zst` makes files compressed.
    ///
    /// # Errors
    ///
    /// [`RecorderError`] if there is such a file, if it cannot be written, or if the name is none.
    pub fn create(path: impl AsRef<Path>, config: RecorderConfig) -> Result<Self, RecorderError> {
        let path = path.as_ref().to_owned();
        let names = Names::new(&path, config.files.per_connection)
            .map_err(|fault| RecorderError::Name { path: path.clone(), fault })?;
        Self::start(names, config).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => RecorderError::Exists { path },
            _ => RecorderError::Create { path, source },
        })
    }

    fn start(names: Names, config: RecorderConfig) -> io::Result<Self> {
        let (started, wall) = (Instant::now(), jiff::Timestamp::now());
        let heading = Heading { started: format!("{wall:.6}"), upstream: config.upstream.clone() };
        let (stop, stopped) = watch::channel(false);
        let shelf =
            Shelf::create(names, config.files.clone(), heading, Box::new(jiff::Timestamp::now), stop)?;
        let path = shelf.path().to_owned();
        let queue = Arc::new(Queue::new(config.queue));
        if let Some(observer) = &config.observer {
            observer.begun(wall.into());
        }
        let scribe = Scribe::new(shelf, &config);
        let theirs = Arc::clone(&queue);
        std::thread::Builder::new().name("recorder".to_owned()).spawn(move || scribe.run(theirs, started))?;
        Ok(Self(Arc::new(Inner {
            queue,
            started,
            path,
            secret_headers: config.secret_headers,
            redaction: config.redaction,
            stop: stopped,
        })))
    }

    /// Returns the file, the first if there are several.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Waits until the queue has room.
    ///
    /// # Cancellation
    ///
    /// Dropping the future does nothing.
    pub async fn ready(&self) {
        std::future::poll_fn(|cx| self.0.queue.poll_room(cx)).await;
    }

    /// Returns how many bytes wait to be written, or are being written.
    pub fn queued(&self) -> usize {
        self.0.queue.charged()
    }

    /// Lets what comes from now on go into a new file, or into new files if each connection has its own.
    pub fn rotate(&self) {
        self.push(0, Instant::now(), Event::Rotate);
    }

    /// Waits until nothing can be written any more although everything [must be](super::OnFull::Stop): whoever forwards must stop then.
    ///
    /// # Cancellation
    ///
    /// Dropping the future does nothing.
    pub async fn must_stop(&self) {
        let mut stop = self.0.stop.clone();
        if stop.wait_for(|stop| *stop).await.is_err() {
            // The recording was sealed.
            std::future::pending::<()>().await;
        }
    }

    /// Records that a connection was established, and returns what records the rest of it.
    pub fn open(&self, upgrade: &Upgrade<'_>) -> Tape {
        let (t, upgraded) =
            (self.now(), Box::new(upgrade.clean(&self.0.redaction, &self.0.secret_headers).0));
        let conn = self.0.queue.push_connection(|conn| Item { conn, t, event: Event::Open(upgraded) });
        Tape { recorder: self.clone(), conn, closed: false }
    }

    /// Records that an upgrade did not come about: with the beginning of the answer's `body`, or with the `error` that stands for an answer.
    pub fn refused(&self, upgrade: &Upgrade<'_>, body: &[u8], error: Option<&str>) {
        let upgraded = upgrade.refused(&self.0.redaction, &self.0.secret_headers, body, error);
        self.push(0, Instant::now(), Event::Refused(Box::new(upgraded)));
    }

    /// Records something that a reader should know, of no connection.
    pub fn note(&self, text: impl Into<String>) {
        self.push(0, Instant::now(), Event::Note(text.into()));
    }

    /// Records a plain HTTP exchange that has ended.
    pub(crate) fn exchange(&self, exchanged: Box<Exchanged>) {
        self.push(0, Instant::now(), Event::Http(exchanged));
    }

    /// Ends the recording: everything that has come so far is written, then the `end` line. What comes later is dropped.
    ///
    /// # Cancellation
    ///
    /// Dropping the future seals the recording all the same, a moment later.
    pub async fn seal(self) -> Sealed {
        let (sender, sealed) = oneshot::channel();
        self.push(0, Instant::now(), Event::Seal(sender));
        sealed.await.unwrap_or_else(|_| Sealed {
            path: self.0.path.clone(),
            files: 0,
            missing: 0,
            connections: 0,
            frames: 0,
            refused: 0,
            exchanges: 0,
            bytes: 0,
            fault: Some(io::Error::other("the recorder is gone")),
        })
    }

    fn push(&self, conn: u64, at: Instant, event: Event) {
        self.0.queue.push(Item { conn, t: self.micros(at), event });
    }

    fn now(&self) -> u64 {
        self.micros(Instant::now())
    }

    fn micros(&self, at: Instant) -> u64 {
        // Five hundred thousand years fit.
        at.saturating_duration_since(self.0.started).as_micros() as u64
    }
}

/// Records one connection. Dropping it records that the proxy ended the connection.
#[derive(Debug)]
pub struct Tape {
    recorder: Recorder,
    conn: u64,
    closed: bool,
}

impl Tape {
    /// Returns the number of the connection in the recording.
    pub fn connection(&self) -> u64 {
        self.conn
    }

    /// Waits until the queue has room for what comes next; one chunk always fits then.
    pub fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.recorder.0.queue.poll_room(cx)
    }

    /// Records WebSocket bytes as they were read `at` some time, cut anywhere.
    pub fn chunk(&mut self, from: Side, at: Instant, bytes: Bytes) {
        /// Up to here a copy costs less than what keeps a buffer alive; a buffer of a relay is at least twice as large.
        const SMALL: usize = 4 << 10;

        if bytes.len() <= SMALL {
            let t = self.recorder.micros(at);
            self.recorder.0.queue.push_small(self.conn, t, from, &bytes);
        } else {
            self.recorder.push(self.conn, at, Event::Chunk(from, bytes));
        }
    }

    /// Records one whole text message of a connection that is no WebSocket.
    pub fn text(&mut self, from: Side, at: Instant, text: Bytes) {
        self.recorder.push(self.conn, at, Event::Message(from, Head::TEXT, text));
    }

    /// Records one whole binary message of a connection that is no WebSocket.
    pub fn binary(&mut self, from: Side, at: Instant, data: Bytes) {
        self.recorder.push(self.conn, at, Event::Message(from, Head::BINARY, data));
    }

    /// Records who said goodbye, with which code and reason, on a connection that is no WebSocket; only the first counts.
    pub fn goodbye(&mut self, from: Side, code: Option<u16>, reason: &str) {
        self.recorder.push(self.conn, Instant::now(), Event::Goodbye(from, code, reason.to_owned()));
    }

    /// Records something that a reader should know of the connection.
    pub fn note(&mut self, text: impl Into<String>) {
        self.recorder.push(self.conn, Instant::now(), Event::Note(text.into()));
    }

    /// Records the end of the connection: who ended it, unless a close frame says so, and what broke.
    pub fn close(mut self, by: Side, error: Option<io::Error>) {
        self.closed = true;
        self.recorder.push(self.conn, Instant::now(), Event::Close { by: Some(by), error });
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        if !self.closed {
            self.recorder.push(self.conn, Instant::now(), Event::Close { by: None, error: None });
        }
    }
}
