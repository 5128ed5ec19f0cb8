//! Reads two recordings twice, and holds their answers beside each other.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    io,
    panic::resume_unwind,
    path::Path,
    sync::mpsc,
    thread,
};

use qix_protocol::Tree;

use super::{
    DiffReport, DiffSettings, Subject,
    align::{Alignment, Row},
    held::Held,
    latency::Latencies,
    side::{Outcome, Seen, Side},
    subject::Subjects,
};
use crate::{
    compare::{Comparison, Found, Ids, Uuid, is_aborted, makes},
    record::{ReadError, TornTail},
    redrive::{DifferenceKind, Handles},
    replay::shortened,
};

/// How many calls of the first recording are read before those of the second need them.
const AHEAD: usize = 4;

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

/// Compares two recordings, each of which is read in a thread of its own.
///
/// `progress` is told now and then, from either thread, how many more bytes were read. Each file is read once, and once more if there may
/// be differences.
///
/// # Errors
///
/// [`DiffError`] if one of them cannot be read to its end; one whose last line was cut can.
pub fn diff(
    before: impl AsRef<Path>,
    after: impl AsRef<Path>,
    settings: &DiffSettings,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<DiffReport, DiffError> {
    let files = [before.as_ref(), after.as_ref()];
    let mut report =
        DiffReport { files: files.map(|file| file.display().to_string()), ..DiffReport::default() };
    let open = |side: usize, wanted| {
        let apps = if side == 0 { &settings.apps[..] } else { &[] };
        Side::open(files[side], apps, wanted, progress)
    };
    // What cannot be read at all is said before hours of work.
    let (before, after) = (open(0, Vec::new())?, open(1, Vec::new())?);
    let (before, after) = thread::scope(|scope| {
        let before = scope.spawn(|| First::of(before));
        let after = First::of(after);
        (before.join().unwrap_or_else(|panic| resume_unwind(panic)), after)
    });
    let (before, after) = (before?, after?);
    for (file, torn) in files.into_iter().zip([before.torn, after.torn]) {
        let Some(TornTail { line, bytes, .. }) = torn else { continue };
        let note = format!("line {line} of {} was cut after {bytes} bytes, and is left out", file.display());
        if !report.notes.contains(&note) {
            report.notes.push(note);
        }
    }
    // Nobody makes up the same one twice.
    let uuids = before.uuids.intersection(&after.uuids).copied().collect();
    report.calls = [before.rows.len() as u64, after.rows.len() as u64];
    report.latencies = before.latencies.changes(&after.latencies);
    let Alignment { pairs, candidates, only } = Alignment::of(before.rows, after.rows);
    report.compared = pairs;
    report.equal = pairs - candidates.len() as u64;
    if !candidates.is_empty() || only.iter().any(|only| !only.is_empty()) {
        let wanted_after = candidates.iter().map(|(after, _)| *after).collect();
        let mut wanted: Vec<_> = candidates.iter().map(|(_, before)| *before).collect();
        wanted.sort_unstable();
        let sides = [open(0, wanted.clone())?, open(1, wanted_after)?];
        let partners = candidates.into_iter().collect();
        Second { settings, report: &mut report, ids: Ids::common(uuids) }
            .run(sides, &partners, &wanted, &only)?;
    }
    report.finish();
    Ok(report)
}

/// What the first pass finds in a recording.
#[derive(Debug, Default)]
struct First {
    rows: Vec<Row>,
    latencies: Latencies,
    torn: Option<TornTail>,
    uuids: HashSet<Uuid>,
}

impl First {
    fn of(mut side: Side<'_>) -> Result<Self, ReadError> {
        let mut first = Self::default();
        for seen in side.by_ref() {
            let seen = seen?;
            first.rows.push(Row { key: seen.key, seq: seen.seq, print: seen.print });
            if let (Outcome::Result(_), Some(latency)) = (&seen.outcome, seen.latency) {
                first.latencies.add(&seen.method, latency);
            }
        }
        first.torn = side.torn();
        first.uuids = side.uuids();
        Ok(first)
    }
}

/// The second pass.
struct Second<'d> {
    settings: &'d DiffSettings,
    report: &'d mut DiffReport,
    ids: Ids,
}

