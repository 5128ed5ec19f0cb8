//! `qix-proxy lint`: what in a recording makes an app slow, fragile or unsafe.

use std::{io::Write, path::PathBuf};

use clap::ValueEnum;
use serde_json::json;
use unicode_width::UnicodeWidthChar;

use super::{
    exit::{CliError, Outcome},
    progress::{self, failed},
    terminal::Terminal,
};
use crate::{
    count::count,
    lint::{Finding, Linter, Rule, rule, rules},
    live::{size, time},
    model::{Event, ModelBuilder, Weight},
    show::since,
};

/// Arguments of `qix-proxy lint`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  qix-proxy lint session.qixrec
      Say what is wrong, the worst first, and what to do about it
  qix-proxy lint --rules
      Explain all rules: what they find, why, the remedy, the limits
  qix-proxy lint session.qixrec --check --ignore socket-left-open
      For CI: end with 1 if anything is found, but by one rule
  qix-proxy lint session.qixrec --format json | jq '.findings[].words'
      For programs

Exit codes: 0 done, whatever was found; 1 something was found and --check is given; 2 wrong usage; 4 recording unreadable")]
pub(crate) struct LintArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required_unless_present = "rules", value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Apply this rule only; can be repeated
    #[arg(long = "rule", value_name = "NAME")]
    only: Vec<String>,

    /// Leave this rule out; can be repeated
    #[arg(long, value_name = "NAME")]
    ignore: Vec<String>,

    /// Exit with 1 if anything is found
    #[arg(long)]
    check: bool,

    /// How findings are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    /// List and explain the rules instead
    #[arg(long, conflicts_with = "files")]
    rules: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object: what was looked at, and the findings
    Json,
}

/// How much there was to look at.
#[derive(Debug, Default)]
struct Looked {
    calls: u64,
    connections: u64,
}

impl LintArgs {
    /// Looks at the recording, or lists the rules.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let mut linter = Linter::new();
        if !self.only.is_empty() {
            linter = linter.only(&self.only).map_err(CliError::usage)?;
        }
        linter = linter.without(&self.ignore).map_err(CliError::usage)?;
        if self.rules {
            let wanted = |rule: &&Rule| {
                (self.only.is_empty() || self.only.iter().any(|name| *name == rule.name))
                    && !self.ignore.iter().any(|name| *name == rule.name)
            };
            explain(out, rules().filter(wanted), self.format, Terminal::stdout())?;
            return Ok(Outcome::Clean);
        }
        let mut reading = progress::open(&self.files, false)?;
        let mut looked = Looked::default();
        let mut builder = ModelBuilder::new().without_results();
        let mut broken = None;
        let mut take = |linter: &mut Linter, event: &Event| {
            match event {
                Event::Called(_) => looked.calls += 1,
                Event::Connected(connection) if connection.refused.is_none() => looked.connections += 1,
                _ => {}
            }
            linter.take(event);
        };
        for entry in &mut reading {
            match entry {
                Ok(entry) => {
                    linter.see(&entry);
                    builder.take(entry, &mut |event| take(&mut linter, &event));
                }
                Err(error) => {
                    broken = Some(error);
                    break;
                }
            }
        }
        builder.finish(&mut |event| take(&mut linter, &event));
        reading.finish();
        let findings = linter.finish();
        match self.format {
            Format::Text => text(out, &findings, &looked, Terminal::stdout())?,
            Format::Json => {
                let files: Vec<_> = self.files.iter().map(|file| file.display().to_string()).collect();
                let findings: Vec<_> = findings.iter().map(of).collect();
                let all = json!({
                    "files": files,
                    "calls": looked.calls,
                    "connections": looked.connections,
                    "findings": findings,
                });
                writeln!(out, "{all:#}")?;
            }
        }
        if let Some(error) = broken {
            return Err(failed(error));
        }
        Ok(if self.check && !findings.is_empty() { Outcome::Mismatch } else { Outcome::Clean })
    }
}

/// Writes findings, those of a rule together, the rule of the worst first.
fn text(
    out: &mut dyn Write,
    findings: &[Finding],
    looked: &Looked,
    terminal: Terminal,
) -> std::io::Result<()> {
    let Terminal { colour, width } = terminal;
    let mut left: Vec<_> = findings.iter().collect();
    let mut kinds = 0;
    while let Some(rule) = left.first().and_then(|finding| rule(finding.rule)) {
        let (these, others) = left.into_iter().partition::<Vec<_>, _>(|finding| finding.rule == rule.name);
        left = others;
        kinds += 1;
        let (mark, look) = mark(rule.weight);
        writeln!(out, "{} {}", paint(colour, look, mark), paint(colour, BOLD, rule.name))?;
        writeln!(out, "  {}", paint(colour, DIM, &wrapped(rule.remedy, 2, width)))?;
        for finding in these {
            writeln!(out, "  {:>6}  {}", format!("{}×", finding.count), wrapped(&line(finding), 10, width))?;
        }
        writeln!(out)?;
    }
    let (calls, connections) = (count(looked.calls, "call"), count(looked.connections, "connection"));
    let looked = format!("{calls} on {connections}");
    match findings.len() as u64 {
        0 => writeln!(out, "nothing found in {looked}"),
        found => {
            let (found, kinds) = (count(found, "finding"), count(kinds, "rule"));
            writeln!(out, "{found} by {kinds} in {looked}; lint --rules explains them")
        }
    }
}

