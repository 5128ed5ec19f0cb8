//! One plain HTTP exchange on its way into the recording.

use std::{borrow::Cow, time::Duration};

use http::{
    HeaderMap, HeaderName, Method, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use super::{
    Injected, Seen,
    decode::{Decoded, decode},
    redact::{Redaction, Redactor},
};

/// An exchange as it crossed the proxy, secrets and all.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) method: Method,
    /// Path and query of the client's request.
    pub(crate) url: String,
    /// What the client was answered; `None` if nothing.
    pub(crate) status: Option<StatusCode>,
    pub(crate) request: HeaderMap,
    pub(crate) response: HeaderMap,
    pub(crate) injected: Injected,
    pub(crate) sent: Kept,
    pub(crate) answered: Kept,
    /// From the request's head to the answer's.
    pub(crate) wait: Option<Duration>,
    /// From the request's head to the end.
    pub(crate) took: Duration,
    pub(crate) error: Option<String>,
}

/// The beginning of a body, and how long it was.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    total: u64,
    limit: usize,
    known: Option<Known>,
}

/// What whoever has kept a body says of it.
#[derive(Debug)]
struct Known {
    /// Whether there is a body at all, empty or not.
    kept: bool,
    cut: bool,
    /// The compression that was undone.
    decoded: Option<String>,
}

impl Kept {
    /// Keeps at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, ..Self::default() }
    }

    /// Takes over what another has kept, if anything: `bytes`, only the beginning if it was `cut`, of a body of which `total` bytes
    /// crossed, in the compression that was `decoded` if there was one.
    pub(crate) fn known(bytes: Option<Vec<u8>>, total: u64, cut: bool, decoded: Option<String>) -> Self {
        let known = Some(Known { kept: bytes.is_some(), cut, decoded });
        let bytes = bytes.unwrap_or_default();
        let total = total.max(u64::from(!bytes.is_empty()));
        Self { limit: bytes.len(), bytes, total, known }
    }

    /// Makes room for what is known to come.
    pub(crate) fn expect(&mut self, bytes: u64) {
        let room = (self.limit - self.bytes.len()) as u64;
        // What a peer announces it need not send.
        self.bytes.reserve_exact(bytes.min(room).min(1 << 20) as usize);
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let (had, taken) = (self.bytes.len(), bytes.len().min(self.limit - self.bytes.len()));
        if had + taken > self.bytes.capacity() {
            // Doubled, but not beyond what may be kept.
            self.bytes.reserve_exact((2 * had).clamp(had + taken, self.limit) - had);
        }
        self.bytes.extend_from_slice(&bytes[..taken]);
    }

    /// Returns how many bytes came, kept or not.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Returns how much memory this takes, which may be more than what is kept.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity()
    }

    fn is_cut(&self) -> bool {
        self.known.as_ref().map_or(self.total > self.bytes.len() as u64, |known| known.cut)
    }
}

/// An exchange without its secrets, as its line has it.
#[derive(Debug, Default)]
pub(super) struct CleanExchange {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: Option<u16>,
    pub(super) request: Vec<(String, String)>,
    pub(super) response: Vec<(String, String)>,
    pub(super) request_body: CleanBody,
    pub(super) response_body: CleanBody,
    pub(super) wait: Option<u64>,
    pub(super) took: u64,
    pub(super) error: Option<String>,
    pub(super) redacted: Vec<String>,
}

/// A body without its secrets.
#[derive(Debug, Default)]
pub(super) struct CleanBody {
    /// All that crossed.
    pub(super) bytes: u64,
    pub(super) cut: bool,
    pub(super) decoded: Option<Cow<'static, str>>,
    /// What was kept of it, decoded.
    pub(super) content: Option<Vec<u8>>,
}

impl Exchanged {
    /// Returns the bytes that this keeps in memory, as far as they can be many.
    pub(super) fn bytes(&self) -> usize {
        let headers = self.request.iter().chain(&self.response);
        let headers = headers.map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        self.url.len() + headers + self.sent.held() + self.answered.held()
    }

