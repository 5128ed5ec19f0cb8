//! The report for people.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use super::{Counts, Difference, DifferentAnswer, RedriveReport};
use crate::count::count;

/// How many differences of an answer are shown.
const MOST_DIFFERENCES: usize = 5;
/// How many lines a list has.
const MOST_LINES: usize = 20;

impl DifferentAnswer {
    /// Shows the answer in a few lines, in the manner of a diff: what was recorded in red, what the engine says in green.
    pub fn block(&self, colour: bool) -> String {
        let paint = |code: &str, text: &str| {
            if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
        };
        let mut text = format!("{} {}\n", paint("1", "differs:"), self.call);
        for Difference { place, kind, recorded, live } in self.differences.iter().take(MOST_DIFFERENCES) {
            let place = if place.is_empty() { "the answer" } else { place };
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  {place} ({})", kind.name());
            let _ = writeln!(text, "    {}", paint("31", &format!("- {recorded}")));
            let _ = writeln!(text, "    {}", paint("32", &format!("+ {live}")));
        }
        let more = self.total.saturating_sub(self.differences.len().min(MOST_DIFFERENCES));
        if more > 0 {
            let _ = writeln!(text, "  … and {}", count(more as u64, "more difference"));
        }
        if let Some(write) = &self.after {
            let _ = writeln!(text, "  after {write}, which was not sent and may be the reason");
        }
        text
    }
}

impl RedriveReport {
    /// Shows all but the answers that differ, which have [blocks](DifferentAnswer::block) of their own.
    pub fn text(&self, colour: bool) -> String {
        let mut text = String::new();
        list(&mut text, "does not fit in the recording", &lines(&self.notes));
        list(&mut text, "cannot be read", &lines(&self.faults));
        list(&mut text, "could not be done", &lines(&self.failed));
        list(&mut text, "not sent, as it writes (--allow-writes sends it)", &counted(&self.refused));
        list(&mut text, "skipped", &counted(&self.skipped));
        list(&mut text, "noticed", &lines(&self.notices));
        self.table(&mut text);
        let verdict = self.summary();
        let code = if self.verdict() == super::Verdict::Equal { "32" } else { "31" };
        let _ =
            if colour { writeln!(text, "\x1b[{code}m{verdict}\x1b[0m") } else { writeln!(text, "{verdict}") };
        text
    }

    fn summary(&self) -> String {
        let Counts {
            connected, connections, calls, sent, compared, equal, different, refused, skipped, ..
        } = self.counts;
        let mut text = format!(
            "made {connected} of {}, sent {sent} of {}, compared {}: {equal} equal, {different} different",
            count(connections, "connection"),
            count(calls, "call"),
            count(compared, "answer")
        );
        for (number, what) in [
            (refused, "refused as writes"),
            (skipped, "skipped"),
            (self.counts.left_out, "left out"),
            (self.counts.not_answered, "not answered"),
            (self.counts.not_compared, "not comparable"),
        ] {
            if number > 0 {
                let _ = write!(text, ", {number} {what}");
            }
        }
        if self.interrupted {
            text.push_str("; stopped before the end");
        }
        if self.cut {
            text.push_str("; ended at --max-differences");
        }
        text
    }

    fn table(&self, text: &mut String) {
        let methods = self.latencies.by_method();
        if methods.is_empty() {
            return;
        }
        let width = methods.iter().take(MOST_LINES).map(|row| row.method.len()).max().unwrap_or(0).max(6);
        let _ = writeln!(
            text,
            "{:width$} {:>7} {:>12} {:>12} {:>12} {:>12}",
            "method", "calls", "p50 recorded", "p50 live", "p95 recorded", "p95 live"
        );
        for row in methods.iter().take(MOST_LINES) {
            let [[half, most], [live_half, live_most]] = [row.recorded, row.live];
            let _ = writeln!(
                text,
                "{:width$} {:>7} {:>12} {:>12} {:>12} {:>12}",
                row.method,
                row.count,
                ms(half),
                ms(live_half),
                ms(most),
                ms(live_most)
            );
        }
        if methods.len() > MOST_LINES {
            let _ = writeln!(text, "… and {}", count((methods.len() - MOST_LINES) as u64, "more method"));
        }
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn lines(all: &[String]) -> Vec<String> {
    all.iter().map(|line| format!("  {line}")).collect()
}

fn counted(all: &BTreeMap<String, u64>) -> Vec<String> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    all.into_iter().map(|(what, count)| format!("  {count:>5} × {what}")).collect()
}

fn list(text: &mut String, title: &str, all: &[String]) {
    if all.is_empty() {
        return;
    }
    let _ = writeln!(text, "{title}:");
    for line in all.iter().take(MOST_LINES) {
        let _ = writeln!(text, "{line}");
    }
    if all.len() > MOST_LINES {
        let _ = writeln!(text, "  … and {} more", all.len() - MOST_LINES);
    }
}
