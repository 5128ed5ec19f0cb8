//! Writes a recording of what happened at another time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Closing, FrameText, Header, Redaction, Side, Upgrade,
    exchange::Exchanged,
    output::Output,
    writer::{Ending, Heading, Writer},
    zip::Zip,
};
use crate::{private, relay::Head};

/// Writes a recording of what is known from elsewhere, in the order and with the times that it is told.
///
/// Secrets are replaced as a recorder replaces them. What is not [sealed](Self::seal) is removed again when this is dropped.
#[derive(Debug)]
pub struct RecordingWriter {
    writer: Writer<File>,
    path: PathBuf,
    redaction: Redaction,
    connections: u64,
    /// The latest time, in microseconds.
    latest: u64,
    sealed: bool,
}

/// What a [`RecordingWriter`] has written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Written {
    /// Connections.
    pub connections: u64,
    /// Messages.
    pub frames: u64,
    /// Upgrades that did not come about.
    pub refused: u64,
    /// Exchanges of plain HTTP.
    pub exchanges: u64,
}

/// Why a new file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The file is there already.
    #[error("{} exists already and is never overwritten; give another name or move it away", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write {}; check that its folder exists, may be written to, and has room", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl WriteError {
    pub(crate) fn new(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AlreadyExists => Self::Exists { path },
            _ => Self::Write { path, source },
        }
    }
}

impl RecordingWriter {
    /// Creates the file, which only its owner may read; compressed if its name ends with `.zst`. Of the header, `started` (RFC 3339 in
    /// UTC) and `upstream` (a URL without secrets) count.
    ///
    /// # Errors
    ///
    /// [`WriteError`].
    pub fn create(
        path: impl AsRef<Path>,
        header: &Header,
        redaction: &Redaction,
    ) -> Result<Self, WriteError> {
        let path = path.as_ref().to_owned();
        let failed = |source| WriteError::new(&path, source);
        let is_zipped = path.extension().is_some_and(|extension| extension == "zst");
        let zip = if is_zipped { Some(Zip::new().map_err(failed)?) } else { None };
        let output = Output::new(private::create(&path).map_err(failed)?, zip);
        let heading = Heading { started: header.started.clone(), upstream: header.upstream.clone() };
        let writer = Writer::start(output, &heading, 1, None, 0);
        Ok(Self { writer, path, redaction: redaction.clone(), connections: 0, latest: 0, sealed: false })
    }

    /// Adds a connection that was established, and returns its number.
    pub fn open(&mut self, at: Duration, upgrade: &Upgrade<'_>) -> u64 {
        let upgraded = upgrade.clean(&self.redaction, &[]).0;
        self.connections += 1;
        let t = self.micros(at);
        self.writer.open(self.connections, t, &upgraded);
        self.connections
    }

    /// Adds a message of a connection.
    pub fn frame(&mut self, at: Duration, conn: u64, from: Side, message: &FrameText) {
        let t = self.micros(at);
        let (opcode, bytes) = match message {
            FrameText::Text(bytes) => (Head::TEXT, bytes),
            FrameText::Binary(bytes) => (Head::BINARY, bytes),
            FrameText::Omitted(size) => {
                self.writer.omitted(conn, t, from, *size);
                return;
            }
        };
        match self.redaction.frame(bytes) {
            Some(clean) => self.writer.frame(conn, (t, None), from, opcode, &clean.text, &clean.redacted),
            None => self.writer.frame(conn, (t, None), from, opcode, bytes, &[]),
        };
    }

    /// Adds how a connection ended.
    pub fn close(&mut self, at: Duration, conn: u64, closing: &Closing) {
        let Closing { by, code, reason, clean } = closing;
        let reason = self.redaction.text(reason).into_owned();
        let ending = Ending { by: *by, code: *code, reason, clean: *clean, ..Ending::default() };
        let t = self.micros(at);
        self.writer.close(conn, t, &ending);
    }

    /// Adds an upgrade that did not come about, with the beginning of the answer's body, or with the `error` that stands for an answer.
    pub fn refused(&mut self, at: Duration, upgrade: &Upgrade<'_>, body: &[u8], error: Option<&str>) {
        let upgraded = upgrade.refused(&self.redaction, &[], body, error);
        let t = self.micros(at);
        self.writer.refused(t, &upgraded);
    }

