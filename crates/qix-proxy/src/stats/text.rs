//! Tables for people.

use std::io::{self, Write};

use super::table::{Row, Tables};
use crate::{
    count::count,
    live::{self, Line, shortened, size, time},
    show::{Look, since},
};

/// How wide the column of names is.
const NAME: usize = 34;

/// Writes tables, of methods and objects at most `most` rows each.
///
/// # Errors
///
/// As writing has.
pub(crate) fn write_text(
    out: &mut dyn Write,
    tables: &Tables<'_>,
    look: Look,
    most: usize,
) -> io::Result<()> {
    let Some((from, to)) = tables.time else {
        writeln!(out, "no calls")?;
        return sockets(out, tables);
    };
    let calls: u64 = tables.methods.iter().map(|row| row.count).sum();
    let errors: u64 = tables.methods.iter().map(|row| row.errors).sum();
    let wall = time(to.saturating_sub(from).as_micros() as u64);
    writeln!(out, "{} in {wall}, {}", count(calls, "call"), count(errors, "error"))?;
    if tables.omitted > 0 {
        let omitted = count(tables.omitted, "message");
        writeln!(
            out,
            "{omitted} of the engine too large to be recorded: the calls they answer count as unanswered"
        )?;
    }
    rows(out, "method", &tables.methods, look, most)?;
    rows(out, "object", &tables.objects, look, most)?;
    if !tables.slowest.is_empty() {
        title(out, "slowest calls", look)?;
    }
    for slow in &tables.slowest {
        let call = &slow.1;
        let mut line = Line::default();
        line.add(live::Look::Bold, format!("{:>9}", time(slow.0.as_micros() as u64)));
        line.column(live::Look::Dim, &format!("  at {}", since(call.at)), 18);
        line.column(live::Look::Dim, &format!("#{}", call.conn), 6);
        line.column(live::Look::Plain, &shortened(&call.object.name(), NAME - 2), NAME);
        line.add(live::Look::Plain, &*call.method).add(live::Look::Dim, format!(" {}", call.seq));
        if let Some(failure) = &call.failure {
            line.add(live::Look::Red, format!("  ✗ {}", failure.words));
        }
        look.write(out, &line)?;
    }
    let changes = tables.changes;
    title(out, "changes", look)?;
    let per = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    write!(out, "{} that may change something", count(changes.writes, "call"))?;
    if let Some(pushes) = &changes.pushes {
        let (messages, objects) = (count(pushes.messages, "message"), count(pushes.objects, "object"));
        let (a_write, named) = (per(pushes.messages, changes.writes), per(pushes.objects, pushes.messages));
        write!(out, "; {messages} said what changed: {a_write:.1} a write")?;
        write!(out, "\n{objects} changed, {named:.1} a message, {} at most", pushes.most)?;
    }
    writeln!(out)?;
    let fetches = changes.first + changes.changed + changes.unchanged;
    writeln!(
        out,
        "{}: {} first, {} after a change, {} of what had not changed",
        if fetches == 1 { "1 fetch".to_owned() } else { format!("{fetches} fetches") },
        changes.first,
        changes.changed,
        changes.unchanged
    )?;
    sockets(out, tables)
}

fn sockets(out: &mut dyn Write, tables: &Tables<'_>) -> io::Result<()> {
    let sockets = tables.sockets;
    let mut words = vec![format!(
        "{} opened, {} at a time at most",
        count(sockets.opened, "socket"),
        sockets.most_at_a_time
    )];
    for (code, number) in &sockets.closed {
        words.push(match code {
            Some(code) => format!("{number} closed with {}", qix_protocol::CloseCode::new(*code)),
            None => format!("{number} cut without a close frame"),
        });
    }
    for (number, what) in [(sockets.open, "open at the end"), (sockets.refused, "refused")] {
        if number > 0 {
            words.push(format!("{number} {what}"));
        }
    }
    writeln!(out, "{}", words.join("; "))
}

fn title(out: &mut dyn Write, text: &str, look: Look) -> io::Result<()> {
    writeln!(out)?;
    let mut line = Line::default();
    line.add(live::Look::Bold, text);
    look.write(out, &line)
}

fn rows(out: &mut dyn Write, what: &str, rows: &[Row], look: Look, most: usize) -> io::Result<()> {
    writeln!(out)?;
    let mut head = Line::default();
    head.column(live::Look::Bold, what, NAME);
    for name in ["count", "errors", "p50", "p95", "p99", "max", "sent", "received", "share"] {
        head.add(live::Look::Bold, format!("{name:>10}"));
    }
    look.write(out, &head)?;
    for row in rows.iter().take(most) {
        let mut line = Line::default();
        line.column(live::Look::Plain, &shortened(&row.name, NAME - 2), NAME);
        line.add(live::Look::Plain, format!("{:>10}", row.count));
        let bad = row.errors + row.unanswered;
        let errors = if row.unanswered > 0 {
            format!("{}+{}", row.errors, row.unanswered)
        } else {
            row.errors.to_string()
        };
        line.add(if bad > 0 { live::Look::Red } else { live::Look::Dim }, format!("{errors:>10}"));
        for latency in [row.latencies.p50, row.latencies.p95, row.latencies.p99, row.latencies.max] {
            let slow = if latency >= 1_000_000 { live::Look::Yellow } else { live::Look::Plain };
            line.add(slow, format!("{:>10}", time(latency)));
        }
        line.add(live::Look::Dim, format!("{:>10}{:>10}", size(row.sent), size(row.bytes)));
        line.add(live::Look::Plain, format!("{:>8.1} %", row.share * 100.0));
        look.write(out, &line)?;
    }
    if rows.len() > most {
        writeln!(out, "… {} more; --top 0 shows all", rows.len() - most)?;
    }
    if rows.iter().take(most).any(|row| row.unanswered > 0) {
        writeln!(out, "errors+unanswered where calls have no answer")?;
    }
    Ok(())
}
