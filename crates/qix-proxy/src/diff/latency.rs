//! Whether answers of a method have become slower or faster, and not by chance.

use std::{collections::HashMap, time::Duration};

use qix_transport::printable;

/// How many times of a method are kept on each side: more change nothing in what is found.
const MOST: usize = 5000;
/// How many methods are looked at.
const MOST_METHODS: usize = 1000;
/// How much of a method is kept, in characters.
const LONGEST: usize = 80;
/// With fewer calls on a side nothing is said.
const FEWEST: usize = 8;
/// How often chance alone may look like a change, over all methods.
const CHANCE: f64 = 0.01;
/// How much the median must have changed: by this part of the smaller one, and by this many microseconds.
const LEAST: (f64, u32) = (0.2, 1000);

/// A method whose answers have become slower or faster.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LatencyChange {
    /// The method.
    pub method: String,
    /// How many calls were compared: before, after.
    pub calls: [u64; 2],
    /// The medians: before, after.
    pub median: [Duration; 2],
    /// How likely it is that chance alone brings such a change about in any of the methods, by a test of ranks.
    pub chance: f64,
}

/// How long the answers of one side took, by method.
#[derive(Debug, Default)]
pub(super) struct Latencies(HashMap<String, Times>);

/// A sample that is as good at the end as at the beginning: of what has come, each call is in it with the same likelihood.
#[derive(Debug)]
struct Times {
    count: u64,
    kept: Vec<u32>,
    random: fastrand::Rng,
}

impl Default for Times {
    fn default() -> Self {
        // The same files give the same answer.
        Self { count: 0, kept: Vec::new(), random: fastrand::Rng::with_seed(1) }
    }
}

impl Latencies {
    pub(super) fn add(&mut self, method: &str, took: Duration) {
        if !self.0.contains_key(method) {
            if self.0.len() >= MOST_METHODS {
                return;
            }
            self.0.insert(method.to_owned(), Default::default());
        }
        let Some(times) = self.0.get_mut(method) else { return };
        times.count += 1;
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        if times.kept.len() < MOST {
            times.kept.push(micros);
        } else if let Some(slot) =
            times.kept.get_mut(usize::try_from(times.random.u64(..times.count)).unwrap_or(usize::MAX))
        {
            *slot = micros;
        }
    }

    /// Returns the methods that have changed in `after`, those that changed most in all first.
    pub(super) fn changes(&self, after: &Self) -> Vec<LatencyChange> {
        let both =
            self.0.iter().filter_map(|(method, before)| Some((method, [before, after.0.get(method)?])));
        let tested: Vec<_> =
            both.filter(|(_, sides)| sides.iter().all(|times| times.kept.len() >= FEWEST)).collect();
        // With many methods, chance has many tries.
        let tries = tested.len() as f64;
        let mut changes: Vec<_> = tested
            .into_iter()
            .filter_map(|(method, [before, after])| {
                let medians = [median(&before.kept), median(&after.kept)];
                let change = medians[0].abs_diff(medians[1]);
                let smaller = f64::from(medians[0].min(medians[1]));
                if change < LEAST.1 || f64::from(change) < LEAST.0 * smaller {
                    return None;
                }
                let chance = (chance(&before.kept, &after.kept) * tries).min(1.0);
                (chance < CHANCE).then(|| LatencyChange {
                    method: printable(method, LONGEST),
                    calls: [before.count, after.count],
                    median: medians.map(|micros| Duration::from_micros(micros.into())),
                    chance,
                })
            })
            .collect();
        let weight = |change: &LatencyChange| {
            let [before, after] = change.median;
            (before.abs_diff(after).as_micros() as f64) * change.calls[1] as f64
        };
        changes.sort_by(|one, other| {
            weight(other).total_cmp(&weight(one)).then_with(|| one.method.cmp(&other.method))
        });
        changes
    }
}

fn median(times: &[u32]) -> u32 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let at = |place: usize| sorted.get(place).copied().unwrap_or_default();
    at(sorted.len().saturating_sub(1) / 2).midpoint(at(sorted.len() / 2))
}

/// Returns how likely it is that two samples of the same differ as much in rank as these: the U test of Mann and Whitney, in its
/// normal approximation with ties, on both sides.
fn chance(one: &[u32], other: &[u32]) -> f64 {
    let mut all: Vec<(u32, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut ranks, mut ties, mut before) = (0.0, 0.0, 0.0);
    for equal in all.chunk_by(|one, other| one.0 == other.0) {
        let count = equal.len() as f64;
        let ours = equal.iter().filter(|(_, is_one)| *is_one).count() as f64;
        ranks += ours * (before + (count + 1.0) / 2.0);
        ties += count.powi(3) - count;
        before += count;
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let total = n + m;
    let u = ranks - n * (n + 1.0) / 2.0;
    let deviation = (n * m / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)))).sqrt();
    if deviation == 0.0 || !deviation.is_finite() {
        return 1.0;
    }
    let z = ((u - n * m / 2.0).abs() - 0.5).max(0.0) / deviation;
    (2.0 * upper_tail(z)).min(1.0)
}

