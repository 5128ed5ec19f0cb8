//! What has become of the calls.

use std::collections::BTreeMap;

use super::{DifferentAnswer, latency::Latencies, refusal::Why};
use crate::{calls::Asked, replay::shortened};

/// How many answers that differ are kept; further ones are counted.
const MOST_ANSWERS: usize = 1000;
/// How many lines of each other list are kept.
const MOST_LINES: usize = 1000;

/// What a re-drive has come to.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RedriveReport {
    /// How many of what.
    pub counts: Counts,
    /// Answers that differ, in recorded order; at most 1000.
    pub different: Vec<DifferentAnswer>,
    /// Writes that were not sent, as `METHOD on OBJECT`, and how many of each.
    pub refused: BTreeMap<String, u64>,
    /// Why calls were skipped, and how many for each reason.
    pub skipped: BTreeMap<String, u64>,
    /// What could not be done, in words: connections, apps, answers.
    pub failed: Vec<String>,
    /// Differences that may be a matter of time: what was said unasked, what was aborted.
    pub notices: Vec<String>,
    /// What does not fit in the recording.
    pub notes: Vec<String>,
    /// What of the recordings cannot be read.
    pub faults: Vec<String>,
    /// How long answers took.
    pub latencies: Latencies,
    /// Whether it was stopped before the end.
    pub interrupted: bool,
    /// Whether it has ended at the most differences that were asked for.
    pub cut: bool,
    /// Whether there is no engine.
    pub unreachable: bool,
    /// The recording of which the next remarks are, if there are several.
    pub(super) within: Option<String>,
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Counts {
    /// Recorded connections.
    pub connections: u64,
    /// Those that have come about again.
    pub connected: u64,
    /// Recorded calls, as far as they were come to.
    pub calls: u64,
    /// Calls that were made again.
    pub sent: u64,
    /// Answers that have come.
    pub answered: u64,
    /// Answers that were compared.
    pub compared: u64,
    /// Those that are equal.
    pub equal: u64,
    /// Those that differ.
    pub different: u64,
    /// Answers that cannot be compared: aborted ones, and patches of what is not in the recording.
    pub not_compared: u64,
    /// Calls that were answered in the recording, and not now.
    pub not_answered: u64,
    /// Calls that were not answered in the recording.
    pub unanswered: u64,
    /// Writes that were not sent.
    pub refused: u64,
    /// Calls that need something that is not there.
    pub skipped: u64,
    /// Those of them that need a write that was not sent, what was left out, or an object that the recording does not have.
    pub skipped_by_choice: u64,
    /// Calls that nobody has asked for.
    pub left_out: u64,
    /// Remarks that were not kept.
    pub beyond: u64,
}

/// What a re-drive says of an engine, in one word.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// All that was compared is equal, and something was.
    Equal,
    /// Answers differ, calls could not be made, or nothing was compared.
    Different,
    /// There is no engine.
    Unreachable,
    /// A recording cannot be read, or not to its end, and nothing else is wrong.
    Unreadable,
}

impl RedriveReport {
    /// Returns what it comes to. Writes that were not sent, notices, and an early end are no difference.
    pub fn verdict(&self) -> Verdict {
        let Counts { connected, compared, different, skipped, skipped_by_choice, .. } = self.counts;
        if self.unreachable && connected == 0 {
            Verdict::Unreachable
        } else if different > 0 || !self.failed.is_empty() || skipped > skipped_by_choice {
            Verdict::Different
        } else if !self.faults.is_empty() {
            Verdict::Unreadable
        } else if compared == 0 {
            // Nobody should take silence for agreement.
            Verdict::Different
        } else {
            Verdict::Equal
        }
    }

    pub(super) fn differ(&mut self, different: DifferentAnswer) {
        self.counts.different += 1;
        if self.different.len() < MOST_ANSWERS {
            self.different.push(different);
        } else {
            self.counts.beyond += 1;
        }
    }

    pub(super) fn refuse(&mut self, asked: &Asked) {
        self.counts.refused += 1;
        let object = asked.lineage.as_ref().map(ToString::to_string).unwrap_or_default();
        let call = format!("{} on {}", asked.method, shortened(&object));
        count(&mut self.refused, call, &mut self.counts.beyond);
    }

    pub(super) fn skip(&mut self, why: &Why) {
        self.counts.skipped += 1;
        self.counts.skipped_by_choice += u64::from(why.chosen);
        count(&mut self.skipped, why.text.to_string(), &mut self.counts.beyond);
    }

    pub(super) fn fail(&mut self, what: String) {
        let what = self.named(what);
        keep(&mut self.failed, what, &mut self.counts.beyond);
    }

    pub(super) fn notice(&mut self, what: String) {
        let what = self.named(what);
        keep(&mut self.notices, what, &mut self.counts.beyond);
    }

    pub(super) fn note(&mut self, what: &str) {
        let what = self.named(what.to_owned());
        keep(&mut self.notes, what, &mut self.counts.beyond);
    }

    fn named(&self, what: String) -> String {
        match &self.within {
            Some(file) => format!("{file}: {what}"),
            None => what,
        }
    }
}

fn keep(list: &mut Vec<String>, what: String, beyond: &mut u64) {
    if list.len() < MOST_LINES {
        list.push(what);
    } else {
        *beyond += 1;
    }
}

fn count(list: &mut BTreeMap<String, u64>, what: String, beyond: &mut u64) {
    if list.len() < MOST_LINES || list.contains_key(&what) {
        *list.entry(what).or_default() += 1;
    } else {
        *beyond += 1;
    }
}