impl Second<'_> {
    /// Compares the calls of the second recording with their `partners` in the first, which are `wanted`, and tells of those that only
    /// one has.
    fn run(
        mut self,
        [before, after]: [Side<'_>; 2],
        partners: &HashMap<u64, u64>,
        wanted: &[u64],
        [only_before, only_after]: &[Vec<u64>; 2],
    ) -> Result<(), DiffError> {
        let is_in = |calls: &[u64], seen: &Seen| calls.binary_search(&seen.seq).is_ok();
        let mut held = Held::default();
        thread::scope(|scope| {
            let (to, first) = mpsc::sync_channel(AHEAD);
            scope.spawn(move || {
                let is_needed = |seen: &Seen| is_in(wanted, seen) || is_in(only_before, seen);
                let needed = before.filter(|seen| seen.as_ref().map_or(true, is_needed));
                // What comes after the last one is not read, nor is anything once the other side has failed.
                for seen in needed.take(wanted.len() + only_before.len()) {
                    if to.send(seen).is_err() {
                        break;
                    }
                }
            });
            let mut first = first.into_iter();
            let hold = |report: &mut DiffReport, held: &mut Held, seen: Seen| {
                if is_in(only_before, &seen) {
                    report.only(0, &seen);
                    return Ok(());
                }
                held.put(seen).map_err(DiffError::Spool)
            };
            let is_needed = |seen: &Seen| partners.contains_key(&seen.seq) || is_in(only_after, seen);
            let needed = after.filter(|seen| seen.as_ref().map_or(true, is_needed));
            for seen in needed.take(partners.len() + only_after.len()) {
                let seen = seen?;
                let Some(partner) = partners.get(&seen.seq) else {
                    self.report.only(1, &seen);
                    continue;
                };
                while !held.has(*partner) {
                    let Some(next) = first.next() else { break };
                    hold(self.report, &mut held, next?)?;
                }
                if let Some(first) = held.take(*partner).map_err(DiffError::Spool)? {
                    self.compare(&first, &seen);
                }
            }
            first.try_for_each(|next| hold(self.report, &mut held, next?))
        })
    }

    fn compare(&mut self, before: &Seen, after: &Seen) {
        let both = [before, after];
        let unanswered = || Some("no answer".to_owned());
        match (&before.outcome, &after.outcome) {
            (Outcome::Result(Some(one)), Outcome::Result(Some(other))) => {
                if self.are_equal(both, one, other) {
                    self.report.equal += 1;
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

    /// Compares results, and puts what differs into the report.
    fn are_equal(&mut self, [before, after]: [&Seen; 2], one: &[u8], other: &[u8]) -> bool {
        let mut told = BTreeSet::new();
        let (first, second) = match (Tree::parse(one), Tree::parse(other)) {
            (Ok(first), Ok(second)) => (first, second),
            // What no parser takes is equal to the letter, or not.
            _ if one == other => return true,
            _ => {
                let text = |bytes: &[u8]| shortened(&String::from_utf8_lossy(bytes));
                let (place, kind) = (String::new(), DifferenceKind::Value);
                let found = || Found { place, kind, recorded: text(one), live: text(other) };
                let subject = Subject::Member("the answer".to_owned());
                self.report.differ([before, after], &mut told, subject, found);
                return false;
            }
        };
        let params = before.params.as_deref().unwrap_or(b"[]");
        let (mut about_first, mut about_second) =
            (Subjects::of(before, &first), Subjects::of(after, &second));
        let (report, mut are_equal) = (&mut *self.report, true);
        let comparison = Comparison {
            rules: &self.settings.rules,
            method: &before.method,
            makes: makes(&before.method).then_some(params),
            ids: &mut self.ids,
            // Objects stand for themselves here.
            handles: &Handles::default(),
            apps: &self.settings.apps,
        };
        comparison.each(&first, &second, &mut |spot| {
            are_equal = false;
            let subjects =
                if spot.kind == DifferenceKind::OnlyLive { &mut about_second } else { &mut about_first };
            report.differ([before, after], &mut told, subjects.at(spot.path), || spot.found());
        });
        are_equal
    }
}
