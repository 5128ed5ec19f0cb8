//! Puts together what belongs to one line, and writes it.

use std::{
    collections::{HashMap, VecDeque},
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use qix_protocol::Effect;

use super::{json, lines, lines::Look};
use crate::{
    count::count,
    filter::{Facts, Filter},
    model::{Body, Call, Change, Event, Exchange, ModelBuilder, Object, Weight},
    record::Entry,
};

/// Of how many calls that may change something the method is known, to say what made objects change.
const MOST_CAUSES: usize = 10_000;
/// Of how many objects is known what they are called, to say what has changed.
const MOST_OBJECTS: usize = 200_000;

/// As what lines are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Format {
    /// For people.
    Text(Look),
    /// JSON, one object a line.
    Json,
}

/// A call, and what came with its answer.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) call: Arc<Call>,
    pub(super) body: Body,
    /// What changed, as its answer says.
    pub(super) changes: Vec<Change>,
    /// How many objects were closed, as its answer says.
    pub(super) closed: usize,
    /// What is told behind it.
    later: Vec<Event>,
}

/// What is known of earlier calls and objects.
#[derive(Debug, Default)]
pub(super) struct Known {
    objects: HashMap<u64, Arc<Object>>,
    causes: HashMap<u64, (u64, Arc<str>)>,
    order: VecDeque<u64>,
}

impl Known {
    /// Returns the method of a call that may have changed something.
    pub(super) fn cause(&self, seq: u64) -> Option<&str> {
        self.causes.get(&seq).map(|(_, method)| &**method)
    }

    /// Returns the connection of a call that may have changed something.
    fn connection(&self, seq: u64) -> Option<u64> {
        self.causes.get(&seq).map(|(conn, _)| *conn)
    }

    /// Returns what an object is called.
    pub(super) fn name(&self, number: u64) -> String {
        self.objects.get(&number).map_or_else(|| "an object".to_owned(), |object| object.name())
    }

    fn take(&mut self, event: &Event) {
        match event {
            Event::Asked(call) if call.effect > Effect::Reads => {
                self.causes.insert(call.seq, (call.conn, Arc::clone(&call.method)));
                self.order.push_back(call.seq);
                if self.order.len() > MOST_CAUSES
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.causes.remove(&oldest);
                }
            }
            Event::Object(object)
                if self.objects.len() < MOST_OBJECTS || self.objects.contains_key(&object.number) =>
            {
                self.objects.insert(object.number, Arc::clone(object));
            }
            _ => {}
        }
    }

    fn forget(&mut self, event: &Event) {
        if let Event::Closed { objects, .. } = event {
            objects.iter().for_each(|number| drop(self.objects.remove(number)));
        }
    }
}

/// Writes the lines of a recording.
#[derive(Debug)]
pub(crate) struct Show {
    builder: ModelBuilder,
    filter: Filter,
    format: Format,
    bodies: bool,
    known: Known,
    /// What is selected, by connection, as it was written last.
    selected: HashMap<u64, Vec<(String, String)>>,
    /// Which tenth of a reload was written last.
    progress: HashMap<u64, (Option<u8>, bool)>,
    /// How many calls there were.
    calls: u64,
    /// Whether nothing was written so far.
    is_silent: bool,
}

impl Show {
    /// Starts. `bodies` says that requests and results are wanted.
    pub(crate) fn new(filter: Filter, format: Format, bodies: bool) -> Self {
        let builder = ModelBuilder::new();
        // To write out what was patched costs more than all else.
        let needs_results = bodies || filter.texts.is_some();
        let builder = if needs_results { builder } else { builder.without_results() };
        Self {
            builder,
            filter,
            format,
            bodies,
            known: Known::default(),
            selected: HashMap::new(),
            progress: HashMap::new(),
            calls: 0,
            is_silent: true,
        }
    }

    /// Says why nothing was written, if that is so.
    pub(crate) fn why_silent(&self) -> Option<String> {
        match self.calls {
            _ if !self.is_silent => None,
            0 => Some("nothing to show: there are no calls".to_owned()),
            calls => Some(format!("nothing to show: the filters leave out {}", count(calls, "call"))),
        }
    }

    /// Takes in an entry, and writes what it completes.
    ///
    /// # Errors
    ///
    /// As writing has.
    pub(crate) fn take(&mut self, entry: Entry, out: &mut dyn Write) -> io::Result<()> {
        let mut events = Vec::new();
        self.builder.take(entry, &mut |event| events.push(event));
        self.write(events, out)
    }

    /// Writes what is left at the end.
    ///
    /// # Errors
    ///
    /// As writing has.
    pub(crate) fn finish(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let mut events = Vec::new();
        self.builder.finish(&mut |event| events.push(event));
        self.write(events, out)
    }

