//! Puts together what belongs together, so that a rule says something once.

use std::{collections::HashMap, time::Duration};

use super::{Finding, Rule};
use crate::model::Call;

/// The most groups of one rule; what belongs to none of them is counted.
const MOST: usize = 1000;
/// How many calls and objects a group lists.
const FEW: usize = 5;

/// One time that a rule has seen something.
#[derive(Clone, Debug, Default)]
pub(super) struct Sight {
    pub(super) at: Duration,
    pub(super) conn: Option<u64>,
    pub(super) calls: Vec<u64>,
    pub(super) object: Option<u64>,
    pub(super) time: Duration,
    pub(super) bytes: u64,
    /// How often at once; 0 is once.
    pub(super) times: u64,
}

impl Sight {
    /// Makes one of a call.
    pub(super) fn of(call: &Call) -> Self {
        Self {
            at: call.at,
            conn: Some(call.conn),
            calls: vec![call.seq],
            object: Some(call.object.number),
            ..Self::default()
        }
    }

    /// Makes one of a call that would not have been needed.
    pub(super) fn wasted(call: &Call) -> Self {
        Self {
            time: call.latency().unwrap_or_default(),
            bytes: call.answer.as_ref().map_or(0, |answer| answer.bytes),
            ..Self::of(call)
        }
    }
}

/// What was seen of one kind.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    /// The connection, unless there are several.
    conn: Option<u64>,
    at: Duration,
    calls: Vec<u64>,
    objects: Vec<u64>,
    time: Duration,
    bytes: u64,
    /// The order in which groups came.
    place: usize,
}

/// What a rule has seen, by what it is about.
#[derive(Debug, Default)]
pub(super) struct Groups {
    groups: HashMap<String, Group>,
    /// What belongs to no group, for there are too many.
    others: Option<Group>,
}

impl Groups {
    /// Takes in what was seen of what `about` says.
    pub(super) fn add(&mut self, about: String, sight: Sight) {
        if self.groups.len() >= MOST && !self.groups.contains_key(&about) {
            match &mut self.others {
                Some(others) => others.add(sight),
                others => *others = Some(Group::new(sight, usize::MAX)),
            }
            return;
        }
        let place = self.groups.len();
        match self.groups.get_mut(&about) {
            Some(group) => group.add(sight),
            None => {
                self.groups.insert(about, Group::new(sight, place));
            }
        }
    }

    /// Returns what was seen at least so often, in words that are made of what it is about and how often it was seen.
    pub(super) fn findings(
        &mut self,
        rule: &'static Rule,
        least: u64,
        words: impl Fn(&str, u64) -> String,
    ) -> Vec<Finding> {
        let mut groups: Vec<_> = std::mem::take(&mut self.groups).into_iter().collect();
        groups.sort_by_key(|(_, group)| group.place);
        groups.extend(self.others.take().map(|others| ("many others".to_owned(), others)));
        let finding = |(about, group): (String, Group)| Finding {
            rule: rule.name,
            weight: rule.weight,
            at: group.at,
            conn: group.conn,
            count: group.count,
            words: words(&about, group.count),
            calls: group.calls,
            objects: group.objects,
            time: group.time,
            bytes: group.bytes,
        };
        groups.into_iter().filter(|(_, group)| group.count >= least).map(finding).collect()
    }
}

impl Group {
    fn new(sight: Sight, place: usize) -> Self {
        let mut group = Self {
            count: 0,
            conn: sight.conn,
            at: sight.at,
            calls: Vec::new(),
            objects: Vec::new(),
            time: Duration::ZERO,
            bytes: 0,
            place,
        };
        group.add(sight);
        group
    }

    fn add(&mut self, sight: Sight) {
        self.count += sight.times.max(1);
        self.at = self.at.min(sight.at);
        self.conn = self.conn.filter(|conn| sight.conn == Some(*conn));
        let room = FEW.saturating_sub(self.calls.len());
        self.calls.extend(sight.calls.into_iter().take(room));
        let is_new = |object: &u64| !self.objects.contains(object) && self.objects.len() < FEW;
        let object = sight.object.filter(is_new);
        self.objects.extend(object);
        self.time += sight.time;
        self.bytes += sight.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_groups_become_one_and_nothing_goes_uncounted() {
        let mut groups = Groups::default();
        for at in 0..2 * MOST as u64 {
            groups.add(at.to_string(), Sight { conn: Some(at), calls: vec![at], ..Sight::default() });
        }
        let rule = super::super::rules().next().unwrap();
        let findings = groups.findings(rule, 1, |about, count| format!("{about} {count}"));
        assert_eq!(findings.len(), MOST + 1);
        assert_eq!(findings.iter().map(|finding| finding.count).sum::<u64>(), 2 * MOST as u64);
        let last = findings.last().unwrap();
        assert_eq!((&*last.words, last.calls.len(), last.conn), ("many others 1000", FEW, None));
    }
}
