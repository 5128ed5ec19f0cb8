//! Reads two recordings twice, and holds their answers beside each other.

use std::{collections::HashMap, io, path::Path};

use qix_protocol::{EngineError, ErrorCode, Tree};

use super::{
    DiffReport, DiffSettings, Subject,
    align::{Alignment, Row},
    held::Held,
    keys::makes,
    latency::Latencies,
    side::{Outcome, Seen, Side},
};
use crate::{
    compare::{Comparison, Found, Ids},
    record::ReadError,
    redrive::{DifferenceKind, Handles},
    replay::shortened,
};

/// Why two recordings cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiffError {
    /// One of them cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// There is no room for a temporary file.
    #[error("cannot keep answers in a temporary file; make room where the system has its temporary files")]
    Spool(#[source] io::Error),
}

/// Compares two recordings.
///
/// # Errors
///
/// [`DiffError`] if one of them cannot be read to its end; one whose last line was cut can.
pub fn diff(
    before: impl AsRef<Path>,
    after: impl AsRef<Path>,
    settings: &DiffSettings,
) -> Result<DiffReport, DiffError> {
    let files = [before.as_ref(), after.as_ref()];
    let mut report =
        DiffReport { files: files.map(|file| file.display().to_string()), ..DiffReport::default() };
    let mut latencies = Latencies::default();
    let open = |side: usize, wanted| {
        let apps = if side == 0 { &settings.apps[..] } else { &[] };
        Side::open(files[side], apps, wanted)
    };
    // What cannot be read at all is said before hours of work.
    let sides = [open(0, Vec::new())?, open(1, Vec::new())?];
    let mut rows = [Vec::new(), Vec::new()];
    for (at, mut side) in sides.into_iter().enumerate() {
        for seen in side.by_ref() {
            let seen = seen?;
            rows[at].push(Row { key: seen.key, seq: seen.seq, print: seen.print });
            if let (Outcome::Result(_), Some(latency)) = (&seen.outcome, seen.latency) {
                latencies.add(at, &seen.method, latency);
            }
        }
        if let Some(torn) = side.torn() {
            let file = files[at].display();
            let (line, bytes) = (torn.line, torn.bytes);
            let note = format!("line {line} of {file} was cut after {bytes} bytes, and is left out");
            if !report.notes.contains(&note) {
                report.notes.push(note);
            }
        }
        report.calls[at] = rows[at].len() as u64;
    }
    let [one, other] = rows;
    let alignment = Alignment::of(one, other);
    report.compared = alignment.pairs;
    report.equal = alignment.pairs - alignment.candidates.len() as u64;
    report.latencies = latencies.changes();
    if !alignment.candidates.is_empty() || alignment.only.iter().any(|only| !only.is_empty()) {
        let mut wanted = [Vec::new(), alignment.candidates.iter().map(|(after, _)| *after).collect()];
        wanted[0].extend(alignment.candidates.iter().map(|(_, before)| *before));
        wanted[0].sort_unstable();
        let [before, after] = wanted;
        let sides = [open(0, before.clone())?, open(1, after)?];
        Second { settings, alignment, wanted: before, report: &mut report, ids: Ids::default() }
            .run(sides)?;
    }
    report.finish();
    Ok(report)
}

/// The second pass.
struct Second<'d> {
    settings: &'d DiffSettings,
    alignment: Alignment,
    /// The calls of the first recording that are compared.
    wanted: Vec<u64>,
    report: &'d mut DiffReport,
    ids: Ids,
}

impl Second<'_> {
    fn run(&mut self, [mut before, mut after]: [Side; 2]) -> Result<(), DiffError> {
        let mut held = Held::default();
        let partners: HashMap<u64, u64> = self.alignment.candidates.drain(..).collect();
        for seen in after.by_ref() {
            let seen = seen?;
            if self.alignment.only[1].binary_search(&seen.seq).is_ok() {
                self.report.only(1, &seen);
            }
            let Some(partner) = partners.get(&seen.seq) else { continue };
            while !held.has(*partner) {
                let Some(next) = before.next() else { break };
                self.hold(next?, &mut held)?;
            }
            if let Some(first) = held.take(*partner).map_err(DiffError::Spool)? {
                self.compare(&first, &seen);
            }
        }
        for next in before.by_ref() {
            self.hold(next?, &mut held)?;
        }
        Ok(())
    }

    fn hold(&mut self, seen: Seen, held: &mut Held) -> Result<(), DiffError> {
        if self.alignment.only[0].binary_search(&seen.seq).is_ok() {
            self.report.only(0, &seen);
        } else if self.wanted.binary_search(&seen.seq).is_ok() {
            held.put(seen).map_err(DiffError::Spool)?;
        }
        Ok(())
    }

    fn compare(&mut self, before: &Seen, after: &Seen) {
        let both = [before, after];
        let unanswered = || Some("no answer".to_owned());
        match (&before.outcome, &after.outcome) {
            (Outcome::Result(Some(one)), Outcome::Result(Some(other))) => {
                let found = self.results(both, one, other);
                if found.is_empty() {
                    self.report.equal += 1;
                } else {
                    self.report.differ(both, found);
                }
            }
            (Outcome::Error(one), Outcome::Error(other)) if one.code == other.code => self.report.equal += 1,
            // Whether an abort is in time, is a matter of luck.
            (Outcome::Error(error), _) | (_, Outcome::Error(error)) if is_aborted(error) => {
                self.report.not_compared += 1;
            }
            (Outcome::Unreadable, _) | (_, Outcome::Unreadable) => self.report.not_compared += 1,
            (Outcome::Unanswered, Outcome::Unanswered) => self.report.equal += 1,
            (one, other) => {
                let says = |outcome: &Outcome| match outcome {
                    Outcome::Error(error) => Some(error.to_string()),
                    Outcome::Unanswered => unanswered(),
                    Outcome::Result(_) | Outcome::Unreadable => None,
                };
                self.report.fail(both, [says(one), says(other)]);
            }
        }
    }

    fn results(&mut self, [before, after]: [&Seen; 2], one: &[u8], other: &[u8]) -> Vec<(Subject, Found)> {
        let (first, second) = match (Tree::parse(one), Tree::parse(other)) {
            (Ok(first), Ok(second)) => (first, second),
            // What no parser takes is equal to the letter, or not.
            _ if one == other => return Vec::new(),
            _ => {
                let text = |bytes: &[u8]| shortened(&String::from_utf8_lossy(bytes));
                let (place, kind) = (String::new(), DifferenceKind::Value);
                let found = Found { place, kind, recorded: text(one), live: text(other) };
                return vec![(Subject::Member("the answer".to_owned()), found)];
            }
        };
        let params = before.params.as_deref().unwrap_or(b"[]");
        let outcome = Comparison {
            rules: &self.settings.rules,
            method: &before.method,
            makes: makes(&before.method).then_some(params),
            ids: &mut self.ids,
            // Objects stand for themselves here.
            handles: &Handles::default(),
            apps: &self.settings.apps,
        }
        .results(&first, &second);
        let about = |found: Found| match found.kind {
            DifferenceKind::OnlyLive => (Subject::of(&found.place, after, &second), found),
            _ => (Subject::of(&found.place, before, &first), found),
        };
        outcome.found.into_iter().map(about).collect()
    }
}

fn is_aborted(error: &EngineError) -> bool {
    error.code == ErrorCode::GENERIC_ABORTED
}
