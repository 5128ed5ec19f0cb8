//! What is kept of an entry until its turn comes, and how it becomes part of a recording.

use std::{collections::HashMap, io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    exchange::{Body, Half},
    spool::Item,
};
use crate::record::{Closing, Exchanged, FrameText, Injected, Kept, RecordingWriter, Side, Upgrade};

// The kinds of items.
pub(super) const OPEN: u8 = 0;
pub(super) const REFUSED: u8 = 1;
pub(super) const HTTP: u8 = 2;
pub(super) const CLOSE: u8 = 3;
pub(super) const TEXT: u8 = 4;
pub(super) const BINARY: u8 = 5;
pub(super) const OMITTED: u8 = 6;
/// Added to a kind: by the engine.
pub(super) const ENGINE: u8 = 0x80;

/// What a body that its tool has left compressed may be when it is not.
const LARGEST: usize = 256 << 20;

/// The heads of a request and its answer, bodies behind them.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Heads {
    method: String,
    url: String,
    status: Option<u16>,
    error: Option<String>,
    pub(super) wait: Option<u64>,
    pub(super) took: u64,
    request: Vec<(String, String)>,
    response: Vec<(String, String)>,
    sent: BodyHead,
    answered: BodyHead,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct BodyHead {
    kept: Option<usize>,
    total: u64,
    cut: bool,
    decoded: Option<String>,
}

/// The end of a connection.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct End {
    engine: Option<bool>,
    code: Option<u16>,
    reason: String,
    clean: bool,
}

impl Heads {
    /// Takes a request and its answer; `url` is path and query.
    pub(super) fn new(url: &str, request: &Half, response: &Half) -> Self {
        Self {
            method: request.method.clone(),
            url: url.to_owned(),
            status: response.status,
            error: response.error.clone(),
            request: pairs(&request.headers),
            response: pairs(&response.headers),
            sent: BodyHead::new(&request.body),
            answered: BodyHead::new(&response.body),
            ..Self::default()
        }
    }

    /// Writes it, and the bodies behind it.
    pub(super) fn write(&self, request: &Half, response: &Half) -> Vec<u8> {
        let head = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(&head);
        for body in [&request.body.bytes, &response.body.bytes].into_iter().flatten() {
            bytes.extend_from_slice(body);
        }
        bytes
    }

    fn read(bytes: &[u8]) -> io::Result<(Self, &[u8])> {
        let (len, rest) = bytes.split_first_chunk().ok_or(io::ErrorKind::InvalidData)?;
        let (head, bodies) =
            rest.split_at_checked(u64::from_le_bytes(*len) as usize).ok_or(io::ErrorKind::InvalidData)?;
        Ok((serde_json::from_slice(head)?, bodies))
    }
}

impl BodyHead {
    fn new(body: &Body) -> Self {
        Self {
            kept: body.bytes.as_ref().map(Vec::len),
            total: body.total,
            cut: body.cut,
            decoded: body.decoded.clone(),
        }
    }

    /// Takes the body from the front of `bodies`.
    fn take(self, bodies: &mut &[u8], is_packed: bool) -> Kept {
        let (bytes, rest) = bodies.split_at_checked(self.kept.unwrap_or_default()).unwrap_or((bodies, &[]));
        *bodies = rest;
        if is_packed && self.decoded.is_none() && !bytes.is_empty() {
            let mut kept = Kept::new(LARGEST);
            kept.push(bytes);
            return kept;
        }
        Kept::known(self.kept.map(|_| bytes.to_vec()), self.total, self.cut, self.decoded)
    }
}

impl End {
    /// Keeps how a connection ended.
    pub(super) fn write(closing: &Closing) -> Vec<u8> {
        let Closing { by, code, reason, clean } = closing;
        let engine = by.map(|by| by == Side::Engine);
        let end = Self { engine, code: *code, reason: reason.clone(), clean: *clean };
        serde_json::to_vec(&end).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> io::Result<Closing> {
        let Self { engine, code, reason, clean } = serde_json::from_slice(bytes)?;
        let by = engine.map(|engine| if engine { Side::Engine } else { Side::Client });
        Ok(Closing { by, code, reason, clean })
    }
}

/// Writes items to a recording.
pub(super) struct Writing {
    pub(super) writer: RecordingWriter,
    /// Microseconds since 1970.
    pub(super) started: u64,
    /// The number of the connection that an entry has become.
    pub(super) connections: HashMap<u32, u64>,
}

impl Writing {
    pub(super) fn item(&mut self, item: Item) -> io::Result<()> {
        let Item { entry, time, kind, bytes } = item;
        let at = Duration::from_micros(time.saturating_sub(self.started));
        let from = if kind & ENGINE == 0 { Side::Client } else { Side::Engine };
        let message = match kind & !ENGINE {
            OPEN | REFUSED | HTTP => return self.heads(at, entry, kind, &bytes),
            CLOSE => {
                if let Some(conn) = self.connections.remove(&entry) {
                    self.writer.close(at, conn, &End::read(&bytes)?);
                }
                return Ok(());
            }
            BINARY => FrameText::Binary(Bytes::from(bytes)),
            OMITTED => {
                let size = bytes.first_chunk().ok_or(io::ErrorKind::InvalidData)?;
                FrameText::Omitted(u64::from_le_bytes(*size))
            }
            _ => FrameText::Text(Bytes::from(bytes)),
        };
        if let Some(conn) = self.connections.get(&entry) {
            self.writer.frame(at, *conn, from, &message);
        }
        Ok(())
    }

    fn heads(&mut self, at: Duration, entry: u32, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let (heads, mut bodies) = Heads::read(bytes)?;
        let (request, response) = (map(&heads.request), map(&heads.response));
        let status = heads.status.and_then(|status| StatusCode::from_u16(status).ok());
        let injected = Injected::default();
        let packed = |headers: &HeaderMap| headers.contains_key(http::header::CONTENT_ENCODING);
        let sent = heads.sent.take(&mut bodies, packed(&request));
        if kind == HTTP {
            let answered = heads.answered.take(&mut bodies, packed(&response));
            self.writer.exchange(
                at,
                Exchanged {
                    method: Method::from_bytes(heads.method.as_bytes()).unwrap_or_default(),
                    url: heads.url,
                    status,
                    request,
                    response,
                    injected,
                    sent,
                    answered,
                    wait: heads.wait.map(Duration::from_micros),
                    took: Duration::from_micros(heads.took),
                    error: heads.error,
                },
            );
            return Ok(());
        }
        let default = if kind == OPEN { StatusCode::SWITCHING_PROTOCOLS } else { StatusCode::BAD_GATEWAY };
        let upgrade = Upgrade {
            url: &heads.url,
            status: status.unwrap_or(default),
            request: &request,
            response: &response,
            injected: &injected,
        };
        if kind == OPEN {
            let conn = self.writer.open(at, &upgrade);
            self.connections.insert(entry, conn);
        } else {
            self.writer.refused(at, &upgrade, bodies, heads.error.as_deref());
        }
        Ok(())
    }
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    headers.iter().map(pair).collect()
}

fn map(pairs: &[(String, String)]) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(pairs.len());
    for (name, value) in pairs {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value.as_bytes()))
        {
            headers.append(name, value);
        }
    }
    headers
}
