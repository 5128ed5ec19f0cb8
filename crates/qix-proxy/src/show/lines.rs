//! The lines for people.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use qix_transport::printable;

use super::{
    pretty,
    told::{Known, Told, since},
};
use crate::{
    count::count,
    live::{self, Line, shortened, size, time},
    model::{Event, Fetch, Weight},
};

/// How wide the columns of objects and methods are, unless something is longer.
const OBJECT: usize = 28;
const METHOD: usize = 24;
/// Slower calls are marked.
const SLOW: Duration = Duration::from_secs(1);
/// How many of the objects that changed are named.
const MOST_NAMED: usize = 3;
/// How far bodies are indented, in columns.
const INDENT: usize = 16;

/// What lines are written to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Look {
    /// How many columns there are; `None` for as many as it takes.
    pub(crate) width: Option<usize>,
    /// Whether text may be coloured.
    pub(crate) colour: bool,
}

impl Look {
    pub(crate) fn write(self, out: &mut dyn Write, line: &Line) -> io::Result<()> {
        let mut text = String::new();
        line.write(&mut text, self.width, self.colour);
        text.truncate(text.trim_end().len());
        text.push('\n');
        out.write_all(text.as_bytes())
    }
}

/// Makes the line of a call.
pub(super) fn call(told: &Told, known: &Known) -> Line {
    let call = &told.call;
    let mut line = start(call.at, call.conn);
    // The last column is left free, so that a long name does not run into the method.
    let object = shortened(&call.object.name(), OBJECT - 1);
    line.column(live::Look::Plain, &object, OBJECT).column(live::Look::Bold, &call.method, METHOD);
    numbers(&mut line, call.latency(), call.sent, call.answer.as_ref().map(|answer| answer.bytes));
    let mut notes = Vec::new();
    let (waiting, transfer) = (call.waiting(), call.transfer().filter(|transfer| !transfer.is_zero()));
    if let (Some(waiting), Some(transfer)) = (waiting, transfer) {
        notes.push(format!("{} until it came, {} to come", span(waiting), span(transfer)));
    }
    match call.fetch {
        Some(Fetch::First) => notes.push("first".to_owned()),
        Some(Fetch::Unchanged) => notes.push("again, unchanged".to_owned()),
        Some(Fetch::Changed(by)) => notes.push(format!("again, changed{}", by_call(by, known))),
        None => {}
    }
    if !call.opened.is_empty() {
        notes.push(format!("opens {}", objects(&call.opened, known)));
    }
    for change in &told.changes {
        let what = if change.is_suspended { "suspends" } else { "changes" };
        notes.push(format!("{what} {}", objects(&change.objects, known)));
    }
    if told.closed > 0 {
        notes.push(format!("closes {}", count(told.closed as u64, "object")));
    }
    if let Some(fault) = call.answer.as_ref().and_then(|answer| answer.fault.as_ref()) {
        notes.push(format!("its patches cannot be applied: {}", printable(fault, 100)));
    }
    if !notes.is_empty() {
        line.add(live::Look::Dim, format!("  {}", notes.join("; ")));
    }
    let failure = call.failure.as_ref().map(|failure| (live::Look::Red, format!("✗ {}", failure.words)));
    let unanswered = call.answer.is_none().then(|| (live::Look::Yellow, "! no answer".to_owned()));
    line.rest = failure.or(unanswered);
    line
}

