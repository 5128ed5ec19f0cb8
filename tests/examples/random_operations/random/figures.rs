//! What is counted and printed.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use qix_client::Error;

/// Counts of one run.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    counts: Mutex<BTreeMap<&'static str, u64>>,
    errors: Mutex<BTreeMap<String, u64>>,
    rounds: AtomicU64,
    /// Resident memory after each of the first rounds and after the latest, in KiB.
    memory: Mutex<Vec<u64>>,
}

impl Figures {
    pub(super) fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
    }

    pub(super) fn error(&self, error: &Error) {
        let code = error.engine().map_or_else(String::new, |engine| format!(" {}", engine.code.get()));
        let kind = format!("{:?}{code}", error.kind());
        *self.errors.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// Returns how often something was counted.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).get(what).copied().unwrap_or(0)
    }

    pub(super) fn round(&self, objects: usize) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
        debug_assert_eq!(objects, 0);
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).push(resident());
    }

    pub(super) fn line(&self) -> String {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).last().copied().unwrap_or(0);
        format!(
            "{} operations, {} cuts, {} attached, {} created, {} MiB",
            self.of("operations"),
            self.of("cuts"),
            self.of("attached"),
            self.of("created"),
            memory >> 10
        )
    }
}

/// Returns the resident memory of this process in KiB; 0 where the system does not tell.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rounds: {}", self.rounds.load(Ordering::Relaxed))?;
        for (what, count) in self.counts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(f, "{what}: {count}")?;
        }
        for (kind, count) in self.errors.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            writeln!(f, "error {kind}: {count}")?;
        }
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let at =
            |part: usize| memory.get((memory.len().saturating_sub(1)) * part / 4).copied().unwrap_or(0) >> 10;
        write!(f, "resident MiB, client and engine, from the first round to the last: ")?;
        write!(f, "{} {} {} {} {}", at(0), at(1), at(2), at(3), at(4))
    }
}
