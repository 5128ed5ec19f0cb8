//! Clocks, rounds and ratios.

use std::time::{Duration, Instant};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// Returns the CPU time that this process has used, in user and system mode, over all its threads.
pub fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Binds this process, and the children it starts from now on, to one core.
pub fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    // A system that does not let us gives noisier figures.
    let _ = sched_setaffinity(None, &cores);
}

/// Runs this thread, and the children it starts, on one core until the value is dropped.
#[derive(Debug)]
#[must_use]
pub struct OneCore(Option<CpuSet>);

impl OneCore {
    /// Binds to the last core that this thread may use.
    pub fn bind() -> Self {
        let allowed = sched_getaffinity(None).ok();
        if let Some(last) =
            allowed.and_then(|cores| (0..CpuSet::MAX_CPU).rev().find(|core| cores.is_set(*core)))
        {
            pin(last);
        }
        Self(allowed)
    }
}

impl Drop for OneCore {
    fn drop(&mut self) {
        if let Some(allowed) = &self.0 {
            // A system that let us bind lets us go.
            let _ = sched_setaffinity(None, allowed);
        }
    }
}

/// What a run of some work cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Wall-clock time.
    pub wall: Duration,
    /// CPU time of this process.
    pub cpu: Duration,
}

/// Does `work` and returns what it cost.
pub async fn cost(work: impl Future<Output = ()>) -> Cost {
    let (wall, before) = (Instant::now(), cpu());
    work.await;
    Cost { wall: wall.elapsed(), cpu: cpu() - before }
}

/// Does `work` so many times and returns the CPU seconds of one.
pub fn seconds(times: usize, mut work: impl FnMut()) -> f64 {
    let before = cpu();
    for _ in 0..times {
        work();
    }
    (cpu() - before).as_secs_f64() / times as f64
}

/// Returns the middle value.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the value that this share of the values, 0 to 1, does not exceed.
pub fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Writes the lowest and the highest value.
pub fn spread(values: &[f64]) -> String {
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{lowest:.2}..{highest:.2}")
}

/// Prints one line of the table: what was measured, the ratio, and whether the budget is kept.
pub fn row(what: &str, ratio: f64, budget: &str, kept: bool) {
    line(&format!("{what:<66} {ratio:>7.2}   {budget:<14} {}", if kept { "kept" } else { "NOT KEPT" }));
}

/// Prints a line.
#[expect(clippy::print_stdout, reason = "a bench is read on a terminal")]
pub fn line(text: &str) {
    println!("{text}");
}
