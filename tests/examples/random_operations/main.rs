//! Random operations of the client's public interface against an engine that cuts sockets at random.
//!
//! ```text
//! cargo run --release -p qix-tests --example random_operations -- --minutes 30 --seed 1
//! ```
//!
//! It ends with the first wrong answer, doubled write, leak or call without an end, and prints its figures.

mod random;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

/// Random operations against an engine that cuts sockets at random
#[derive(Parser)]
struct Arguments {
    /// How long it runs
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Start of all chance
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Sessions at once
    #[arg(long, default_value_t = 24)]
    sessions: usize,
    /// Seconds after which all sessions are closed and counted
    #[arg(long, default_value_t = 15.0)]
    round: f64,
}

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is a program for a terminal")]
async fn main() -> ExitCode {
    let Arguments { minutes, seed, sessions, round } = Arguments::parse();
    let plan = random::Plan {
        seed,
        sessions,
        time: Duration::from_secs_f64(minutes * 60.0),
        round: Duration::from_secs_f64(round),
        prints: true,
    };
    match random::run(plan).await {
        Ok(figures) => {
            println!("{figures}");
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("seed {seed}: {fault}");
            ExitCode::FAILURE
        }
    }
}
