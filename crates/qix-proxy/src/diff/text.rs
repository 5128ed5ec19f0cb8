//! The report for people.

use std::{fmt::Write as _, time::Duration};

use super::{DiffReport, Difference, ErrorDifference, Example, LatencyChange, OnlyThere, Subject};
use crate::count::count;

/// How many objects, and differences of each, and lines of other lists are shown.
const MOST: usize = 30;

impl DiffReport {
    /// Shows what differs, object by object, and the [headline](Self::headline) last.
    pub fn text(&self, colour: bool) -> String {
        let paint = Paint(colour);
        let mut text = String::new();
        // Writing to a text cannot fail.
        let _ = self.write(&mut text, &paint);
        text
    }

    fn write(&self, text: &mut String, paint: &Paint) -> std::fmt::Result {
        if !self.is_equal() {
            writeln!(text, "{}", paint.red(&format!("before  {}", shown(&self.files[0]))))?;
            writeln!(text, "{}\n", paint.green(&format!("after   {}", shown(&self.files[1]))))?;
        }
        for note in &self.notes {
            writeln!(text, "note: {}", shown(note))?;
        }
        for object in self.objects.iter().take(MOST) {
            let id = match object.other_id() {
                "" => String::new(),
                id => format!("  {}", paint.dim(id)),
            };
            writeln!(text, "{}{id}", paint.bold(&object.object))?;
            for difference in object.differences.iter().take(MOST) {
                write_difference(text, paint, difference)?;
            }
            more(text, object.differences.len(), "thing")?;
            text.push('\n');
        }
        more(text, self.objects.len(), "object")?;
        if !self.errors.is_empty() {
            writeln!(text, "{}", paint.bold("errors"))?;
            for ErrorDifference { object, method, before, after, calls, first } in
                self.errors.iter().take(MOST)
            {
                let says = |error: &Option<String>| error.clone().unwrap_or_else(|| "a result".to_owned());
                let times = if *calls > 1 { format!(", {calls} times") } else { String::new() };
                writeln!(
                    text,
                    "  {method} of {object}  {}",
                    paint.dim(&format!("#{} → #{}{times}", first[0], first[1]))
                )?;
                writeln!(text, "    {}", paint.red(&format!("- {}", says(before))))?;
                writeln!(text, "    {}", paint.green(&format!("+ {}", says(after))))?;
            }
            more(text, self.errors.len(), "error")?;
            text.push('\n');
        }
        for (only, when) in self.only.iter().zip(["only before", "only after"]) {
            if only.is_empty() {
                continue;
            }
            writeln!(text, "{}", paint.bold(&format!("calls {when}")))?;
            for OnlyThere { object, method, params, calls, first } in only.iter().take(MOST) {
                let params =
                    params.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(params);
                writeln!(
                    text,
                    "  {calls:>5} × {method}({params}) of {object}  {}",
                    paint.dim(&format!("#{first}"))
                )?;
            }
            more(text, only.len(), "kind of call")?;
            text.push('\n');
        }
        if !self.latencies.is_empty() {
            writeln!(
                text,
                "{}",
                paint.bold("latency (median, and how likely by chance in any method, by a test of ranks)")
            )?;
            for LatencyChange { method, calls, median: [before, after], chance } in
                self.latencies.iter().take(MOST)
            {
                let times = after.as_secs_f64() / before.as_secs_f64().max(1e-6);
                let change = if times >= 1.0 {
                    paint.red(&format!("{times:.1} times as long"))
                } else {
                    paint.green(&format!("{:.1} times as fast", 1.0 / times))
                };
                let chance =
                    if *chance < 1e-4 { "< 0.01 %".to_owned() } else { format!("{:.2} %", chance * 100.0) };
                writeln!(
                    text,
                    "  {method:<24} {:>9} → {:>9}  {change}  ({chance}; {} and {} calls)",
                    ms(*before),
                    ms(*after),
                    calls[0],
                    calls[1]
                )?;
            }
            more(text, self.latencies.len(), "method")?;
            text.push('\n');
        }
        if self.beyond > 0 {
            writeln!(text, "{} not shown, for there are too many", count(self.beyond, "more difference"))?;
        }
        let headline = self.headline();
        let headline = if self.is_equal() { paint.green(&headline) } else { paint.red(&headline) };
        writeln!(text, "{headline}")
    }
}

fn write_difference(text: &mut String, paint: &Paint, difference: &Difference) -> std::fmt::Result {
    writeln!(text, "  {}  {}", subject_text(paint, &difference.subject), paint.dim(&difference.extent()))?;
    for Example { place, before, after, calls, .. } in &difference.examples {
        let place = if place.is_empty() { "the answer" } else { place };
        writeln!(text, "    {}", paint.dim(&format!("{place}  #{} → #{}", calls[0], calls[1])))?;
        if !before.is_empty() {
            writeln!(text, "      {}", paint.red(&format!("- {before}")))?;
        }
        if !after.is_empty() {
            writeln!(text, "      {}", paint.green(&format!("+ {after}")))?;
        }
    }
    Ok(())
}

fn subject_text(paint: &Paint, subject: &Subject) -> String {
    match subject {
        Subject::Measure(label) => format!("measure {}", paint.bold(label)),
        Subject::Dimension(label) => format!("dimension {}", paint.bold(label)),
        other => other.to_string(),
    }
}

fn more(text: &mut String, all: usize, what: &str) -> std::fmt::Result {
    match all.saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(text, "  … and {} more (--format json has all)", count(more as u64, what)),
    }
}

fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// Names of files may have anything in them.
fn shown(text: &str) -> String {
    qix_transport::printable(text, 500)
}

/// Colours, or none.
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(&self, text: &str) -> String {
        self.with("2", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn green(&self, text: &str) -> String {
        self.with("32", text)
    }
}
