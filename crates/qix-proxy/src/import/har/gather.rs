//! Takes in what a HAR has, entry by entry, and keeps what becomes part of the recording.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use http::{
    Method,
    header::{HOST, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LOCATION},
};
use qix_protocol::frame::Raw;
use serde_json::value::RawValue;

use super::{
    attached,
    exchange::{Half, Target, durations},
    kept::{CLOSE, End, HTTP, Heads, OPEN, REFUSED},
    messages::Messages,
    spool::{Run, Spool, Times},
    time,
};
use crate::{
    import::{ImportSettings, LeftOut},
    record::Redaction,
};

/// How many things that were left out are kept one by one.
const MOST_LEFT_OUT: usize = 10_000;

/// What a HAR has.
pub(super) struct Gather<'a> {
    settings: &'a ImportSettings,
    /// What is shown to nobody, whatever is recorded.
    redaction: Redaction,
    /// Where bodies lie that the HAR only names, if anywhere.
    folder: Option<PathBuf>,
    pub(super) spool: Spool,
    pub(super) runs: Vec<Run>,
    /// Whether it is a HAR at all.
    pub(super) has_entries: bool,
    /// Why nothing more can be kept.
    pub(super) fault: Option<io::Error>,
    pub(super) tally: Tally,
    entries: u32,
    current: Option<Current>,
}

/// What was found, in sum.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// The first thing that is kept, in microseconds since 1970.
    pub(super) earliest: Option<u64>,
    /// The first page.
    pub(super) page: Option<u64>,
    /// When the first socket to an engine was opened, and the engine's URL.
    pub(super) upstream: Option<(u64, String)>,
    /// The same of other sockets.
    pub(super) other: Option<(u64, String)>,
    /// WebSockets that are kept.
    pub(super) sockets: u64,
    /// WebSockets without messages.
    pub(super) silent: u64,
    /// Upgrades that were refused.
    pub(super) refused: u64,
    /// WebSockets of something else.
    pub(super) others: u64,
    /// Messages with made-up times.
    pub(super) made_up: u64,
    /// Entries without a time.
    pub(super) undated: u64,
    /// Answers that a cache had, made what the server would have answered without it.
    pub(super) revalidated: u64,
    pub(super) left_out: Vec<LeftOut>,
    /// What was left out beyond that.
    pub(super) more: u64,
    /// URLs that are none of a network, by their beginning.
    pub(super) schemes: BTreeMap<String, u64>,
    /// When the last entry began.
    latest: u64,
}

/// The entry that is being read.
#[derive(Default)]
struct Current {
    start: u64,
    members: Members,
    messages: Messages,
}

/// What is kept of an entry until it is whole: its members come in any order.
#[derive(Default)]
struct Members {
    started: Option<Box<RawValue>>,
    time: Option<Box<RawValue>>,
    timings: Option<Box<RawValue>>,
    request: Option<Box<RawValue>>,
    response: Option<Box<RawValue>>,
    kind: Option<Box<RawValue>>,
    close: Option<Box<RawValue>>,
    error: Option<Box<RawValue>>,
}

impl Members {
    fn slot(&mut self, name: &str) -> Option<&mut Option<Box<RawValue>>> {
        Some(match name {
            "startedDateTime" => &mut self.started,
            "time" => &mut self.time,
            "timings" => &mut self.timings,
            "request" => &mut self.request,
            "response" => &mut self.response,
            "_resourceType" => &mut self.kind,
            "_webSocketClose" => &mut self.close,
            "_error" => &mut self.error,
            _ => return None,
        })
    }
}

fn raw(value: &Option<Box<RawValue>>) -> Option<Raw<'_>> {
    Raw::new(value.as_ref()?.get().as_bytes()).ok()
}

