//! Rows in an order.

use std::time::Duration;

use super::{
    collect::{Changes, Key, Slow, Sockets, Stats},
    tally::{Latencies, Tally},
};

/// By what rows are sorted; the largest comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// The time of all calls together
    Total,
    /// How many there are
    Count,
    /// How many failed
    Errors,
    /// The median of the latency
    P50,
    /// The latency that 95 of 100 calls keep
    P95,
    /// The latency that 99 of 100 calls keep
    P99,
    /// The longest latency
    Max,
    /// Bytes of requests and answers
    Bytes,
    /// The name, from A to Z
    Name,
}

/// A row: a method or an object.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: String,
    /// How the object came to be.
    pub(super) lineage: Option<String>,
    pub(super) count: u64,
    pub(super) errors: u64,
    pub(super) unanswered: u64,
    pub(super) latencies: Latencies,
    pub(super) sent: u64,
    pub(super) bytes: u64,
    /// In microseconds.
    pub(super) total: u64,
    /// Of the time of all calls together.
    pub(super) share: f64,
}

/// What is written.
#[derive(Debug)]
pub(crate) struct Tables<'s> {
    pub(super) methods: Vec<Row>,
    pub(super) objects: Vec<Row>,
    pub(super) slowest: Vec<&'s Slow>,
    pub(super) sockets: &'s Sockets,
    pub(super) changes: &'s Changes,
    pub(super) time: Option<(Duration, Duration)>,
    /// Messages of engines that were too large to be recorded.
    pub(super) omitted: u64,
}

impl Stats {
    /// Makes tables of what was counted.
    pub(crate) fn tables(&self, sort: Sort) -> Tables<'_> {
        let methods = self.methods.iter().map(|(name, tally)| (name.to_string(), None, tally));
        let objects = self.objects.iter().map(|(key, counted)| {
            let lineage = match key {
                Key::Lineage(lineage) => Some(qix_transport::printable(&lineage.to_string(), 500)),
                Key::Number(_) | Key::Others => None,
            };
            (counted.name.clone(), lineage, &counted.tally)
        });
        // Plain HTTP has no object, and a share of the time all the same.
        let total = self.methods.values().map(|tally| u128::from(tally.total)).sum();
        Tables {
            methods: rows(methods, sort, total),
            objects: rows(objects, sort, total),
            slowest: self.slowest(),
            sockets: &self.sockets,
            changes: &self.changes,
            time: self.time,
            omitted: self.omitted,
        }
    }
}

fn rows<'t>(
    tallies: impl Iterator<Item = (String, Option<String>, &'t Tally)>,
    sort: Sort,
    all: u128,
) -> Vec<Row> {
    let row = |(name, lineage, tally): (String, Option<String>, &Tally)| Row {
        name,
        lineage,
        count: tally.count(),
        errors: tally.errors,
        unanswered: tally.unanswered,
        latencies: tally.clone().latencies(),
        sent: tally.sent,
        bytes: tally.bytes,
        total: tally.total,
        share: if all == 0 { 0.0 } else { tally.total as f64 / all as f64 },
    };
    let mut rows: Vec<_> = tallies.map(row).collect();
    let value = |row: &Row| match sort {
        Sort::Total => row.total,
        Sort::Count => row.count,
        Sort::Errors => row.errors,
        Sort::P50 => row.latencies.p50,
        Sort::P95 => row.latencies.p95,
        Sort::P99 => row.latencies.p99,
        Sort::Max => row.latencies.max,
        Sort::Bytes => row.sent.saturating_add(row.bytes),
        Sort::Name => 0,
    };
    // What is equal is in the order of names, so that two runs write the same.
    rows.sort_by(|one, other| {
        value(other)
            .cmp(&value(one))
            .then_with(|| (&one.name, &one.lineage).cmp(&(&other.name, &other.lineage)))
    });
    rows
}
