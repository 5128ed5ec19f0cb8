//! What two recordings differ in.

use std::collections::{BTreeSet, HashMap};

use qix_transport::printable;

use super::{
    Difference, ErrorDifference, Example, LatencyChange, ObjectDifferences, OnlyThere, Subject, side::Seen,
};
use crate::{compare::Found, count::count};

/// How many differences, errors and groups of calls are kept; further ones are counted.
const MOST: usize = 5000;
/// How many examples a difference has.
const MOST_EXAMPLES: usize = 3;
/// How much of a text is kept, in characters.
const LONGEST: usize = 160;

/// What two recordings differ in, in the words of the app.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DiffReport {
    /// The names of the recordings: before, after.
    pub files: [String; 2],
    /// How many calls they have, but for those that ask how far something is.
    pub calls: [u64; 2],
    /// How many calls both have.
    pub compared: u64,
    /// Those of them with equal answers.
    pub equal: u64,
    /// Those that cannot be compared: aborted ones, and patches of what is not in the recording.
    pub not_compared: u64,
    /// What differs, by object, in the order of the second recording.
    pub objects: Vec<ObjectDifferences>,
    /// Calls that fail on one side only, or otherwise.
    pub errors: Vec<ErrorDifference>,
    /// Calls that only one has: before, after.
    pub only: [Vec<OnlyThere>; 2],
    /// Methods that have become slower or faster; no difference by themselves.
    pub latencies: Vec<LatencyChange>,
    /// What does not fit in the recordings.
    pub notes: Vec<String>,
    /// Differences that were not kept.
    pub beyond: u64,
    pub(super) places: Places,
}

/// Where things are in the lists of a report.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    objects: HashMap<u64, usize>,
    subjects: HashMap<(u64, Subject), usize>,
    errors: HashMap<(u64, String, Option<String>, Option<String>), usize>,
    only: [HashMap<(u64, String), usize>; 2],
}

impl DiffReport {
    /// Returns whether calls were compared and nothing differs. Latency is no difference.
    pub fn is_equal(&self) -> bool {
        self.compared > self.not_compared && !self.has_differences()
    }

    fn has_differences(&self) -> bool {
        let only = self.only.iter().all(Vec::is_empty);
        !(self.objects.is_empty() && self.errors.is_empty() && only && self.beyond == 0)
    }

    /// Returns the measures that differ, by their labels.
    pub fn measures(&self) -> BTreeSet<&str> {
        self.subjects(|subject| match subject {
            Subject::Measure(label) => Some(label),
            _ => None,
        })
    }

