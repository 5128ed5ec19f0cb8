//! Which recorded exchange answers a request.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::Arc,
};

use http::HeaderMap;

use super::{
    answer::{Head, Upstreams},
    miss::PageFault,
    sent::Sent,
    store::{Store, Stored},
    target::{self, Reading},
};
use crate::record::{EntryKind, Exchange, FrameText, HttpBody, MASK, Opening, Redaction, Redactor};

/// The method of upgrades, which none of HTTP has.
const SOCKET: &str = "(WebSocket)";

/// Headers that make an answer one for a client that has the content already, or wants a part of it.
const VALIDATORS: [&str; 5] = ["if-none-match", "if-modified-since", "if-match", "if-range", "range"];

/// The plain HTTP of a recording, and its upgrades.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    pub(super) redaction: Redaction,
    pub(super) upstreams: Upstreams,
    pub(super) store: Arc<Store>,
    recorded: Vec<Recorded>,
    by_key: HashMap<Box<str>, Vec<u32>>,
    /// What requests named in `Host`.
    hosts: Vec<Box<str>>,
    /// Query parameters whose values the recorder has replaced, by rules that may not be known here.
    masked: HashSet<String>,
    exchanges: usize,
}

/// A recorded request and what came of it.
#[derive(Debug)]
pub(super) struct Recorded {
    method: Box<str>,
    url: Box<str>,
    host: u32,
    login: Login,
    sent: Sent,
    /// What the client said that it has already, if the answer is for such a client only.
    only_for: Option<Box<str>>,
    pub(super) status: u16,
    pub(super) head: Stored,
    pub(super) body: Kept,
}

/// What is known of the body of an answer.
#[derive(Debug)]
pub(super) enum Kept {
    Whole(Stored),
    /// It had this many bytes, which the recording has not, or not all.
    Not(u64),
    /// There was no answer, or it broke off.
    Broken,
}

/// By what means a client says who it is, not who it is: before a login requests get other answers than after it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Login {
    cookie: bool,
    authorization: bool,
    query: bool,
}

/// A request to be answered.
#[derive(Debug)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Path and query, secrets removed.
    pub(super) url: &'a str,
    pub(super) host: &'a str,
    pub(super) login: Login,
    pub(super) validators: Option<String>,
    pub(super) sent: Sent,
}

/// Which recorded exchanges have answered somebody.
#[derive(Debug, Default)]
pub(super) struct Used(Vec<bool>);

/// What answers a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    /// This exchange.
    Exchange(usize),
    /// The head of what this exchange answers to GET.
    HeadOf(usize),
    /// What the origin of this exchange lets pages of other origins do.
    Preflight(usize),
}

impl Pages {
    /// Begins with a recording's `upstream`.
    pub(crate) fn new(upstream: &str, redaction: &Redaction) -> Self {
        Self { redaction: redaction.clone(), upstreams: Upstreams::new(upstream), ..Self::default() }
    }

    /// Returns how many exchanges of plain HTTP there are.
    pub(crate) fn exchanges(&self) -> usize {
        self.exchanges
    }

    /// Takes an entry of the recording in, if it is about plain HTTP or an upgrade.
    ///
    /// # Errors
    ///
    /// What the system says if there is no room for it.
    pub(crate) fn entry(&mut self, entry: &EntryKind) -> io::Result<()> {
        match entry {
            EntryKind::Http(exchange) => self.learn(exchange),
            EntryKind::Open(opening) if !opening.continued => self.learn_upgrade(opening, Kept::Broken),
            EntryKind::Refused(opening) => {
                let body = Kept::Whole(self.store.put(opening.body.as_bytes())?);
                self.learn_upgrade(opening, body)
            }
            _ => Ok(()),
        }
    }

    fn learn(&mut self, exchange: &Exchange) -> io::Result<()> {
        self.exchanges += 1;
        let sent = self.sent(exchange);
        let body = match (exchange.status, &exchange.error) {
            (None, _) => Kept::Broken,
            // What the recorder said in the upstream's place.
            (Some(_), Some(error)) if exchange.response.is_empty() => {
                Kept::Whole(self.store.put(format!("{error}\n").as_bytes())?)
            }
            (Some(_), Some(_)) => Kept::Broken,
            (Some(_), None) => match &exchange.response_body {
                HttpBody { bytes: 0, .. } => Kept::Whole(self.store.put(b"")?),
                HttpBody {
                    cut: false,
                    content: Some(FrameText::Text(body) | FrameText::Binary(body)),
                    ..
                } => Kept::Whole(self.store.put(body)?),
                HttpBody { bytes, .. } => Kept::Not(*bytes),
            },
        };
        let status = exchange.status.unwrap_or_default();
        let decoded = exchange.response_body.decoded.is_some();
        let (url, request, response) = (&exchange.url, &exchange.request, &exchange.response);
        self.add(&exchange.method, url, request, Head::new(request, response, decoded), (status, sent, body))
    }