    /// Writes the events of one entry: a call is told before what came with its answer.
    fn write(&mut self, events: Vec<Event>, out: &mut dyn Write) -> io::Result<()> {
        let mut last: Option<Told> = None;
        for event in events {
            self.known.take(&event);
            match event {
                Event::Called(called) => {
                    self.flush(&mut last, out)?;
                    let (call, body) = (called.call, called.body);
                    last = Some(Told { call, body, changes: Vec::new(), closed: 0, later: Vec::new() });
                }
                Event::Changed(change) => match &mut last {
                    Some(told)
                        if told.call.answer.as_ref().is_some_and(|answer| answer.seq == change.seq) =>
                    {
                        told.changes.push(change);
                    }
                    _ => self.other(&Event::Changed(change), out)?,
                },
                event @ Event::Closed { .. } => {
                    if let (Some(told), Event::Closed { objects, .. }) = (&mut last, &event)
                        && told.call.answer.is_some()
                    {
                        told.closed += objects.len();
                    }
                    self.flush(&mut last, out)?;
                    self.known.forget(&event);
                }
                event => match &mut last {
                    Some(told) if matches!(event, Event::Selected(_) | Event::Object(_)) => {
                        told.later.push(event);
                    }
                    _ => {
                        self.flush(&mut last, out)?;
                        self.other(&event, out)?;
                    }
                },
            }
        }
        self.flush(&mut last, out)
    }

    fn flush(&mut self, last: &mut Option<Told>, out: &mut dyn Write) -> io::Result<()> {
        let Some(told) = last.take() else { return Ok(()) };
        self.calls += 1;
        if self.shows(&told) {
            self.is_silent = false;
            match self.format {
                Format::Json => json::call(out, &told, self.bodies)?,
                Format::Text(look) => look.write(out, &lines::call(&told, &self.known))?,
            }
            if self.bodies && self.format != Format::Json {
                lines::body(out, &told)?;
            }
        }
        told.later.iter().try_for_each(|event| self.other(event, out))
    }

    fn shows(&self, told: &Told) -> bool {
        let call = &told.call;
        let name = call.object.name();
        self.filter.tells(&facts(call, &name))
            && self.filter.finds(
                [Some(&told.body.request), told.body.answer.as_ref(), told.body.result.as_ref()]
                    .into_iter()
                    .flatten()
                    .map(|text| &text[..]),
            )
    }

    /// Writes what is no call.
    fn other(&mut self, event: &Event, out: &mut dyn Write) -> io::Result<()> {
        let open = self.filter.is_open();
        let covers = |conn, at| self.filter.covers(conn, at);
        let shown = match event {
            Event::Connected(connection) => {
                covers(connection.conn, connection.at) && (open || connection.refused.is_some())
            }
            Event::Disconnected(end) => {
                self.selected.remove(&end.conn);
                let usual = end.is_open || end.clean && matches!(end.code, None | Some(1000 | 1001 | 1005));
                covers(end.conn, end.at) && (open || end.unanswered > 0 || !usual)
            }
            Event::Changed(change) => open && covers(change.conn, change.at),
            Event::Selected(selection) => match &selection.state {
                Some(state) => {
                    let is_news =
                        self.selected.get(&selection.conn).map_or(!state.is_empty(), |known| known != state);
                    if is_news {
                        self.selected.insert(selection.conn, state.clone());
                    }
                    is_news && open && covers(selection.conn, selection.at)
                }
                None => false,
            },
            Event::Progress(progress) => {
                let tenth = (progress.percent.map(|percent| percent / 10), progress.wants_user);
                let is_news = self.progress.insert(progress.seq, tenth) != Some(tenth);
                if self.progress.len() > MOST_CAUSES {
                    self.progress.clear();
                }
                let covered = covers(self.known.connection(progress.seq).unwrap_or_default(), progress.at);
                covered && (!progress.errors.is_empty() || open && is_news)
            }
            Event::Exchanged(exchange) => {
                let method = format!("HTTP {}", exchange.method);
                self.filter.texts.is_none() && self.filter.shows(&facts_of_exchange(exchange, &method))
            }
            Event::Notice(notice) => {
                let covered = match notice.conn {
                    Some(conn) => covers(conn, notice.at),
                    // What is about no connection, such as a gap, may be about this one.
                    None => self.filter.time.as_ref().is_none_or(|time| time.contains(&notice.at)),
                };
                covered && (open || notice.weight > Weight::Normal)
            }
            _ => false,
        };
        if !shown {
            return Ok(());
        }
        self.is_silent = false;
        match self.format {
            Format::Json => json::other(out, event),
            Format::Text(look) => match lines::other(event, &self.known) {
                Some(line) => look.write(out, &line),
                None => Ok(()),
            },
        }
    }
}

/// Returns what a filter wants to know of a call; `name` is what its object is shown as.
pub(crate) fn facts<'a>(call: &'a Call, name: &'a str) -> Facts<'a> {
    let object = &call.object;
    Facts {
        conn: call.conn,
        at: call.at,
        method: &call.method,
        object: name,
        names: [&object.kind, &object.id, &object.title],
        latency: call.latency(),
        bytes: call.answer.as_ref().map_or(0, |answer| answer.bytes).max(call.sent),
        failed: call.failure.is_some(),
    }
}

/// Returns what a filter wants to know of an exchange; `method` is what it is called among the methods of calls.
pub(crate) fn facts_of_exchange<'a>(exchange: &'a Exchange, method: &'a str) -> Facts<'a> {
    Facts {
        conn: 0,
        at: exchange.at,
        method,
        object: exchange.url.split('?').next().unwrap_or_default(),
        names: [""; 3],
        latency: Some(exchange.took),
        bytes: exchange.bytes.max(exchange.sent),
        failed: exchange.failure.is_some(),
    }
}

/// Writes a time since the start of the recording: seconds and milliseconds, as `--since`, `--until` and `--at` take it.
pub(crate) fn since(at: Duration) -> String {
    format!("{}.{:03}", at.as_secs(), at.subsec_millis())
}