impl<'a> Gather<'a> {
    pub(super) fn new(settings: &'a ImportSettings, har: &Path) -> io::Result<Self> {
        let folder = (har != Path::new("-")).then(|| har.parent().unwrap_or(Path::new("")).to_owned());
        Ok(Self {
            settings,
            redaction: if settings.redaction.is_on() {
                settings.redaction.clone()
            } else {
                Redaction::standard()
            },
            folder,
            spool: Spool::new()?,
            runs: Vec::new(),
            has_entries: false,
            fault: None,
            tally: Tally::default(),
            entries: 0,
            current: None,
        })
    }

    /// Remembers why nothing more can be kept, and says so in words.
    pub(super) fn fail(&mut self, error: io::Error) -> String {
        let text = error.to_string();
        self.fault = Some(error);
        text
    }

    /// Takes in when a page began.
    pub(super) fn page(&mut self, page: &[u8]) {
        let started = Raw::new(page).ok().and_then(|page| page.member("startedDateTime"));
        if let Some(started) = started.and_then(time::of_entry) {
            self.tally.page = Some(self.tally.page.map_or(started, |page| page.min(started)));
        }
    }

    /// Begins an entry.
    pub(super) fn begin(&mut self) {
        self.entries += 1;
        self.current = Some(Current { start: self.spool.at(), ..Current::default() });
    }

    pub(super) fn wants(&mut self, name: &str) -> bool {
        self.current.as_mut().is_some_and(|current| current.members.slot(name).is_some())
    }

    /// Takes in a member of the entry.
    pub(super) fn member(&mut self, name: &str, value: Box<RawValue>) {
        if let Some(slot) = self.current.as_mut().and_then(|current| current.members.slot(name)) {
            *slot = Some(value);
        }
    }

    pub(super) fn begin_messages(&mut self) {
        if let Some(current) = &mut self.current {
            current.messages.begin(self.entries);
        }
    }