    fn subjects<'s>(&'s self, of: impl Fn(&'s Subject) -> Option<&'s String>) -> BTreeSet<&'s str> {
        let all = self.objects.iter().flat_map(|object| &object.differences);
        all.filter_map(|difference| of(&difference.subject).map(String::as_str)).collect()
    }

    /// Says in a line what it comes to, such as `1 measure differs in 2 objects`.
    pub fn headline(&self) -> String {
        let compared = count(self.compared, "call");
        if !self.has_differences() {
            return match (self.compared, self.not_compared) {
                (0, _) => "nothing was compared: there are no calls".to_owned(),
                (_, 0) => format!("no difference in {compared}"),
                (all, left) if left >= all => format!("nothing was compared: {compared}, and none can be"),
                (_, left) => format!("no difference in {compared}, {left} of which cannot be compared"),
            };
        }
        let differ = |number: usize, what: &str| {
            let verb = if number == 1 { "differs" } else { "differ" };
            (number > 0).then(|| format!("{} {verb}", count(number as u64, what)))
        };
        let dimensions = self.subjects(|subject| match subject {
            Subject::Dimension(label) => Some(label),
            _ => None,
        });
        let all = self.objects.iter().flat_map(|object| &object.differences);
        let others =
            all.filter(|difference| matches!(difference.subject, Subject::Rows | Subject::Member(_)));
        let only = |side: usize, when: &str| {
            let calls = self.only[side].iter().map(|only| only.calls).sum();
            (calls > 0).then(|| format!("{} only {when}", count(calls, "call")))
        };
        let parts = [
            differ(self.measures().len(), "measure"),
            differ(dimensions.len(), "dimension"),
            differ(others.count(), "other thing"),
            differ(self.errors.len(), "error"),
            only(0, "before"),
            only(1, "after"),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        let objects = match self.objects.len() {
            0 => String::new(),
            number => format!(" in {}", count(number as u64, "object")),
        };
        let text = if parts.is_empty() { "there are differences".to_owned() } else { parts.join(", ") };
        let left = match self.not_compared {
            0 => String::new(),
            left => format!(", {left} of which cannot be"),
        };
        format!("{text}{objects}; {compared} compared{left}, {} equal", self.equal)
    }

    /// Puts in a place that differs; `told` has what was told of the same answer.
    pub(super) fn differ(
        &mut self,
        [before, after]: [&Seen; 2],
        told: &mut BTreeSet<usize>,
        subject: Subject,
        found: impl FnOnce() -> Found,
    ) {
        let at = match self.places.objects.get(&before.object_key) {
            Some(at) => *at,
            None if self.objects.len() < MOST => {
                let object = before.object.to_string();
                let id = before.object.id.clone();
                self.objects.push(ObjectDifferences { object, id, differences: Vec::new() });
                self.places.objects.insert(before.object_key, self.objects.len() - 1);
                self.objects.len() - 1
            }
            None => {
                self.beyond += 1;
                return;
            }
        };
        let differences = &mut self.objects[at].differences;
        let key = (before.object_key, subject);
        let place = match self.places.subjects.get(&key) {
            Some(place) => *place,
            None if self.places.subjects.len() < MOST => {
                differences.push(Difference {
                    subject: key.1.clone(),
                    methods: BTreeSet::new(),
                    calls: 0,
                    places: 0,
                    examples: Vec::new(),
                });
                self.places.subjects.insert(key, differences.len() - 1);
                differences.len() - 1
            }
            None => {
                self.beyond += 1;
                return;
            }
        };
        let difference = &mut differences[place];
        difference.places += 1;
        if told.insert(place) {
            difference.calls += 1;
            difference.methods.insert(shown(&before.method));
        }
        if difference.examples.len() == MOST_EXAMPLES {
            return;
        }
        let Found { place, kind, recorded, live } = found();
        let (before_text, after_text) = (said(recorded), said(live));
        let is_new = |example: &Example| example.before != before_text || example.after != after_text;
        if difference.examples.iter().all(is_new) {
            difference.examples.push(Example {
                place: shown(&place),
                kind,
                before: before_text,
                after: after_text,
                calls: [before.seq, after.seq],
            });
        }
    }

    pub(super) fn fail(&mut self, [one, other]: [&Seen; 2], errors: [Option<String>; 2]) {
        let [before, after] = errors.map(|error| error.map(|error| shown(&error)));
        let key = (one.object_key, one.method.clone(), before.clone(), after.clone());
        match self.places.errors.get(&key) {
            Some(at) => self.errors[*at].calls += 1,
            None if self.errors.len() < MOST => {
                self.places.errors.insert(key, self.errors.len());
                self.errors.push(ErrorDifference {
                    object: one.object.to_string(),
                    method: shown(&one.method),
                    before,
                    after,
                    calls: 1,
                    first: [one.seq, other.seq],
                });
            }
            None => self.beyond += 1,
        }
    }

    pub(super) fn only(&mut self, side: usize, seen: &Seen) {
        let key = (seen.object_key, seen.method.clone());
        let only = &mut self.only[side];
        match self.places.only[side].get(&key) {
            Some(at) => only[*at].calls += 1,
            None if only.len() < MOST => {
                self.places.only[side].insert(key, only.len());
                let params = seen.params.as_deref().unwrap_or_default();
                let params = shown(&String::from_utf8_lossy(&params[..params.len().min(4 * LONGEST)]));
                let object = seen.object.to_string();
                only.push(OnlyThere {
                    object,
                    method: shown(&seen.method),
                    params,
                    calls: 1,
                    first: seen.seq,
                });
            }
            None => self.beyond += 1,
        }
    }

    /// Brings what is about measures and dimensions before all else.
    pub(super) fn finish(&mut self) {
        for object in &mut self.objects {
            let order = |difference: &Difference| match difference.subject {
                Subject::Measure(_) => 0,
                Subject::Dimension(_) => 1,
                Subject::Rows => 2,
                Subject::Member(_) => 3,
            };
            object.differences.sort_by_key(order);
        }
        self.objects.retain(|object| !object.differences.is_empty());
        self.places = Places::default();
    }
}

fn shown(text: &str) -> String {
    printable(text, LONGEST)
}

/// What stands for nothing is nothing.
fn said(value: String) -> String {
    if value == "null" { String::new() } else { shown(&value) }
}
