//! A short run of random operations; `examples/random_operations` makes long ones.

#[path = "../examples/random_operations/random/mod.rs"]
mod random;

use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_seconds_of_random_operations_are_without_fault() {
    let time = Duration::from_secs(16);
    let plan = random::Plan { seed: 9, sessions: 16, time, round: time / 2, prints: false };
    let figures = random::run(plan).await.unwrap();
    for what in ["cuts", "attached", "created", "writes acknowledged", "layouts checked", "reloads"] {
        assert!(figures.of(what) > 0, "{what}: {figures}");
    }
}
