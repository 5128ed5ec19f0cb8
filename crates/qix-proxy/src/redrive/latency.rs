//! How long answers took, recorded and live.

use std::{collections::BTreeMap, time::Duration};

/// How many answers of a method are kept; the count goes on.
const MOST: usize = 100_000;

/// How long answers took, by method.
#[derive(Clone, Debug, Default)]
pub struct Latencies(BTreeMap<String, Times>);

#[derive(Clone, Debug, Default)]
struct Times {
    count: u64,
    recorded: Vec<Duration>,
    live: Vec<Duration>,
}

/// How long the answers to one method took.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MethodLatency {
    /// The method.
    pub method: String,
    /// How many answers.
    pub count: u64,
    /// What half of the recorded answers took at most, and what 95 of 100 did.
    pub recorded: [Duration; 2],
    /// The same of the live answers.
    pub live: [Duration; 2],
}

impl Latencies {
    pub(super) fn add(&mut self, method: &str, recorded: Duration, live: Duration) {
        if !self.0.contains_key(method) {
            self.0.insert(method.to_owned(), Times::default());
        }
        let Some(times) = self.0.get_mut(method) else { return };
        times.count += 1;
        if times.live.len() < MOST {
            times.recorded.push(recorded);
            times.live.push(live);
        }
    }

    /// Returns the methods, those with most answers first.
    pub fn by_method(&self) -> Vec<MethodLatency> {
        let mut all: Vec<_> = self
            .0
            .iter()
            .map(|(method, times)| MethodLatency {
                method: method.clone(),
                count: times.count,
                recorded: quantiles(times.recorded.clone()),
                live: quantiles(times.live.clone()),
            })
            .collect();
        all.sort_by_key(|row| std::cmp::Reverse(row.count));
        all
    }
}

fn quantiles(mut times: Vec<Duration>) -> [Duration; 2] {
    times.sort_unstable();
    [0.5, 0.95].map(|part: f64| {
        let at = (part * times.len() as f64).ceil() as usize;
        times.get(at.max(1) - 1).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_and_95_of_100_are_those_of_the_nearest_rank() {
        let mut latencies = Latencies::default();
        for ms in (1..=100).rev() {
            latencies.add("GetLayout", Duration::from_millis(ms), Duration::from_millis(2 * ms));
        }
        latencies.add("OpenDoc", Duration::from_millis(7), Duration::ZERO);
        let all = latencies.by_method();
        assert_eq!((&*all[0].method, all[0].count), ("GetLayout", 100));
        assert_eq!(all[0].recorded, [50, 95].map(Duration::from_millis));
        assert_eq!(all[0].live, [100, 190].map(Duration::from_millis));
        assert_eq!(all[1].recorded, [Duration::from_millis(7); 2]);
    }
}
