//! Finds which call of one recording is which of the other.

use super::side::UNKNOWN;

/// Up to how many pairs of calls with the same number it is looked for those with the same answer.
const MOST_PAIRS: usize = 1 << 20;

/// What is kept of a call.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Row {
    pub(super) key: u64,
    pub(super) seq: u64,
    pub(super) print: u64,
}

/// Which calls belong together, by the numbers of their requests.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Alignment {
    /// How many have a counterpart.
    pub(super) pairs: u64,
    /// Those that may have another answer: the number in the second recording, then that in the first, in ascending order.
    pub(super) candidates: Vec<(u64, u64)>,
    /// Those without a counterpart, in ascending order.
    pub(super) only: [Vec<u64>; 2],
}

impl Alignment {
    /// Pairs calls with the same number in their order. If there are not as many on both sides, those with the same answer belong
    /// together first, so that one call too many does not make all later ones differ.
    pub(super) fn of(mut one: Vec<Row>, mut other: Vec<Row>) -> Self {
        one.sort_unstable();
        other.sort_unstable();
        let mut alignment = Self::default();
        let (mut left, mut right) = (&one[..], &other[..]);
        while let Some(key) = left.first().into_iter().chain(right.first()).map(|row| row.key).min() {
            let (ours, theirs) = (take(&mut left, key), take(&mut right, key));
            alignment.group(ours, theirs);
        }
        alignment.candidates.sort_unstable();
        alignment.only.iter_mut().for_each(|only| only.sort_unstable());
        alignment
    }

    fn group(&mut self, ours: &[Row], theirs: &[Row]) {
        let anchors = if ours.len() == theirs.len() { Vec::new() } else { common(ours, theirs) };
        let (mut left, mut right) = (0, 0);
        for (at, other) in anchors {
            self.between(&ours[left..at], &theirs[right..other]);
            self.pair(ours[at], theirs[other]);
            (left, right) = (at + 1, other + 1);
        }
        self.between(&ours[left..], &theirs[right..]);
    }

    fn between(&mut self, ours: &[Row], theirs: &[Row]) {
        ours.iter().zip(theirs).for_each(|(one, other)| self.pair(*one, *other));
        let common = ours.len().min(theirs.len());
        self.only[0].extend(ours[common..].iter().map(|row| row.seq));
        self.only[1].extend(theirs[common..].iter().map(|row| row.seq));
    }

    fn pair(&mut self, one: Row, other: Row) {
        self.pairs += 1;
        if one.print == UNKNOWN || one.print != other.print {
            self.candidates.push((other.seq, one.seq));
        }
    }
}

fn take<'r>(rows: &mut &'r [Row], key: u64) -> &'r [Row] {
    let (these, rest) = rows.split_at(rows.partition_point(|row| row.key <= key));
    *rows = rest;
    these
}

/// Returns the places of a longest common subsequence of answers.
fn common(ours: &[Row], theirs: &[Row]) -> Vec<(usize, usize)> {
    let equal = |at: usize, other: usize| ours[at].print == theirs[other].print && ours[at].print != UNKNOWN;
    // Most are equal at both ends, and need no table.
    let shorter = ours.len().min(theirs.len());
    let ahead = (0..shorter).take_while(|at| equal(*at, *at)).count();
    let behind =
        (1..=shorter - ahead).take_while(|back| equal(ours.len() - back, theirs.len() - back)).count();
    let (rows, columns) = (ours.len() - ahead - behind, theirs.len() - ahead - behind);
    let mut found: Vec<_> = (0..ahead).map(|at| (at, at)).collect();
    if rows.saturating_mul(columns) <= MOST_PAIRS {
        // How long the longest is of what follows.
        let mut longest = vec![0u32; (rows + 1) * (columns + 1)];
        let place = |at: usize, other: usize| at * (columns + 1) + other;
        for at in (0..rows).rev() {
            for other in (0..columns).rev() {
                longest[place(at, other)] = if equal(ahead + at, ahead + other) {
                    longest[place(at + 1, other + 1)] + 1
                } else {
                    longest[place(at + 1, other)].max(longest[place(at, other + 1)])
                };
            }
        }
        let (mut at, mut other) = (0, 0);
        while at < rows && other < columns {
            if equal(ahead + at, ahead + other) {
                found.push((ahead + at, ahead + other));
                (at, other) = (at + 1, other + 1);
            } else if longest[place(at + 1, other)] >= longest[place(at, other + 1)] {
                at += 1;
            } else {
                other += 1;
            }
        }
    }
    found.extend((1..=behind).rev().map(|back| (ours.len() - back, theirs.len() - back)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(prints: &[(u64, u64)]) -> Vec<Row> {
        (1..).zip(prints).map(|(seq, (key, print))| Row { key: *key, seq, print: *print }).collect()
    }

    #[test]
    fn calls_pair_in_order_and_only_those_with_other_answers_are_looked_at() {
        let found = Alignment::of(rows(&[(7, 1), (8, 2), (7, 3)]), rows(&[(8, 2), (7, 1), (7, 4)]));
        assert_eq!((found.pairs, &found.candidates[..]), (3, &[(3, 3)][..]));
        assert!(found.only.iter().all(Vec::is_empty));
    }

    #[test]
    fn call_too_many_is_the_one_without_an_equal_answer() {
        let found = Alignment::of(rows(&[(7, 1), (7, 2), (7, 3)]), rows(&[(7, 1), (7, 9), (7, 2), (7, 3)]));
        assert_eq!((found.pairs, found.candidates.len()), (3, 0));
        assert_eq!(found.only, [vec![], vec![2]]);
    }

    #[test]
    fn answers_that_are_not_known_are_looked_at_and_calls_without_a_counterpart_are_told() {
        let found = Alignment::of(rows(&[(1, UNKNOWN), (2, 5)]), rows(&[(1, UNKNOWN), (3, 5)]));
        assert_eq!(found.candidates, [(1, 1)]);
        assert_eq!(found.only, [vec![2], vec![2]]);
    }
    #[test]
    fn one_more_call_in_front_of_very_many_shifts_none_of_them() {
        let ours: Vec<_> = (0..1100).map(|at| (7, 1 + at / 10)).collect();
        let theirs: Vec<_> = std::iter::once((7, 999)).chain(ours.iter().copied()).collect();
        let found = Alignment::of(rows(&ours), rows(&theirs));
        assert!(found.candidates.is_empty() && found.pairs == 1100, "{} {:?}", found.pairs, found.candidates);
    }
}