/// Writes what was said in a call.
pub(super) fn body(out: &mut dyn Write, told: &Told) -> io::Result<()> {
    let body = &told.body;
    let answer = body.result.as_deref().or(body.answer.as_deref());
    for (mark, text) in [("↑", body.params.as_deref()), ("↓", answer)] {
        let Some(text) = text else { continue };
        write!(out, "{:>indent$} ", mark, indent = INDENT - 2)?;
        pretty::write(out, text, INDENT - 1)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Makes the line of what is no call.
pub(super) fn other(event: &Event, known: &Known) -> Option<Line> {
    let (at, conn, weight, words) = match event {
        Event::Connected(connection) => {
            let path = printable(connection.url.split('?').next().unwrap_or_default(), 200);
            match &connection.refused {
                Some(why) => (connection.at, 0, Weight::Bad, format!("upgrade of {path} refused with {why}")),
                None => (connection.at, connection.conn, Weight::Normal, format!("connected to {path}")),
            }
        }
        Event::Disconnected(end) => {
            let mut words = end.words.clone();
            if end.unanswered > 0 {
                let _ = write!(words, ", with {} unanswered", count(end.unanswered, "call"));
            }
            let usual = end.is_open || end.clean && matches!(end.code, None | Some(1000 | 1001 | 1005));
            let weight = match usual {
                true if end.unanswered == 0 => Weight::Normal,
                true => Weight::Odd,
                false => Weight::Bad,
            };
            (end.at, end.conn, weight, words)
        }
        Event::Changed(change) => {
            let what = if change.is_suspended { "suspended" } else { "changed" };
            let words = format!("{what}{}: {}", by_call(change.by, known), objects(&change.objects, known));
            (change.at, change.conn, Weight::Normal, words)
        }
        Event::Selected(selection) => {
            let state = selection.state.as_ref()?;
            let fields = state.iter().map(|(field, selected)| format!("{field} = {selected}"));
            let words = match fields.collect::<Vec<_>>().join("; ") {
                none if none.is_empty() => "nothing is selected".to_owned(),
                fields => format!("selected: {fields}"),
            };
            (selection.at, selection.conn, Weight::Normal, words)
        }
        Event::Progress(progress) => {
            let method = known.cause(progress.seq).unwrap_or("call").to_owned();
            let mut words = format!("⟳ {method} {}", progress.seq);
            if let Some(percent) = progress.percent {
                let _ = write!(words, "  {percent} %");
            }
            if progress.wants_user {
                words += "  waits for the user";
            }
            if !progress.text.is_empty() {
                let _ = write!(words, "  {}", progress.text);
            }
            progress.errors.iter().for_each(|error| words += &format!("  ✗ {error}"));
            let weight = if progress.errors.is_empty() { Weight::Normal } else { Weight::Bad };
            (progress.at, 0, weight, words)
        }
        Event::Exchanged(exchange) => {
            let mut line = start(exchange.at, 0);
            let status = exchange.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
            let what = format!("{} {status} ", printable(&exchange.method, 20));
            let room = (OBJECT + METHOD - 1).saturating_sub(live::wide(&what));
            let path = printable(exchange.url.split('?').next().unwrap_or_default(), 500);
            line.add(live::Look::Bold, what).column(live::Look::Plain, &shortened(&path, room), room + 1);
            numbers(&mut line, Some(exchange.took), exchange.sent, Some(exchange.bytes));
            line.rest = exchange.failure.as_ref().map(|failure| (live::Look::Red, format!("✗ {failure}")));
            return Some(line);
        }
        Event::Notice(notice) => {
            (notice.at, notice.conn.unwrap_or_default(), notice.weight, notice.words.clone())
        }
        _ => return None,
    };
    let mut line = start(at, conn);
    let (look, mark) = match weight {
        Weight::Normal => (live::Look::Dim, "·"),
        Weight::Odd => (live::Look::Yellow, "!"),
        Weight::Bad => (live::Look::Red, "✗"),
    };
    line.add(look, format!("{mark} {words}"));
    Some(line)
}

fn start(at: Duration, conn: u64) -> Line {
    let mut line = Line::default();
    line.add(live::Look::Dim, format!("{:>10}  ", since(at)));
    let conn = if conn == 0 { String::new() } else { format!("#{conn}") };
    line.column(live::Look::Dim, &conn, 5);
    line
}

fn numbers(line: &mut Line, latency: Option<Duration>, sent: u64, bytes: Option<u64>) {
    let slow = latency.is_some_and(|latency| latency >= SLOW);
    let look = if slow { live::Look::Yellow } else { live::Look::Plain };
    line.add(look, format!("{:>8}", latency.map_or_else(|| "-".to_owned(), span)));
    let bytes = bytes.map_or_else(|| "-".to_owned(), size);
    line.add(live::Look::Dim, format!("  {:>8} ↑ {bytes:>8} ↓", size(sent)));
}

fn span(duration: Duration) -> String {
    time(duration.as_micros() as u64)
}

fn by_call(by: Option<u64>, known: &Known) -> String {
    match by {
        Some(seq) => match known.cause(seq) {
            Some(method) => format!(" by {method} {seq}"),
            None => format!(" by call {seq}"),
        },
        None => String::new(),
    }
}

fn objects(numbers: &[u64], known: &Known) -> String {
    let named: Vec<_> = numbers.iter().take(MOST_NAMED).map(|number| known.name(*number)).collect();
    let mut words = named.join(", ");
    if numbers.len() > MOST_NAMED {
        let _ = write!(words, " and {} more", numbers.len() - MOST_NAMED);
    }
    words
}