    fn learn_upgrade(&mut self, opening: &Opening, body: Kept) -> io::Result<()> {
        let head = Head::new(&opening.request, &opening.response, true);
        self.add(SOCKET, &opening.url, &opening.request, head, (opening.status, Sent::Nothing, body))
    }

    fn add(
        &mut self,
        method: &str,
        url: &str,
        request: &[(String, String)],
        head: Head,
        (status, sent, body): (u16, Sent, Kept),
    ) -> io::Result<()> {
        let host = self.host(header(request, "host").unwrap_or_default());
        let validators = || validators(|name| header(request, name).map(str::to_owned));
        let is_partial = matches!(status, 206 | 304 | 412 | 416);
        let at = self.recorded.len();
        let known = self.masked.len();
        self.masked.extend(target::masked(url));
        let masked = self.masked.len() > known;
        self.recorded.push(Recorded {
            method: method.into(),
            url: self.redaction.url(url).into(),
            host,
            login: Login::new(url, |name| header(request, name).is_some()),
            sent,
            only_for: is_partial.then(|| validators().unwrap_or_default().into()),
            status,
            head: self.store.put(&head.write())?,
            body,
        });
        // A parameter that was masked once makes no difference from then on, and never made one.
        let from = if masked { 0 } else { at };
        if masked {
            self.by_key.clear();
        }
        for at in from..=at {
            let recorded = &self.recorded[at];
            let key = self.key(&recorded.method, &recorded.url, &self.hosts[recorded.host as usize]);
            self.by_key.entry(key).or_default().push(at as u32);
        }
        Ok(())
    }

    /// Finds what answers a request.
    pub(super) fn find(&self, asked: &Asked<'_>, used: &mut Used) -> Result<Found, PageFault> {
        if let Some(same) = self.by_key.get(&self.key(asked.method, asked.url, asked.host)) {
            return self.choose(same, asked, used).map(Found::Exchange);
        }
        let other = match asked.method {
            "HEAD" => self.by_key.get(&self.key("GET", asked.url, asked.host)),
            _ => None,
        };
        if let Some(same) = other {
            // Who has only looked has not used it up.
            return self.choose(same, asked, &mut Used(used.0.clone())).map(Found::HeadOf);
        }
        if asked.method == "OPTIONS" {
            let path = |url: &str| self.key("", url.split('?').next().unwrap_or_default(), asked.host);
            let same =
                |recorded: &Recorded| &*recorded.method != SOCKET && path(&recorded.url) == path(asked.url);
            if let Some(at) = self.recorded.iter().position(same) {
                return Ok(Found::Preflight(at));
            }
        }
        Err(PageFault::Nearest(self.nearest(asked)))
    }

    /// Returns the refusal that an upgrade gets, if it gets one.
    pub(super) fn refusal(&self, asked: &Asked<'_>, used: &mut Used) -> Option<usize> {
        let same = self.by_key.get(&self.key(SOCKET, asked.url, asked.host))?;
        let same = self.like(same.iter().map(|at| *at as usize).collect(), asked);
        let is_refusal = |at: &usize| matches!(self.recorded[*at].body, Kept::Whole(_));
        // What was accepted once, is.
        let last = || same.iter().rfind(|at| !is_refusal(at)).or(same.last()).copied();
        used.next(&same).or_else(last).filter(is_refusal)
    }

    /// Returns a recorded exchange.
    pub(super) fn recorded(&self, at: usize) -> &Recorded {
        &self.recorded[at]
    }

