//! The repository's own commands: `cargo xtask --help`.

mod delta;
mod demo_recording;
mod interop;
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;

/// The repository's own commands.
#[derive(Debug, Parser)]
enum Task {
    /// Run enigma.js against the fake engine: straight, through the recorder, and from the recording
    Interop(interop::Args),
    /// Patch layouts of one file into those of the next, by the patches that an engine would send
    Delta(delta::Args),
    /// Make the recording that `qix-proxy demo` embeds, from the fake engine
    DemoRecording,
    /// Check what no compiler checks: purity of qix-protocol, lengths of files, things said once
    Tidy,
}

/// What a task gives; the error is one sentence.
type Outcome = Result<(), Box<dyn std::error::Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Interop(args) => interop::run(args).await,
        Task::Delta(args) => delta::run(&args),
        Task::DemoRecording => demo_recording::run().await,
        Task::Tidy => tidy::run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a developer reads it")]
fn say(line: &str) {
    println!("{line}");
}

/// The repository's top folder.
fn root() -> PathBuf {
    // This package is always one level below it.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_owned()
}
