//! The report as a page: one file, no scripts, no network.

use std::fmt::Write as _;

use super::{DiffReport, Difference, ErrorDifference, Example, LatencyChange, OnlyThere};
use crate::count::count;

/// How many objects and lines of other lists are on the page.
const MOST: usize = 1000;

const STYLE: &str = include_str!("diff.css");

impl DiffReport {
    /// Writes the report as a page of HTML in light and dark.
    pub fn html(&self) -> String {
        let mut page = String::new();
        // Writing to a text cannot fail.
        let _ = self.write_html(&mut page);
        page
    }

    fn write_html(&self, page: &mut String) -> std::fmt::Result {
        let headline = escaped(&self.headline());
        write!(
            page,
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{headline}</title>\n<style>{STYLE}</style>\n<main>\n<h1 class=\"{}\">{headline}</h1>\n\
             <dl class=\"files\"><dt>before</dt><dd>{}</dd><dt>after</dt><dd>{}</dd></dl>\n",
            if self.is_equal() { "equal" } else { "different" },
            escaped(&self.files[0]),
            escaped(&self.files[1])
        )?;
        for note in &self.notes {
            writeln!(page, "<p class=\"note\">{}</p>", escaped(note))?;
        }
        for object in self.objects.iter().take(MOST) {
            writeln!(
                page,
                "<section><h2>{} <small>{}</small></h2>",
                escaped(&object.object),
                escaped(object.other_id())
            )?;
            object
                .differences
                .iter()
                .take(MOST)
                .try_for_each(|difference| write_difference(page, difference))?;
            more(page, object.differences.len(), "thing")?;
            writeln!(page, "</section>")?;
        }
        more(page, self.objects.len(), "object")?;
        if !self.errors.is_empty() {
            writeln!(
                page,
                "<section><h2>Errors</h2><div class=\"wide\"><table><tr><th>object</th><th>method</th><th>before</th><th>after</th><th class=\"number\">calls</th></tr>"
            )?;
            for ErrorDifference { object, method, before, after, calls, .. } in self.errors.iter().take(MOST)
            {
                let says = |error: &Option<String>| escaped(error.as_deref().unwrap_or("a result"));
                let (object, method, before, after) =
                    (escaped(object), escaped(method), says(before), says(after));
                writeln!(
                    page,
                    "<tr><td>{object}</td><td>{method}</td><td class=\"before\">{before}</td><td class=\"after\">{after}</td><td class=\"number\">{calls}</td></tr>"
                )?;
            }
            writeln!(page, "</table></div>")?;
            more(page, self.errors.len(), "error")?;
            writeln!(page, "</section>")?;
        }
        for (only, when) in self.only.iter().zip(["before", "after"]) {
            if only.is_empty() {
                continue;
            }
            writeln!(
                page,
                "<section><h2>Calls only {when}</h2><div class=\"wide\"><table><tr><th>object</th><th>method</th><th>parameters</th><th class=\"number\">calls</th></tr>"
            )?;
            for OnlyThere { object, method, params, calls, .. } in only.iter().take(MOST) {
                let (object, method, params) = (escaped(object), escaped(method), escaped(params));
                writeln!(
                    page,
                    "<tr><td>{object}</td><td>{method}</td><td><code>{params}</code></td><td class=\"number\">{calls}</td></tr>"
                )?;
            }
            writeln!(page, "</table></div>")?;
            more(page, only.len(), "kind of call")?;
            writeln!(page, "</section>")?;
        }
        if !self.latencies.is_empty() {
            writeln!(
                page,
                "<section><h2>Latency</h2><div class=\"wide\"><table><tr><th>method</th><th class=\"number\">median before</th><th class=\"number\">after</th><th class=\"number\">likely by chance in any method, by a test of ranks</th></tr>"
            )?;
            for LatencyChange { method, median: [before, after], chance, .. } in
                self.latencies.iter().take(MOST)
            {
                let ms = |time: &std::time::Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
                let (method, before, after) = (escaped(method), ms(before), ms(after));
                writeln!(
                    page,
                    "<tr><td>{method}</td><td class=\"number\">{before}</td><td class=\"number\">{after}</td><td class=\"number\">{:.2} %</td></tr>",
                    chance * 100.0
                )?;
            }
            writeln!(page, "</table></div>")?;
            more(page, self.latencies.len(), "method")?;
            writeln!(page, "</section>")?;
        }
        if self.beyond > 0 {
            writeln!(page, "<p class=\"note\">{} more differences are not shown.</p>", self.beyond)?;
        }
        writeln!(page, "</main>\n</html>")
    }
}

fn write_difference(page: &mut String, difference: &Difference) -> std::fmt::Result {
    writeln!(
        page,
        "<h3>{} <small>{}</small></h3><div class=\"wide\"><table>",
        escaped(&difference.subject.to_string()),
        escaped(&difference.extent())
    )?;
    for Example { place, before, after, .. } in &difference.examples {
        let place = if place.is_empty() { "the answer" } else { place };
        writeln!(
            page,
            "<tr><td><code>{}</code></td><td class=\"before\">{}</td><td class=\"after\">{}</td></tr>",
            escaped(place),
            escaped(before),
            escaped(after)
        )?;
    }
    writeln!(page, "</table></div>")
}

/// Says how many lines of a list are not on the page.
fn more(page: &mut String, all: usize, what: &str) -> std::fmt::Result {
    match all.saturating_sub(MOST) {
        0 => Ok(()),
        more => writeln!(
            page,
            "<p class=\"note\">… and {} more (--format json has all)</p>",
            count(more as u64, what)
        ),
    }
}

/// Texts of others are text, wherever they stand.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}
