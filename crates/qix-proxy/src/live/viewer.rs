//! The thread that shows: reads the feed, and tells the terminal, the log and the metrics.

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    calls::{CallDone, Event, Tracker},
    exchange::Exchange,
    feed::{Feed, Item, What},
    line::{self, Clock, Line},
    notices::Weight,
    reload::Running,
    screen::Screen,
    status,
};
use crate::{filter::Filter, metrics::Counts, record::Seen};

/// How often the time of calls that go on is shown anew.
const TICK: Duration = Duration::from_secs(1);
/// How long the end may take: a terminal that was stopped must not hold up the exit.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many calls that go on have a line at the bottom.
const MOST_RUNNING: usize = 4;
/// Where the log has completed calls.
pub(crate) const CALLS: &str = "qix_proxy::calls";

/// What is done with what is seen.
#[derive(Debug, Default)]
pub(crate) struct Watching {
    /// Where lines are shown.
    pub(crate) screen: Option<Screen>,
    /// Which calls are shown and logged.
    pub(crate) filter: Filter,
    /// What counts calls.
    pub(crate) counts: Option<Arc<Counts>>,
}

/// A thread that shows until it is stopped.
#[derive(Debug)]
pub(crate) struct Viewer {
    feed: Arc<Feed>,
    ended: mpsc::Receiver<()>,
}

impl Viewer {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// What the system says if it gives no thread.
    pub(crate) fn start(feed: Arc<Feed>, watching: Watching) -> io::Result<Self> {
        let (ending, ended) = mpsc::channel();
        let mut view = View::new(Arc::clone(&feed), watching);
        thread::Builder::new().name("viewer".to_owned()).spawn(move || {
            let hangup = Hangup(Arc::clone(&view.feed));
            view.run();
            drop(hangup);
            let _ = ending.send(());
        })?;
        Ok(Self { feed, ended })
    }