    /// Adds an exchange of plain HTTP that ended.
    pub(crate) fn exchange(&mut self, at: Duration, exchanged: Exchanged) {
        let clean = exchanged.clean(&self.redaction, &[]);
        let t = self.micros(at);
        self.writer.http(t, &clean);
    }

    /// Adds something that the reader should know, of a connection or (`None`) of the whole.
    pub fn note(&mut self, at: Duration, conn: Option<u64>, text: &str) {
        let text = self.redaction.text(text).into_owned();
        let t = self.micros(at);
        self.writer.note(conn.unwrap_or_default(), t, &text);
    }

    /// Returns whether writing has failed, so that there is no point in going on; [`seal`](Self::seal) says why.
    pub fn has_failed(&self) -> bool {
        self.writer.output.fault().is_some()
    }

    /// Ends the recording.
    ///
    /// # Errors
    ///
    /// [`WriteError::Write`] if not all could be written; the file is removed then.
    pub fn seal(mut self) -> Result<Written, WriteError> {
        let failed = |source| WriteError::Write { path: self.path.clone(), source };
        self.writer.end(self.latest, None);
        let synced = self.writer.output.medium().sync_all();
        self.writer.output.resume().map_or(synced, Err).map_err(failed)?;
        self.sealed = true;
        let Writer { connections, frames, refused, exchanges, .. } = self.writer;
        Ok(Written { connections, frames, refused, exchanges })
    }

    fn micros(&mut self, at: Duration) -> u64 {
        // Five hundred thousand years fit.
        let t = at.as_micros() as u64;
        self.latest = self.latest.max(t);
        t
    }
}

impl Drop for RecordingWriter {
    fn drop(&mut self) {
        if !self.sealed {
            // It is ours, and of no use.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};

    use super::*;
    use crate::record::{EntryKind, Injected, RecordingReader};

    #[test]
    fn recording_of_another_time_is_read_as_one_of_a_recorder_and_has_no_secrets() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.qixrec", "a.qixrec.zst"] {
            let path = dir.path().join(name);
            let header = Header { started: "2026-01-02T03:04:05.000000Z".to_owned(), ..Header::default() };
            let mut writer = RecordingWriter::create(&path, &header, &Redaction::standard()).unwrap();
            let (mut request, response) = (HeaderMap::new(), HeaderMap::new());
            request.insert("authorization", HeaderValue::from_static("Bearer s3cret"));
            let injected = Injected::default();
            let (url, status) = ("/app/a?qlikTicket=s3cret", StatusCode::SWITCHING_PROTOCOLS);
            let upgrade =
                Upgrade { url, status, request: &request, response: &response, injected: &injected };
            let conn = writer.open(Duration::from_millis(1), &upgrade);
            let text = br#"{"method":"OpenDoc","params":["a","me","s3cret"]}"#;
            let text = FrameText::Text(bytes::Bytes::from_static(text));
            writer.frame(Duration::from_millis(2), conn, Side::Client, &text);
            writer.frame(Duration::from_millis(3), conn, Side::Engine, &FrameText::Omitted(7));
            let closing =
                Closing { by: Some(Side::Client), code: Some(1000), clean: true, ..Closing::default() };
            writer.close(Duration::from_millis(4), conn, &closing);
            writer.note(Duration::from_millis(4), None, "password=s3cret");
            let written = writer.seal().unwrap();
            assert_eq!((written.connections, written.frames), (1, 2));
            let mut reader = RecordingReader::open(&path).unwrap();
            let entries: Vec<_> = reader.by_ref().map(Result::unwrap).collect();
            assert!(!format!("{entries:?}").contains("s3cret"));
            assert!(matches!(&entries[0].kind, EntryKind::Open(open) if open.request.len() == 1));
            assert!(matches!(&entries[3].kind, EntryKind::Close(found) if *found == closing));
            assert!(matches!(entries[5].kind, EntryKind::End));
            let again = RecordingWriter::create(&path, &header, &Redaction::standard());
            assert!(matches!(again, Err(WriteError::Exists { .. })));
        }
    }

    #[test]
    fn what_was_not_sealed_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.qixrec");
        drop(RecordingWriter::create(&path, &Header::default(), &Redaction::standard()).unwrap());
        assert!(!path.exists());
    }
}
