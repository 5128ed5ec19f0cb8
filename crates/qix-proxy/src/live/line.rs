//! Lines for people: columns, colours, and never wider than the terminal.

use std::{fmt::Write as _, time::SystemTime};

use jiff::{Timestamp, tz::TimeZone};
use unicode_width::UnicodeWidthChar;

use super::{
    calls::CallDone,
    exchange::Exchange,
    notices::{Notice, Weight},
    reload::Running,
};
use crate::count::count;

/// Where the method begins, unless the object's name is longer.
const OBJECT: usize = 26;
/// How wide the column of methods is, unless one is longer.
const METHOD: usize = 22;
/// Slower calls are marked, in microseconds.
const SLOW: u64 = 1_000_000;

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    Plain,
    Dim,
    Bold,
    Yellow,
    Red,
    /// Red that cannot be overlooked.
    Alarm,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Dim => "\x1b[2m",
            Self::Bold => "\x1b[1m",
            Self::Yellow => "\x1b[33m",
            Self::Red => "\x1b[31m",
            Self::Alarm => "\x1b[1;37;41m",
        }
    }
}

/// Where what goes on in the next line begins: below the object.
const INDENT: usize = 19;

/// A line in pieces.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Line {
    pieces: Vec<(Look, String)>,
    /// What gets a line of its own if there is no room for it.
    pub(crate) rest: Option<(Look, String)>,
}

impl Line {
    pub(crate) fn add(&mut self, look: Look, text: impl Into<String>) -> &mut Self {
        self.pieces.push((look, text.into()));
        self
    }

    /// Adds text and then blanks up to `width` columns, and at least one.
    pub(crate) fn column(&mut self, look: Look, text: &str, width: usize) -> &mut Self {
        let used: usize = text.chars().map(columns).sum();
        let blanks = width.saturating_sub(used).max(1);
        self.add(look, format!("{text}{:blanks$}", ""))
    }

    /// Writes the line, or two, in at most `width` columns, without its end.
    pub(crate) fn write(&self, out: &mut String, width: Option<usize>, colour: bool) {
        let Some((look, rest)) = &self.rest else { return write(&self.pieces, out, width, colour) };
        let mut whole = self.clone();
        whole.add(Look::Plain, "  ").add(*look, rest);
        if width.is_none_or(|width| whole.columns() <= width) {
            return write(&whole.pieces, out, width, colour);
        }
        write(&self.pieces, out, width, colour);
        out.push('\n');
        let mut second = Self::default();
        second.add(Look::Plain, " ".repeat(INDENT)).add(*look, rest);
        write(&second.pieces, out, width, colour);
    }

    fn columns(&self) -> usize {
        self.pieces.iter().flat_map(|(_, text)| text.chars()).map(columns).sum()
    }
}

fn write(pieces: &[(Look, String)], out: &mut String, width: Option<usize>, colour: bool) {
    let mut room = width.unwrap_or(usize::MAX);
    let total: usize = pieces.iter().flat_map(|(_, text)| text.chars()).map(columns).sum();
    let is_cut = total > room;
    // The mark of the cut takes one.
    room -= usize::from(is_cut && room > 0);
    for (look, text) in pieces {
        let painted = colour && *look != Look::Plain && !text.trim().is_empty();
        if painted {
            out.push_str(look.code());
        }
        for c in text.chars() {
            let wide = columns(c);
            if wide > room {
                room = 0;
                break;
            }
            room -= wide;
            out.push(c);
        }
        if painted {
            out.push_str("\x1b[0m");
        }
        if is_cut && room == 0 {
            break;
        }
    }
    if is_cut && width != Some(0) {
        out.push('…');
    }
}