    /// Shows the rest and takes away what stays at the bottom. Waits a little if the terminal takes nothing.
    pub(crate) fn stop(self) {
        self.feed.close();
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

/// Ends the feed when the thread ends, be it by a panic: the log must find another way then.
struct Hangup(Arc<Feed>);

impl Drop for Hangup {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[derive(Debug)]
struct View {
    feed: Arc<Feed>,
    watching: Watching,
    tracker: Tracker,
    clock: Clock,
    /// When the recording began, by the clock that does not jump.
    origin: Instant,
    /// The tenth that was shown last of each call that goes on, where nothing can be shown in place.
    shown: Vec<(u64, u64, Option<u8>)>,
    logs: bool,
}

impl View {
    fn new(feed: Arc<Feed>, watching: Watching) -> Self {
        let begun = feed.status().begun.unwrap_or_else(SystemTime::now);
        let age = begun.elapsed().unwrap_or_default();
        let now = Instant::now();
        Self {
            feed,
            watching,
            tracker: Tracker::default(),
            clock: Clock::new(begun),
            origin: now.checked_sub(age).unwrap_or(now),
            shown: Vec::new(),
            logs: tracing::enabled!(target: CALLS, tracing::Level::INFO),
        }
    }

    fn run(&mut self) {
        let mut items = Vec::new();
        self.draw(&[]);
        loop {
            let has_bottom = self.watching.screen.as_ref().is_some_and(Screen::has_bottom);
            let ticks = has_bottom && !self.tracker.running().is_empty();
            let goes_on = self.feed.take(&mut items, ticks.then_some(TICK));
            if let (false, Some(screen)) = (goes_on, &mut self.watching.screen) {
                // What is logged from now on goes to the terminal directly.
                let _ = screen.clear();
            }
            let mut lines = Vec::new();
            for item in items.drain(..) {
                self.take(item, &mut lines);
            }
            if let Some(counts) = &self.watching.counts {
                counts.in_flight(self.tracker.in_flight());
            }
            if !goes_on {
                if let Some(screen) = &mut self.watching.screen {
                    let _ = screen.draw(&lines, &[]);
                }
                return;
            }
            self.draw(&lines);
        }
    }

    fn take(&mut self, Item { conn, t, what }: Item, lines: &mut Vec<Line>) {
        let mut events = Vec::new();
        let mut tell = |event| events.push(event);
        let tracker = &mut self.tracker;
        match &what {
            What::Opened(url) => tracker.take(conn, t, &Seen::Opened { url }, &mut tell),
            What::Refused(url, status, error) => {
                let seen = Seen::Refused { url, status: *status, error: error.as_deref() };
                tracker.take(conn, t, &seen, &mut tell);
            }
            What::Text(from, text) => tracker.take(conn, t, &Seen::Text { from: *from, text }, &mut tell),
            What::Exchanged(exchanged) => tracker.take(conn, t, &exchanged.seen(), &mut tell),
            What::Large(start, size) => tracker.take_large(conn, t, start, *size, &mut tell),
            What::Closed { by, code, reason, clean, error } => {
                let (by, code, clean, error) = (*by, *code, *clean, error.as_deref());
                tracker.take(conn, t, &Seen::Closed { by, code, reason, clean, error }, &mut tell);
            }
            What::Lost(messages) => {
                tracker.lost();
                lines.push(line::not_shown(*messages));
            }
            What::Log(text) => {
                self.draw(lines);
                lines.clear();
                self.log(text);
            }
        }
        for event in events {
            self.tell(event, t, lines);
        }
    }

    fn tell(&mut self, event: Event, t: u64, lines: &mut Vec<Line>) {
        let filter = &self.watching.filter;
        match event {
            Event::Done(call) => {
                if let Some(counts) = &self.watching.counts {
                    counts.call(&call);
                }
                if filter.tells(&call.facts(&call.object.to_string())) {
                    if self.logs {
                        log(&call);
                    }
                    lines.push(line::call(&self.clock, &call));
                }
            }
            Event::Notice(notice) => {
                if filter.is_open() || notice.weight > Weight::Normal {
                    lines.push(line::notice(&self.clock, &notice));
                }
            }
            Event::Exchange(exchange) => {
                if let Some(counts) = &self.watching.counts {
                    counts.exchange(&exchange);
                }
                if filter.shows(&exchange.facts(&format!("HTTP {}", exchange.method))) {
                    if self.logs {
                        log_exchange(&exchange);
                    }
                    lines.push(line::exchange(&self.clock, &exchange));
                }
            }
            Event::Progress(running) => {
                let plain = self.watching.screen.as_ref().is_some_and(|screen| !screen.has_bottom());
                if plain && self.is_further(&running) {
                    lines.push(line::went_on(&self.clock, &running, t));
                }
            }
        }
    }

    /// Returns whether a call that goes on has come to another tenth since it was shown.
    fn is_further(&mut self, running: &Running) -> bool {
        let (conn, call) = (running.conn, running.call);
        let tenth = running.percent.map(|percent| percent / 10);
        let going = self.tracker.running();
        self.shown
            .retain(|(conn, call, _)| going.iter().any(|other| (other.conn, other.call) == (*conn, *call)));
        let before = self.shown.iter().position(|shown| (shown.0, shown.1) == (conn, call));
        match before {
            Some(at) if self.shown[at].2 == tenth => false,
            Some(at) => {
                self.shown[at].2 = tenth;
                true
            }
            None => {
                self.shown.push((conn, call, tenth));
                true
            }
        }
    }

    /// Writes a line of the log between those of the view.
    fn log(&mut self, text: &[u8]) {
        if let Some(screen) = &mut self.watching.screen {
            let _ = screen.clear();
        }
        let _ = io::Write::write_all(&mut io::stderr(), text);
    }

    fn draw(&mut self, lines: &[Line]) {
        let Some(screen) = &mut self.watching.screen else { return };
        let mut below = Vec::new();
        if screen.has_bottom() {
            let now = self.origin.elapsed().as_micros() as u64;
            let running = self.tracker.running();
            below.extend(running.iter().take(MOST_RUNNING).map(|running| line::running(running, now)));
            below.push(status::line(&self.feed.status(), self.feed.counters(), self.tracker.in_flight()));
        }
        if screen.draw(lines, &below).is_err() {
            // Whoever looked has gone; the recording goes on.
            self.watching.screen = None;
        }
    }
}

/// Writes a call to the log, each part of it a field.
fn log(call: &CallDone) {
    let (object, latency_ms) = (call.object.to_string(), call.latency as f64 / 1e3);
    let (kind, id, title) = (&*call.object.kind, &*call.object.id, &*call.object.title);
    match &call.fault {
        None => tracing::info!(
            target: CALLS,
            connection = call.conn, object, kind, id, title, method = call.method, latency_ms, bytes = call.size, "call"
        ),
        Some(fault) => tracing::info!(
            target: CALLS,
            connection = call.conn, object, kind, id, title, method = call.method, latency_ms, bytes = call.size,
            code = fault.code.map(|code| code.get()), error = fault.words, "call failed"
        ),
    }
}

/// Writes an exchange of plain HTTP to the log, each part of it a field.
fn log_exchange(exchange: &Exchange) {
    let Exchange { method, path, status, latency, size, fault, .. } = exchange;
    let (latency_ms, error) = (*latency as f64 / 1e3, fault.as_deref());
    let what = if fault.is_some() { "exchange failed" } else { "exchange" };
    tracing::info!(target: CALLS, method, path, status, latency_ms, bytes = size, error, "{what}");
}
