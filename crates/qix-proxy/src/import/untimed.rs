//! Writes what was said on sockets of which neither the URL nor any time is known.

use std::{fmt::Write as _, mem, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use qix_protocol::{
    Handle,
    frame::{Envelope, Raw, client::Request, elements},
};

use super::{Foreign, ImportError, ImportReport, LeftOut, Source};
use crate::record::{Closing, FrameText, Header, Injected, RecordingWriter, Side, Upgrade};

/// How far apart messages are said to be, since nothing says how far they were.
const APART: Duration = Duration::from_millis(1);

/// How much of what is left out is named.
const NAMED: usize = 10_000;

/// How many messages, and how many bytes of them, are waited for a request that says which app a socket is for.
const WAITED_FOR: (usize, usize) = (64, 1 << 20);

/// What stands unescaped in an app's part of a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A recording that is made of messages in order.
#[derive(Debug)]
pub(super) struct Untimed {
    kind: Foreign,
    writer: RecordingWriter,
    at: Duration,
    conn: Option<u64>,
    /// What was said before it is known to which app.
    held: Vec<(Side, Bytes)>,
    held_bytes: usize,
    /// Messages that are QIX.
    frames: u64,
    left_out: Vec<LeftOut>,
    /// How much else is left out.
    unnamed: u64,
    pub(super) notes: Vec<String>,
}

impl Untimed {
    pub(super) fn create(source: &Source<'_>, kind: Foreign) -> Result<Self, ImportError> {
        // A time at which certainly nobody recorded, and the same for equal files.
        let header = Header { started: "1970-01-01T00:00:00.000000Z".to_owned(), ..Header::default() };
        let mut writer = RecordingWriter::create(source.to, &header, &source.settings.redaction)?;
        let told = format!(
            "imported from {kind}, which has no times and no URLs: messages are said to be 1 ms apart, so that durations mean nothing, and \
             paths are made of the apps that were opened"
        );
        writer.note(Duration::ZERO, None, &told);
        Ok(Self {
            kind,
            writer,
            at: Duration::ZERO,
            conn: None,
            held: Vec::new(),
            held_bytes: 0,
            frames: 0,
            left_out: Vec::new(),
            unnamed: 0,
            notes: Vec::new(),
        })
    }

    pub(super) fn frame(&mut self, from: Side, text: Bytes) {
        self.frames += u64::from(Envelope::parse(&text).is_ok());
        if let Some(conn) = self.conn {
            self.write(conn, from, text);
        } else {
            let request = (from == Side::Client).then(|| Request::parse(&text).ok()).flatten();
            let url = request.map(|request| url(&request));
            self.held_bytes += text.len();
            self.held.push((from, text));
            if url.is_some() || self.held.len() >= WAITED_FOR.0 || self.held_bytes >= WAITED_FOR.1 {
                self.open(url.as_deref());
            }
        }
    }

    /// Returns whether there is no point in going on; [`finish`](Self::finish) says why.
    pub(super) fn has_failed(&self) -> bool {
        self.writer.has_failed()
    }

    /// Leaves something out.
    pub(super) fn leave_out(&mut self, place: String, why: impl Into<String>) {
        if self.left_out.len() < NAMED {
            self.left_out.push(LeftOut { place, why: why.into() });
        } else {
            self.unnamed += 1;
        }
    }

    /// Ends the connection, if there is one, so that another can follow.
    pub(super) fn close(&mut self) {
        if !self.held.is_empty() {
            self.open(None);
        }
        if let Some(conn) = self.conn.take() {
            // Nothing says who did it; these clients cut the connection when they are done.
            let closing = Closing { by: Some(Side::Client), ..Closing::default() };
            self.at += APART;
            self.writer.close(self.at, conn, &closing);
        }
    }

    /// Ends the recording, with the end of the last connection unless the file was cut.
    pub(super) fn finish(mut self, source: &Source<'_>, is_cut: bool) -> Result<ImportReport, ImportError> {
        if is_cut && !self.held.is_empty() {
            self.open(None);
        } else if !is_cut {
            self.close();
        }
        if self.frames == 0 && !self.writer.has_failed() {
            return Err(source.empty(self.kind));
        }
        let mut notes = vec![format!(
            "{} has no times and no URLs: messages are said to be 1 ms apart, so durations mean nothing",
            self.kind
        )];
        notes.append(&mut self.notes);
        if self.unnamed > 0 {
            notes.push(format!("left out besides those that are named: {}", self.unnamed));
        }
        let written = self.writer.seal()?;
        Ok(ImportReport { kind: self.kind, written, left_out: self.left_out, notes })
    }

    fn open(&mut self, url: Option<&str>) {
        let (request, response, injected) = (HeaderMap::new(), HeaderMap::new(), Injected::default());
        let upgrade = Upgrade {
            url: url.unwrap_or("/"),
            status: StatusCode::SWITCHING_PROTOCOLS,
            request: &request,
            response: &response,
            injected: &injected,
        };
        self.at += APART;
        let conn = self.writer.open(self.at, &upgrade);
        self.conn = Some(conn);
        self.held_bytes = 0;
        for (from, text) in mem::take(&mut self.held) {
            self.write(conn, from, text);
        }
    }

    fn write(&mut self, conn: u64, from: Side, text: Bytes) {
        self.at += APART;
        self.writer.frame(self.at, conn, from, &FrameText::Text(text));
    }
}

/// Returns the path of a socket on which this is asked first: that of an app if it opens one.
fn url(request: &Request<'_>) -> String {
    let opens = request.handle == Handle::GLOBAL && request.method == "OpenDoc";
    let name = |params: Raw<'_>| {
        let first = elements(params).next().or_else(|| params.member("qDocName"))?;
        first.decode::<String>().ok()
    };
    let app = if opens { request.params.and_then(name) } else { None };
    let mut url = "/".to_owned();
    if let Some(app) = app.filter(|app| !app.is_empty()) {
        // Writing to a String cannot fail.
        let _ = write!(url, "app/{}", utf8_percent_encode(&app, PATH));
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_that_of_the_app_that_is_opened_first() {
        for (request, expected) in [
            (r#"{"handle":-1,"method":"OpenDoc","params":["a b/ä.qvf"],"id":1}"#, "/app/a%20b%2F%C3%A4.qvf"),
            (
                r#"{"handle":-1,"method":"OpenDoc","params":{"qUserName":"u","qDocName":"x"},"id":1}"#,
                "/app/x",
            ),
            (r#"{"handle":-1,"method":"OpenDoc","params":[7],"id":1}"#, "/"),
            (r#"{"handle":-1,"method":"GetActiveDoc","params":[],"id":1}"#, "/"),
            (r#"{"handle":1,"method":"OpenDoc","params":["x"],"id":1}"#, "/"),
        ] {
            assert_eq!(url(&Request::parse(request.as_bytes()).unwrap()), expected);
        }
    }
}