    /// Takes the secrets out; `secret_headers` are those that always are, besides the known ones.
    pub(super) fn clean(self, redaction: &Redaction, secret_headers: &[HeaderName]) -> CleanExchange {
        let mut redactor = Redactor::new(redaction, secret_headers);
        redactor.know(&self.injected);
        let url = redactor.url("url", &self.url);
        let request = redactor.headers("request", &self.request);
        let response = redactor.headers("response", &self.response);
        let request_body = body(&mut redactor, "request_body", &self.request, self.sent);
        let response_body = body(&mut redactor, "response_body", &self.response, self.answered);
        let error = self.error.map(|error| redactor.echo("error", &error).into_owned());
        CleanExchange {
            method: self.method.as_str().to_owned(),
            url,
            status: self.status.map(|status| status.as_u16()),
            request,
            response,
            request_body,
            response_body,
            wait: self.wait.map(|wait| wait.as_micros() as u64),
            took: self.took.as_micros() as u64,
            error,
            redacted: std::mem::take(&mut redactor.redacted),
        }
    }
}

impl CleanExchange {
    /// Returns what an observer is told.
    pub(super) fn seen(&self) -> Seen<'_> {
        Seen::Exchanged {
            method: &self.method,
            url: &self.url,
            status: self.status,
            took: self.took,
            sent: self.request_body.bytes,
            answered: self.response_body.bytes,
            error: self.error.as_deref(),
        }
    }
}

fn body(redactor: &mut Redactor<'_>, part: &str, headers: &HeaderMap, kept: Kept) -> CleanBody {
    let mut clean = CleanBody { bytes: kept.total, cut: kept.is_cut(), ..CleanBody::default() };
    let Kept { bytes, limit, known, .. } = kept;
    if bytes.is_empty() && !known.as_ref().is_some_and(|known| known.kept) {
        // Nothing was kept, which `bytes` says.
        clean.cut = false;
        return clean;
    }
    let encodings: Vec<_> = headers.get_all(CONTENT_ENCODING).iter().collect();
    let mut content = match encodings[..] {
        _ if known.is_some() => {
            clean.decoded = known.and_then(|known| known.decoded).map(Cow::Owned);
            bytes
        }
        [] => bytes,
        [one] => match decode(one.as_bytes(), bytes, clean.cut, limit) {
            Some(Decoded { bytes, by, cut }) => {
                (clean.decoded, clean.cut) = (by.map(Cow::Borrowed), cut);
                bytes
            }
            // There may be secrets in it that nobody can find.
            None => {
                clean.cut = false;
                return clean;
            }
        },
        _ => {
            clean.cut = false;
            return clean;
        }
    };
    if clean.cut
        && let Err(fault) = std::str::from_utf8(&content)
        && fault.error_len().is_none()
    {
        // A character that was cut at the end does not make it binary.
        content.truncate(fault.valid_up_to());
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    clean.content = Some(redactor.body(part, kind, &content).unwrap_or(content));
    clean
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An exchange with nothing in it.
    pub(in crate::record) fn exchanged() -> Exchanged {
        Exchanged {
            method: Method::POST,
            url: "/".to_owned(),
            status: None,
            request: HeaderMap::new(),
            response: HeaderMap::new(),
            injected: Injected::default(),
            sent: Kept::new(4),
            answered: Kept::new(4),
            wait: None,
            took: Duration::ZERO,
            error: None,
        }
    }

    #[test]
    fn body_is_kept_up_to_the_limit_and_counted_beyond() {
        let mut kept = Kept::new(5);
        kept.expect(1 << 40);
        assert!(kept.bytes.capacity() < 1 << 21, "no memory for mere announcements");
        kept.push(b"abc");
        assert!(!kept.is_cut());
        kept.push(b"defg");
        assert_eq!((&kept.bytes[..], kept.total, kept.is_cut()), (&b"abcde"[..], 7, true));
        let mut pieces = Kept::new(1000);
        (0..3000).for_each(|_| pieces.push(b"x"));
        assert_eq!(pieces.bytes.capacity(), 1000);
        let mut none = Kept::new(0);
        none.push(b"abc");
        assert_eq!((none.held(), none.total), (0, 3));
    }

    #[test]
    fn memory_kept_for_what_never_came_is_counted() {
        let mut exchanged = exchanged();
        exchanged.sent = Kept::new(1 << 20);
        exchanged.sent.expect(1 << 20);
        exchanged.sent.push(b"abc");
        assert!(exchanged.bytes() >= 1 << 20);
    }

    #[test]
    fn character_cut_in_two_does_not_make_a_text_binary() {
        let mut sent = Kept::new(4);
        sent.push("abcé".as_bytes());
        let exchanged = Exchanged { sent, ..exchanged() };
        let clean = exchanged.clean(&Redaction::standard(), &[]);
        assert_eq!(clean.request_body.content.as_deref(), Some(&b"abc"[..]));
        assert!(clean.request_body.cut && clean.request_body.bytes == 5);
        assert!(clean.response_body.content.is_none());
    }
}