/// Returns how much of a normal distribution is above `z`, which is not negative: formula 26.2.17 of Abramowitz and Stegun, good to
/// seven digits.
fn upper_tail(z: f64) -> f64 {
    const TERMS: [f64; 5] = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let t = 1.0 / (1.0 + 0.231_641_9 * z);
    let sum = TERMS.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(before: &[u32], after: &[u32]) -> Vec<LatencyChange> {
        let [before, after] = [before, after].map(|times| {
            let mut latencies = Latencies::default();
            times.iter().for_each(|ms| latencies.add("GetLayout", Duration::from_millis((*ms).into())));
            latencies
        });
        before.changes(&after)
    }

    #[test]
    fn normal_distribution_is_that_of_the_tables() {
        for (z, part) in [(0.0, 0.5), (1.0, 0.158_655), (1.959_964, 0.025), (3.0, 0.001_350)] {
            assert!((upper_tail(z) - part).abs() < 1e-6, "{z}");
        }
    }

    #[test]
    fn median_of_an_even_number_is_between_the_two_in_the_middle() {
        assert_eq!((median(&[4, 1, 2, 9]), median(&[3, 1, 9]), median(&[])), (3, 3, 0));
    }

    #[test]
    fn method_that_would_control_a_terminal_does_not() {
        let [before, after] = [10, 50].map(|ms| {
            let mut latencies = Latencies::default();
            let method = format!("\u{1b}[2J{}", "x".repeat(1000));
            (0..50).for_each(|at| latencies.add(&method, Duration::from_millis(ms + at % 3)));
            latencies
        });
        let [change] = &before.changes(&after)[..] else { panic!() };
        assert!(!change.method.contains('\u{1b}') && change.method.len() < 200, "{:?}", change.method);
    }

    #[test]
    fn chance_is_that_of_any_of_the_methods() {
        let chance = |methods: usize| {
            let [before, after] = [0, 8].map(|slower| {
                let mut latencies = Latencies::default();
                for ms in [10, 11, 12, 13, 14, 15, 16, 17, 18, 19] {
                    latencies.add("slower", Duration::from_millis(ms + slower));
                    (1..methods).for_each(|at| latencies.add(&at.to_string(), Duration::from_millis(ms)));
                }
                latencies
            });
            before.changes(&after).first().map(|change| change.chance)
        };
        let (one, three) = (chance(1).unwrap(), chance(3).unwrap());
        assert!((three - 3.0 * one).abs() < 1e-12, "{one} {three}");
        assert_eq!(chance(1000), None);
    }

    #[test]
    fn ranks_are_those_of_a_worked_example() {
        // U = 4 of 8 and 8: z = (28 - 0.5) / 9.522 = 2.888.
        let one = [1, 2, 3, 4, 5, 6, 9, 12];
        let other = [7, 8, 10, 11, 13, 14, 15, 16];
        let found = chance(&one, &other);
        let u = one.iter().map(|time| other.iter().filter(|other| *other < time).count()).sum::<usize>();
        let z = ((u as f64 - 32.0).abs() - 0.5) / (64.0f64 / 12.0 * 17.0).sqrt();
        assert!((found - 2.0 * upper_tail(z)).abs() < 1e-9, "{found}");
        assert!((chance(&other, &one) - found).abs() < 1e-9);
    }

    #[test]
    fn change_is_told_only_if_it_is_large_and_no_chance() {
        let noisy: Vec<u32> = (0..50).map(|at| 10 + at * 7 % 13).collect();
        let slower: Vec<u32> = noisy.iter().map(|ms| ms + 20).collect();
        let found = changes(&noisy, &slower);
        assert_eq!((found.len(), found[0].calls), (1, [50, 50]));
        assert!(found[0].median[1] > found[0].median[0] && found[0].chance < 1e-6);
        assert_eq!(changes(&noisy, &noisy), []);
        let barely: Vec<u32> = noisy.iter().map(|ms| ms + 1).collect();
        assert_eq!(changes(&noisy, &barely), [], "significant, perhaps, and too small to care");
        assert_eq!(changes(&noisy[..5], &slower[..5]), [], "too few");
        assert_eq!(changes(&[5; 100], &[5; 100]), []);
    }
}
