//! `qix-proxy lint`: what in a recording makes an app slow, fragile or unsafe.

use std::{io::Write, path::PathBuf};

use clap::ValueEnum;
use serde_json::json;

use super::exit::{CliError, Outcome, count};
use crate::{
    chain::chain,
    lint::{Finding, Linter, Rule, rule, rules},
    live::{is_capable, size, time, wants_colour},
    model::{Event, ModelBuilder, Weight},
    record::RecordingParts,
};

/// Arguments of `qix-proxy lint`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  qix-proxy lint session.qixrec                           what is wrong, the worst first, and what to do about it
  qix-proxy lint --rules                                  all rules with their reasons, remedies and limits
  qix-proxy lint --ignore socket-left-open session.qixrec
  qix-proxy lint --check session.qixrec                   exit with 1 if anything is found, for CI
  qix-proxy lint --format json session.qixrec | jq '.findings[].words'

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
            explain(out, rules().filter(wanted), self.format)?;
            return Ok(Outcome::Clean);
        }
        let mut parts =
            RecordingParts::open(&self.files).map_err(|error| CliError::recording(chain(&error)))?;
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
        for entry in &mut parts {
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
        for (path, torn) in parts.torn() {
            tracing::warn!(
                "the last line of {} was cut after {} bytes, and is left out",
                path.display(),
                torn.bytes
            );
        }
        let findings = linter.finish();
        match self.format {
            Format::Text => text(out, &findings, &looked, is_capable() && wants_colour())?,
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
            return Err(CliError::recording(chain(&error)));
        }
        Ok(if self.check && !findings.is_empty() { Outcome::Mismatch } else { Outcome::Clean })
    }
}

/// Writes findings, those of a rule together, the rule of the worst first.
fn text(out: &mut dyn Write, findings: &[Finding], looked: &Looked, colour: bool) -> std::io::Result<()> {
    let mut left: Vec<_> = findings.iter().collect();
    let mut kinds = 0;
    while let Some(rule) = left.first().and_then(|finding| rule(finding.rule)) {
        let (these, others) = left.into_iter().partition::<Vec<_>, _>(|finding| finding.rule == rule.name);
        left = others;
        kinds += 1;
        let (mark, look) = mark(rule.weight);
        writeln!(out, "{} {}", paint(colour, look, mark), paint(colour, BOLD, rule.name))?;
        writeln!(out, "  {}", paint(colour, DIM, rule.remedy))?;
        for finding in these {
            writeln!(out, "{}", line(finding))?;
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

/// Writes a finding on a line: how often, what, what it cost, and where to look.
fn line(finding: &Finding) -> String {
    let often = format!("{}×", finding.count);
    let mut line = format!("  {often:>6}  {}", finding.words);
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
    line += &format!("  at {}", time(finding.at.as_micros() as u64));
    let calls: Vec<_> = finding.calls.iter().map(u64::to_string).collect();
    if !calls.is_empty() {
        let more = if finding.count > calls.len() as u64 { ", …" } else { "" };
        let word = if calls.len() == 1 && more.is_empty() { "call" } else { "calls" };
        line += &format!("  ({word} {}{more})", calls.join(", "));
    }
    line
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
        let (mark, _) = mark(rule.weight);
        writeln!(out, "{mark} {}: {}", rule.name, rule.finds)?;
        writeln!(out, "  why     {}", rule.why)?;
        writeln!(out, "  remedy  {}", rule.remedy)?;
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
        "at": finding.at.as_micros() as u64,
        "conn": finding.conn,
        "calls": finding.calls,
        "objects": finding.objects,
        "time": finding.time.as_micros() as u64,
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