    /// Takes in a message of the entry.
    pub(super) fn message(&mut self, text: &[u8]) -> io::Result<()> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if let Some((place, why)) = current.messages.take(text, &mut self.spool)? {
            self.leave_out(place, why);
        }
        Ok(())
    }

    /// Ends the entry, which is not `whole` if the file ends in it.
    pub(super) fn finish(&mut self, whole: bool) -> io::Result<()> {
        let Some(current) = self.current.take() else { return Ok(()) };
        let start = current.start;
        if !self.entry(current, whole)? {
            self.spool.truncate(start)?;
        }
        Ok(())
    }

    /// Keeps an entry, unless it returns `false`.
    fn entry(&mut self, current: Current, whole: bool) -> io::Result<bool> {
        let Current { members, mut messages, .. } = current;
        let Some(mut request) = raw(&members.request).map(Half::read) else {
            if whole {
                self.leave_out(self.place(), "it has no request");
            }
            return Ok(false);
        };
        let Some(target) = Target::read(&request.url).filter(Target::is_web) else {
            let scheme = request.url.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
            let is_scheme = |scheme: &String| {
                scheme.len() <= 20
                    && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            };
            let Some(scheme) = scheme
                .filter(is_scheme)
                .filter(|scheme| !matches!(&**scheme, "http" | "https" | "ws" | "wss"))
            else {
                if whole {
                    self.leave_out(self.place(), "its request has no URL with a host");
                }
                return Ok(false);
            };
            *self.tally.schemes.entry(scheme).or_default() += 1;
            return Ok(false);
        };
        if !request.headers.contains_key(HOST)
            && let Ok(host) = HeaderValue::try_from(&target.host)
        {
            request.headers.insert(HOST, host);
        }
        let mut response = raw(&members.response).map(Half::read).unwrap_or_default();
        let error = || raw(&members.error)?.decode::<String>().ok().filter(|error| !error.is_empty());
        response.error = response.error.or_else(error).or_else(|| messages.error.take());
        let started = raw(&members.started).and_then(time::of_entry).or_else(|| messages.first());
        let started = started.unwrap_or_else(|| {
            self.tally.undated += 1;
            self.tally.latest
        });
        self.tally.latest = started;
        let is_socket = messages.has_some()
            || matches!(&*target.scheme, "ws" | "wss")
            || raw(&members.kind).is_some_and(|kind| kind.as_bytes() == br#""websocket""#)
            || request.asks_for_socket();
        if !is_socket {
            let lasts = durations(raw(&members.time), raw(&members.timings));
            return if whole { self.exchange(&target, started, lasts, request, response) } else { Ok(false) };
        }
        if let Some(file) = response.body.file.take() {
            self.attached_messages(&file, &mut messages)?;
        }
        messages.end(raw(&members.close));
        let time = time::of_span(raw(&members.time));
        self.socket(&target, started, time, (&request, &mut response), messages)
    }

    /// Keeps a WebSocket.
    fn socket(
        &mut self,
        target: &Target,
        started: u64,
        time: Option<u64>,
        (request, response): (&Half, &mut Half),
        mut messages: Messages,
    ) -> io::Result<bool> {
        let url = self.shown(target);
        let count = messages.count;
        // A tool that has seen messages need not have seen the answer. Over HTTP/2 it is 200.
        let by_http2 = request.method == "CONNECT" && response.status == Some(200);
        let refused = match response.status {
            Some(status) => status != 101 && !by_http2,
            None => response.error.is_some(),
        };
        if count == 0 && refused {
            let error = response.error.take();
            response.error = error.filter(|_| response.status.is_none());
            let bytes = Heads::new(&target.path, request, response).write(request, response);
            self.put(started + time.unwrap_or_default(), REFUSED, &bytes)?;
            self.begins(started);
            self.tally.refused += 1;
            return Ok(true);
        }
        if count == 0 && !self.settings.all_sockets {
            self.tally.silent += 1;
            self.leave_out(self.place(), format!("the WebSocket {url} has no messages"));
            return Ok(false);
        }
        if !messages.is_of_engine && !self.settings.all_sockets {
            self.tally.others += 1;
            let why = format!(
                "the WebSocket {url} with {count} messages is not one to an engine; --all-sockets takes it over"
            );
            self.leave_out(self.place(), why);
            return Ok(false);
        }
        if let Some(why) = messages.unreadable() {
            self.leave_out(self.place(), why);
        }
        self.tally.made_up += messages.untimed();
        self.tally.sockets += 1;
        let opened = messages.first().map_or(started, |first| first.min(started));
        let upstream = match messages.is_of_engine {
            true => &mut self.tally.upstream,
            false => &mut self.tally.other,
        };
        if upstream.as_ref().is_none_or(|(first, _)| opened < *first) {
            *upstream = Some((opened, target.engine()));
        }
        self.begins(opened);
        response.status = Some(101);
        let heads = Heads::new(&target.path, request, response);
        self.put(opened, OPEN, &heads.write(&Half::default(), &Half::default()))?;
        let (runs, last) = messages.runs(opened, started, time);
        self.runs.extend(runs);
        if let Some((at, closing)) = messages.close {
            let end = started + time.unwrap_or_default();
            self.put(at.unwrap_or(end).max(last), CLOSE, &End::write(&closing))?;
        }
        Ok(true)
    }

    /// Keeps an exchange of plain HTTP.
    fn exchange(
        &mut self,
        target: &Target,
        started: u64,
        (took, wait): (Option<u64>, Option<u64>),
        mut request: Half,
        mut response: Half,
    ) -> io::Result<bool> {
        if self.settings.leave_out_http {
            return Ok(false);
        }
        let what = format!("{} {}", request.method, self.shown(target));
        if Method::from_bytes(request.method.as_bytes()).is_err() {
            self.leave_out(self.place(), format!("{what}: there is no such method"));
            return Ok(false);
        }
        for half in [&mut request, &mut response] {
            if let Some(file) = half.body.file.take()
                && half.body.bytes.is_none()
            {
                match attached::read(self.folder.as_deref(), &file) {
                    Ok(bytes) => {
                        half.body.total = half.body.total.max(bytes.len() as u64);
                        half.body.bytes = Some(bytes);
                    }
                    Err(why) => self.leave_out(self.place(), format!("{what}: {why}")),
                }
            }
        }
        if response.status == Some(304) && response.body.bytes.as_ref().is_some_and(|body| !body.is_empty()) {
            // The tool has the body that the cache had. Who replays it has no such cache.
            response.status = Some(200);
            request.headers.remove(IF_NONE_MATCH);
            request.headers.remove(IF_MODIFIED_SINCE);
            self.tally.revalidated += 1;
        }
        // Chromium calls it an error if nobody reads a body that there is none of.
        let is_bodiless = matches!(response.status, Some(204 | 205 | 304)) || request.method == "HEAD";
        response.error = response.error.filter(|_| !is_bodiless);
        // Nobody reads that of a redirect either, so that tools have its size and not its text.
        let is_redirect = response.status.is_some_and(|status| (300..400).contains(&status))
            && response.headers.contains_key(LOCATION);
        if (is_bodiless || is_redirect) && response.body.bytes.is_none() {
            response.body.total = 0;
        }
        for (whose, body) in [("request", &request.body), ("answer", &response.body)] {
            let total = body.total;
            let why = match body {
                _ if body.fault.is_some() => body.fault.unwrap_or_default().to_owned(),
                _ if body.cut => format!("the body of the {whose} is only the beginning"),
                _ if body.bytes.is_none() && total > 0 && response.status != Some(304) => {
                    format!("the body of the {whose}, {total} bytes, is not in the HAR")
                }
                _ => continue,
            };
            self.leave_out(self.place(), format!("{what}: {why}"));
        }
        let mut heads = Heads::new(&target.path, &request, &response);
        heads.took = took.unwrap_or_default();
        heads.wait = wait.filter(|_| response.status.is_some());
        self.put(started + heads.took, HTTP, &heads.write(&request, &response))?;
        self.begins(started);
        Ok(true)
    }

    /// Takes in messages that lie in a file beside the HAR.
    fn attached_messages(&mut self, file: &str, messages: &mut Messages) -> io::Result<()> {
        let lines = match attached::lines(self.folder.as_deref(), file) {
            Ok(lines) => lines,
            Err(why) => {
                self.leave_out(self.place(), why);
                return Ok(());
            }
        };
        messages.begin(self.entries);
        for line in lines {
            let line = match line {
                Ok(line) => line,
                Err(error) => {
                    self.leave_out(self.place(), attached::unreadable(file, &error));
                    break;
                }
            };
            if let Some((place, why)) = messages.take(line.as_bytes(), &mut self.spool)? {
                self.leave_out(place, why);
            }
        }
        Ok(())
    }

    /// Keeps one item that is a run of its own.
    fn put(&mut self, time: u64, kind: u8, bytes: &[u8]) -> io::Result<()> {
        let start = self.spool.at();
        self.spool.put(time, kind, bytes)?;
        self.runs.push(Run { entry: self.entries, start, end: self.spool.at(), times: Times::Kept(0) });
        Ok(())
    }

    fn begins(&mut self, at: u64) {
        self.tally.earliest = Some(self.tally.earliest.map_or(at, |earliest| earliest.min(at)));
    }

    fn place(&self) -> String {
        format!("entry {}", self.entries)
    }

    /// Returns a URL that may be shown to anybody.
    fn shown(&self, target: &Target) -> String {
        let Target { scheme, host, path } = target;
        self.redaction.url(&format!("{scheme}://{host}{path}"))
    }

    fn leave_out(&mut self, place: String, why: impl Into<String>) {
        if self.tally.left_out.len() < MOST_LEFT_OUT {
            self.tally.left_out.push(LeftOut { place, why: why.into() });
        } else {
            self.tally.more += 1;
        }
    }
}
