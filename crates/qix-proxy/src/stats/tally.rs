//! Counts calls of one kind.

use std::time::Duration;

/// Calls of one kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    pub(super) errors: u64,
    pub(super) unanswered: u64,
    /// Bytes of requests.
    pub(super) sent: u64,
    /// Bytes of answers.
    pub(super) bytes: u64,
    /// The time of all calls together, in microseconds.
    pub(super) total: u64,
    /// Each latency in microseconds; beyond 71 minutes the most that fits.
    latencies: Vec<u32>,
}

/// What latencies come to, in microseconds.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Latencies {
    pub(super) p50: u64,
    pub(super) p95: u64,
    pub(super) p99: u64,
    pub(super) max: u64,
}

impl Tally {
    pub(super) fn take(&mut self, latency: Option<Duration>, sent: u64, bytes: u64, failed: bool) {
        self.errors += u64::from(failed);
        self.sent = self.sent.saturating_add(sent);
        self.bytes = self.bytes.saturating_add(bytes);
        match latency {
            Some(latency) => {
                let micros = latency.as_micros();
                self.total = self.total.saturating_add(u64::try_from(micros).unwrap_or(u64::MAX));
                self.latencies.push(u32::try_from(micros).unwrap_or(u32::MAX));
            }
            None => self.unanswered += 1,
        }
    }

    /// Takes in all that another has counted.
    pub(super) fn add(&mut self, other: Self) {
        self.errors += other.errors;
        self.unanswered += other.unanswered;
        self.sent = self.sent.saturating_add(other.sent);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.total = self.total.saturating_add(other.total);
        self.latencies.extend(other.latencies);
    }

    pub(super) fn count(&self) -> u64 {
        self.latencies.len() as u64 + self.unanswered
    }

    /// Returns the percentiles by nearest rank: a latency that a call had.
    pub(super) fn latencies(&mut self) -> Latencies {
        let mut at = |share: usize| {
            let count = self.latencies.len();
            if count == 0 {
                return 0;
            }
            let rank = (count * share).div_ceil(100).clamp(1, count) - 1;
            u64::from(*self.latencies.select_nth_unstable(rank).1)
        };
        Latencies { p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_latencies_that_calls_had() {
        let mut tally = Tally::default();
        for millis in (1..=200).rev() {
            tally.take(Some(Duration::from_millis(millis)), 1, 2, millis == 7);
        }
        tally.take(None, 1, 0, false);
        let expected = Latencies { p50: 100_000, p95: 190_000, p99: 198_000, max: 200_000 };
        assert_eq!(tally.latencies(), expected);
        assert_eq!(
            (tally.count(), tally.errors, tally.unanswered, tally.sent, tally.bytes),
            (201, 1, 1, 201, 400)
        );
        assert_eq!(Tally::default().latencies(), Latencies::default());
        let mut one = Tally::default();
        one.take(Some(Duration::from_secs(100_000)), 0, 0, false);
        assert_eq!(one.latencies().p50, u64::from(u32::MAX));
    }

    #[test]
    fn sums_that_no_number_holds_are_the_most_that_one_does() {
        let mut tally = Tally::default();
        for _ in 0..2 {
            tally.take(Some(Duration::from_micros(u64::MAX)), u64::MAX, u64::MAX, false);
        }
        assert_eq!([tally.total, tally.sent, tally.bytes], [u64::MAX; 3]);
    }
}