    /// Returns the hosts that were asked.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(|host| &**host)
    }

    /// Returns what makes requests equal, but for their bodies.
    fn key(&self, method: &str, url: &str, host: &str) -> Box<str> {
        self.reading(host, |reading| format!("{method} {}", reading.target(url))).into()
    }

    /// Reads a live body without its secrets.
    pub(super) fn live_body(&self, headers: &HeaderMap, host: &str, body: &[u8]) -> Sent {
        let mut redactor = Redactor::new(&self.redaction, &[]);
        redactor.headers("request", headers);
        let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let clean = redactor.body("request_body", kind, body);
        self.reading(host, |reading| Sent::new(kind, clean.as_deref().unwrap_or(body), reading))
    }

    fn sent(&self, exchange: &Exchange) -> Sent {
        let body = match &exchange.request_body {
            HttpBody { bytes: 0, .. } => return Sent::Nothing,
            HttpBody {
                cut: false, content: Some(FrameText::Text(body) | FrameText::Binary(body)), ..
            } => body,
            _ => return Sent::Unknown,
        };
        let kind = header(&exchange.request, "content-type").unwrap_or_default();
        let host = header(&exchange.request, "host").unwrap_or_default();
        let clean = Redactor::new(&self.redaction, &[]).body("request_body", kind, body);
        self.reading(host, |reading| Sent::new(kind, clean.as_deref().unwrap_or(body), reading))
    }

    fn reading<T>(&self, host: &str, read: impl FnOnce(&Reading<'_>) -> T) -> T {
        let ignored = |name: &str| self.redaction.is_query(name) || self.masked.contains(name);
        read(&Reading { host, ignored: &ignored })
    }

    fn host(&mut self, host: &str) -> u32 {
        let known = self.hosts.iter().position(|known| &**known == host);
        known.unwrap_or_else(|| {
            self.hosts.push(host.into());
            self.hosts.len() - 1
        }) as u32
    }

    /// Chooses among exchanges with one key: the next that nobody was answered with, or the last.
    fn choose(&self, same: &[u32], asked: &Asked<'_>, used: &mut Used) -> Result<usize, PageFault> {
        let mut left: Vec<usize> = same.iter().map(|at| *at as usize).collect();
        left.retain(|at| self.recorded[*at].sent.may_be(asked.sent));
        if left.is_empty() {
            return Err(PageFault::OtherBody);
        }
        prefer(&mut left, |at| self.recorded[at].sent == asked.sent);
        let all = left.clone();
        left.retain(|at| matches!(self.recorded[*at].body, Kept::Whole(_)));
        if left.is_empty() {
            let bytes = all.iter().find_map(|at| match self.recorded[*at].body {
                Kept::Not(bytes) => Some(bytes),
                Kept::Whole(_) | Kept::Broken => None,
            });
            return Err(bytes.map_or(PageFault::Unanswered, PageFault::NotKept));
        }
        left.retain(|at| {
            let only_for = self.recorded[*at].only_for.as_deref();
            only_for.is_none_or(|only_for| asked.validators.as_deref() == Some(only_for))
        });
        prefer(&mut left, |at| self.recorded[at].only_for.is_some());
        let mut left = self.like(left, asked);
        // A time is one of now, or says which data is wanted.
        prefer(&mut left, |at| *self.recorded[at].url == *asked.url);
        used.next(&left).or(left.last().copied()).ok_or(PageFault::Partial)
    }

    /// Leaves those that are for the same host and whose client was as logged in as this one, if there are any.
    fn like(&self, mut left: Vec<usize>, asked: &Asked<'_>) -> Vec<usize> {
        if self.upstreams.by_host() {
            prefer(&mut left, |at| *self.hosts[self.recorded[at].host as usize] == *asked.host);
        }
        prefer(&mut left, |at| self.recorded[at].login == asked.login);
        left
    }

    /// Returns the recorded request that shares most with this one: its path, then its beginning, then its method.
    fn nearest(&self, asked: &Asked<'_>) -> String {
        let path = |url: &str| url.split('?').next().map(str::len);
        let likeness = |recorded: &Recorded| {
            let same =
                recorded.url.bytes().zip(asked.url.bytes()).take_while(|(one, other)| one == other).count();
            (
                path(asked.url) == path(&recorded.url) && Some(same) >= path(asked.url),
                same,
                &*recorded.method == asked.method,
            )
        };
        let exchanges = self.recorded.iter().filter(|recorded| &*recorded.method != SOCKET);
        // The first of equals, in recorded order.
        let best = exchanges.reduce(|best, next| if likeness(next) > likeness(best) { next } else { best });
        best.map(|best| format!("{} {}", best.method, best.url)).unwrap_or_default()
    }
}

impl Login {
    pub(super) fn new(url: &str, has: impl Fn(&str) -> bool) -> Self {
        Self { cookie: has("cookie"), authorization: has("authorization"), query: target::has_secret(url) }
    }
}

impl Used {
    /// Returns the first that was not used, and uses it.
    fn next(&mut self, of: &[usize]) -> Option<usize> {
        let next = of.iter().copied().find(|at| !self.0.get(*at).copied().unwrap_or_default())?;
        if self.0.len() <= next {
            self.0.resize(next + 1, false);
        }
        self.0[next] = true;
        Some(next)
    }
}

/// Returns what a request says that its client has already; `None` if nothing.
pub(super) fn validators(header: impl Fn(&str) -> Option<String>) -> Option<String> {
    let said = VALIDATORS.iter().filter_map(|name| Some(format!("{name}: {}\n", header(name)?)));
    let said: String = said.collect();
    (!said.is_empty()).then_some(said)
}

/// Returns the value of a recorded header.
pub(super) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(found, _)| found == name).map(|(_, value)| &**value)
}

/// Returns whether a recorded value was replaced as a secret.
pub(super) fn is_masked(value: &str) -> bool {
    value == MASK
}

fn prefer(left: &mut Vec<usize>, like: impl Fn(usize) -> bool) {
    if left.iter().any(|at| like(*at)) {
        left.retain(|at| like(*at));
    }
}