/// Returns what a finding says: what, what it cost, and where to look.
fn line(finding: &Finding) -> String {
    let mut line = finding.words.clone();
    let mut cost = Vec::new();
    if !finding.time.is_zero() {
        cost.push(time(finding.time.as_micros() as u64));
    }
    if finding.bytes > 0 {
        cost.push(size(finding.bytes));
    }
    if !cost.is_empty() {
        line += &format!("  {}", cost.join(", "));
    }
    line += &format!("  at {}", since(finding.at));
    let calls: Vec<_> = finding.calls.iter().map(u64::to_string).collect();
    if !calls.is_empty() {
        let more = if finding.count > calls.len() as u64 { ", …" } else { "" };
        let word = if calls.len() == 1 && more.is_empty() { "call" } else { "calls" };
        line += &format!("  ({word} {}{more})", calls.join(", "));
    }
    line
}

/// Breaks text between words where a terminal would break it anywhere; what follows the first line begins at a column.
fn wrapped(text: &str, column: usize, width: Option<usize>) -> String {
    let Some(width) = width.filter(|width| *width > column + 20) else { return text.to_owned() };
    let (mut out, mut used) = (String::new(), column);
    // Two blanks between parts are one place to break.
    for (at, word) in text.split(' ').enumerate() {
        let wide: usize = word.chars().map(|c| c.width().unwrap_or(0)).sum();
        if at > 0 && used + 1 + wide > width {
            out.truncate(out.trim_end().len());
            out += &format!("\n{:column$}", "");
            used = column;
        } else if at > 0 {
            out.push(' ');
            used += 1;
        }
        out += word;
        used += wide;
    }
    out
}

const BOLD: &str = "1";
const DIM: &str = "2";

/// Returns the sign of a weight, and its colour.
fn mark(weight: Weight) -> (&'static str, &'static str) {
    match weight {
        Weight::Bad => ("✗", "31"),
        Weight::Odd => ("!", "33"),
        Weight::Normal => ("·", DIM),
    }
}

fn paint(colour: bool, look: &str, text: &str) -> String {
    if colour { format!("\x1b[{look}m{text}\x1b[0m") } else { text.to_owned() }
}

fn explain<'r>(
    out: &mut dyn Write,
    rules: impl Iterator<Item = &'r Rule>,
    format: Format,
    terminal: Terminal,
) -> std::io::Result<()> {
    let limits = |rule: &Rule| -> Vec<String> {
        rule.limits.iter().map(|limit| format!("{} {}", limit.of, limit.amount)).collect()
    };
    if format == Format::Json {
        let all = rules.map(|rule| {
            json!({
                "rule": rule.name,
                "weight": word(rule.weight),
                "finds": rule.finds,
                "why": rule.why,
                "remedy": rule.remedy,
                "limits": limits(rule),
            })
        });
        return writeln!(out, "{:#}", json!({"rules": all.collect::<Vec<_>>()}));
    }
    for rule in rules {
        let (mark, look) = mark(rule.weight);
        let (mark, name) = (paint(terminal.colour, look, mark), paint(terminal.colour, BOLD, rule.name));
        let wrapped = |text| wrapped(text, 10, terminal.width);
        writeln!(out, "{mark} {name}")?;
        writeln!(out, "  finds   {}", wrapped(rule.finds))?;
        writeln!(out, "  why     {}", wrapped(rule.why))?;
        writeln!(out, "  remedy  {}", wrapped(rule.remedy))?;
        for (at, limit) in limits(rule).iter().enumerate() {
            writeln!(out, "  {:6}  {limit}", if at == 0 { "limits" } else { "" })?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Returns a finding as scripts read it: times in microseconds.
fn of(finding: &Finding) -> serde_json::Value {
    json!({
        "rule": finding.rule,
        "weight": word(finding.weight),
        "words": finding.words,
        "count": finding.count,
        "at_us": finding.at.as_micros() as u64,
        "connection": finding.conn,
        "calls": finding.calls,
        "objects": finding.objects,
        "time_us": finding.time.as_micros() as u64,
        "bytes": finding.bytes,
        "remedy": rule(finding.rule).map(|rule| rule.remedy),
    })
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Bad => "bad",
        Weight::Odd => "odd",
        Weight::Normal => "normal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_broken_between_words_and_only_on_a_terminal() {
        let text = "Send them together and wait for all of them, then go on";
        let broken = wrapped(text, 4, Some(30));
        assert_eq!(broken, "Send them together and\n    wait for all of them, then\n    go on");
        assert!(broken.lines().all(|line| line.len() <= 30));
        assert_eq!(wrapped(text, 4, None), text);
        assert_eq!(wrapped("", 4, Some(30)), "");
    }
}