/// How many columns a terminal gives a text.
pub(crate) fn wide(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// How many columns a terminal gives a character.
fn columns(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Writes times of the day.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    pub(super) begun: Timestamp,
    pub(super) zone: TimeZone,
}

impl Clock {
    /// Makes a clock for a recording that has begun then, in the system's time zone.
    pub(super) fn new(begun: SystemTime) -> Self {
        let begun = Timestamp::try_from(begun).unwrap_or(Timestamp::UNIX_EPOCH);
        Self { begun, zone: TimeZone::system() }
    }

    /// Returns the time of the day `t` microseconds after the beginning.
    fn time(&self, t: u64) -> String {
        let since = jiff::SignedDuration::from_micros(i64::try_from(t).unwrap_or(i64::MAX));
        let at = self.begun.checked_add(since).unwrap_or(self.begun);
        at.to_zoned(self.zone.clone()).strftime("%H:%M:%S%.3f").to_string()
    }
}

/// Makes the line of a call.
pub(super) fn call(clock: &Clock, call: &CallDone) -> Line {
    let mut line = start(clock, call.conn, call.t);
    line.column(Look::Plain, &call.object.to_string(), OBJECT).column(Look::Bold, &call.method, METHOD);
    end(&mut line, call.latency, call.size, call.fault.as_ref().map(|fault| &*fault.words));
    line
}

/// Makes the line of an exchange of plain HTTP, with its numbers below those of calls.
pub(super) fn exchange(clock: &Clock, exchange: &Exchange) -> Line {
    let mut line = start(clock, 0, exchange.t);
    let status = exchange.status.map_or_else(|| "---".to_owned(), |status| status.to_string());
    let what = format!("{} {status} ", exchange.method);
    let room = (OBJECT + METHOD - 1).saturating_sub(what.chars().map(columns).sum());
    let path = shortened(&exchange.path, room);
    let blanks = room + 1 - path.chars().map(columns).sum::<usize>();
    line.add(Look::Bold, what).add(Look::Plain, format!("{path}{:blanks$}", ""));
    end(&mut line, exchange.latency, exchange.size, exchange.fault.as_deref());
    line
}

/// Leaves out the middle of what is wider than `room`: both ends of a path tell more.
pub(crate) fn shortened(text: &str, room: usize) -> String {
    if text.chars().map(columns).sum::<usize>() <= room {
        return text.to_owned();
    }
    let fit = |chars: &mut dyn Iterator<Item = char>, mut room: usize| -> Vec<char> {
        let fits = |c: &char| {
            let wide = columns(*c);
            let fits = wide <= room;
            room = room.saturating_sub(wide);
            fits
        };
        chars.take_while(fits).collect()
    };
    // The mark takes one.
    let room = room.saturating_sub(1);
    let start = fit(&mut text.chars(), room / 3);
    let end = fit(&mut text.chars().rev(), room - room / 3);
    start.into_iter().chain(['…']).chain(end.into_iter().rev()).collect()
}

fn end(line: &mut Line, latency: u64, bytes: u64, fault: Option<&str>) {
    let slow = if latency >= SLOW { Look::Yellow } else { Look::Plain };
    line.add(slow, format!("{:>8}", time(latency)));
    line.add(Look::Dim, format!("  {:>8}", size(bytes)));
    line.rest = fault.map(|fault| (Look::Red, format!("✗ {fault}")));
}

/// Makes the line of a notice.
pub(super) fn notice(clock: &Clock, notice: &Notice) -> Line {
    let (look, mark) = match notice.weight {
        Weight::Normal => (Look::Dim, "·"),
        Weight::Odd => (Look::Yellow, "!"),
        Weight::Bad => (Look::Red, "✗"),
    };
    let mut line = start(clock, notice.conn, notice.t);
    line.add(look, format!("{mark} {}", notice.text));
    line
}

/// Makes the line that says what is not shown.
pub(super) fn not_shown(messages: u64) -> Line {
    let mut line = Line::default();
    let messages = count(messages, "message");
    line.add(Look::Yellow, format!("… {messages} not shown, for they came too fast; all are recorded"));
    line
}

/// Makes the line of a call that goes on, `now` microseconds after the beginning.
pub(super) fn running(running: &Running, now: u64) -> Line {
    let mut line = Line::default();
    line.add(Look::Bold, format!("⟳ {} of {}", running.method, running.object));
    line.add(Look::Plain, format!("  {}", time(now.saturating_sub(running.since))));
    if let Some(percent) = running.percent {
        let done = usize::from(percent) / 10;
        line.add(Look::Plain, format!("  {}{} {percent} %", "█".repeat(done), "░".repeat(10 - done)));
    }
    if running.wants_user {
        line.add(Look::Plain, "  ").add(Look::Alarm, " waits for the user ");
    }
    if !running.text.is_empty() {
        line.add(Look::Dim, format!("  {}", running.text));
    }
    line
}

/// Makes a line of a call that goes on for who cannot see it change: with time and connection.
pub(super) fn went_on(clock: &Clock, going: &Running, t: u64) -> Line {
    let mut line = start(clock, going.conn, t);
    line.pieces.extend(running(going, t).pieces);
    line
}

fn start(clock: &Clock, conn: u64, t: u64) -> Line {
    let mut line = Line::default();
    line.add(Look::Dim, clock.time(t) + "  ");
    let conn = if conn == 0 { String::new() } else { format!("#{conn}") };
    line.column(Look::Dim, &conn, 5);
    line
}

/// Writes microseconds in the unit that people read.
pub(crate) fn time(micros: u64) -> String {
    // Only shown, so that the last digit may be off.
    let millis = micros as f64 / 1e3;
    let mut out = String::new();
    let _ = match micros {
        0..10_000 => write!(out, "{millis:.1} ms"),
        10_000..1_000_000 => write!(out, "{millis:.0} ms"),
        1_000_000..60_000_000 => write!(out, "{:.1} s", millis / 1e3),
        60_000_000..3_600_000_000 => {
            write!(out, "{} m {:02} s", micros / 60_000_000, micros / 1_000_000 % 60)
        }
        _ => write!(out, "{} h {:02} m", micros / 3_600_000_000, micros / 60_000_000 % 60),
    };
    out
}

/// Writes a number of bytes in the unit that people read.
pub(crate) fn size(bytes: u64) -> String {
    let number = bytes as f64;
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", number / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number / 1e6),
        _ => format!("{:.1} GB", number / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::live::{names::Object, words::Fault};

    fn clock() -> Clock {
        Clock { begun: "2026-01-02T03:04:05.5Z".parse().unwrap(), zone: TimeZone::UTC }
    }

    fn done(title: &str, fault: bool) -> CallDone {
        let object = Object { kind: "sheet".to_owned(), title: title.to_owned(), ..Object::default() };
        CallDone {
            conn: 3,
            t: 289_000,
            latency: 12_300,
            object: Arc::new(object),
            method: "GetLayout".to_owned(),
            size: 45_210,
            fault: fault.then(Fault::script),
        }
    }

    fn written(line: &Line, width: Option<usize>, colour: bool) -> String {
        let mut out = String::new();
        line.write(&mut out, width, colour);
        out
    }

    #[test]
    fn call_has_time_connection_object_method_latency_size_and_error() {
        assert_eq!(
            written(&call(&clock(), &done("Overview", true)), None, false),
            "03:04:05.789  #3   sheet Overview            GetLayout                12 ms   45.2 kB  ✗ the script failed"
        );
    }

    #[test]
    fn exchange_has_method_status_path_and_numbers_below_those_of_calls() {
        let shown = |path: &str, status, fault: Option<&str>| {
            let exchange = Exchange {
                t: 289_000,
                method: "GET".to_owned(),
                path: path.to_owned(),
                status,
                latency: 12_300,
                size: 45_210,
                fault: fault.map(str::to_owned),
            };
            written(&super::exchange(&clock(), &exchange), None, false)
        };
        assert_eq!(
            shown("/resources/hub.js", Some(404), Some("404 Not Found")),
            "03:04:05.789       GET 404 /resources/hub.js                          12 ms   45.2 kB  ✗ 404 Not Found"
        );
        let numbers = "   12 ms   45.2 kB";
        let column =
            wide(written(&call(&clock(), &done("x", false)), None, false).strip_suffix(numbers).unwrap());
        for path in [
            "/",
            "/resources/autogenerated/product-info/of/a/site.js",
            &"/東".repeat(50),
            &"e\u{301}".repeat(90),
        ] {
            let line = shown(path, None, None);
            assert_eq!(line.strip_suffix(numbers).map(wide), Some(column), "{line}");
        }
        assert!(shown(&format!("/{}/end.js", "x".repeat(90)), Some(200), None).contains("…xxxx"));
    }

    #[test]
    fn lines_are_cut_by_columns_and_not_by_bytes_or_characters() {
        for title in ["Overview", "東京の売上", "Übersicht", "e\u{301}té", "👩‍👩‍👧 x"] {
            let line = call(&clock(), &done(title, true));
            for width in 0..120 {
                let cut = written(&line, Some(width), false);
                assert!(cut.lines().all(|cut| wide(cut) <= width), "{width}: {cut:?}");
                let first = wide(cut.lines().next().unwrap_or_default());
                assert!(width < 2 || first + 1 >= width.min(line.columns()), "{width}: {cut:?}");
            }
        }
    }

    #[test]
    fn error_that_has_no_room_behind_its_call_gets_a_line_of_its_own() {
        let cut = written(&call(&clock(), &done("Overview", true)), Some(95), false);
        let lines: Vec<_> = cut.lines().collect();
        assert!(lines.len() == 2 && lines[0].ends_with("45.2 kB"), "{cut}");
        assert_eq!(lines[1], format!("{:INDENT$}✗ the script failed", ""));
    }

    #[test]
    fn colours_are_ended_also_where_a_line_is_cut() {
        let line = call(&clock(), &done("x", true));
        for width in [5, 40, 90, 200] {
            let text = written(&line, Some(width), true);
            let codes = text.matches("\x1b[").count();
            assert_eq!(codes, 2 * text.matches("\x1b[0m").count(), "{text:?}");
        }
        assert!(!written(&line, None, false).contains('\x1b'));
    }

    #[test]
    fn call_that_goes_on_has_time_share_and_text() {
        let going = Running {
            conn: 1,
            call: 1,
            object: Arc::new(Object { kind: "app".to_owned(), id: "Sales".to_owned(), ..Object::default() }),
            method: "DoReload".to_owned(),
            since: 1_000_000,
            percent: Some(45),
            text: "100 lines fetched".to_owned(),
            wants_user: true,
        };
        assert_eq!(
            written(&running(&going, 4_200_000), None, false),
            "⟳ DoReload of app Sales  3.2 s  ████░░░░░░ 45 %   waits for the user   100 lines fetched"
        );
    }

    #[test]
    fn numbers_have_units_people_read() {
        assert_eq!(
            [400, 12_345, 3_210_000, 125_000_000, 7_260_000_000].map(time),
            ["0.4 ms", "12 ms", "3.2 s", "2 m 05 s", "2 h 01 m"]
        );
        assert_eq!([999, 1_234, 5_600_000_000].map(size), ["999 B", "1.2 kB", "5.6 GB"]);
    }
}
