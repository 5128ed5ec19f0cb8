//! The repository's own commands: `cargo xtask --help`.

mod fuzz;
mod schema;
mod tidy;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use clap::Parser;

/// The repository's own commands.
#[derive(Debug, Parser)]
enum Task {
    /// Run clients from npm and PyPI, and a page in a browser, against the fake engine: straight, and through qix-proxy
    #[command(disable_help_flag = true)]
    Interop(Arguments),
    /// Decode recorded layouts and frames, write them back, and patch those of one file into those of the next
    #[command(disable_help_flag = true)]
    Layouts(Arguments),
    /// Make the recording that `qix-proxy demo` embeds, from the fake engine
    #[command(disable_help_flag = true)]
    DemoRecording(Arguments),
    /// Run the recorder's tests that take long or much: thousands of connections, millions of frames, ten hours of traffic
    Faults,
    /// Run each fuzz target for a while, where there is a nightly compiler
    Fuzz(fuzz::Args),
    /// Check what no compiler checks: purity of qix-protocol, lengths of files, things said once
    Tidy,
    /// Import an engine's interface, and generate Rust from it
    #[command(subcommand)]
    Schema(schema::Command),
}

/// Each test measures the memory of a process, and wants the machine for itself.
const FAULTS: &[&str] = &[
    "test",
    "--release",
    "--package",
    "qix-proxy",
    "--test",
    "record",
    "load::",
    "--",
    "--ignored",
    "--nocapture",
    "--test-threads=1",
];

/// What is passed on to another program as it is.
#[derive(Debug, clap::Args)]
struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

/// What a task gives; the error is one sentence.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let outcome = match Task::parse() {
        Task::Interop(Arguments { arguments }) => return example("interop", &arguments),
        Task::Layouts(Arguments { arguments }) => return example("layouts", &arguments),
        Task::DemoRecording(Arguments { arguments }) => return example("demo_recording", &arguments),
        Task::Faults => return cargo(FAULTS, &[]),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Tidy => tidy::run(),
        Task::Schema(command) => schema::run(command),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs an example of the package `qix-tests`, which may use all of the workspace while this program must not.
fn example(name: &str, arguments: &[OsString]) -> ExitCode {
    cargo(&["run", "--quiet", "--package", "qix-tests", "--example", name, "--"], arguments)
}

fn cargo(first: &[&str], arguments: &[OsString]) -> ExitCode {
    match Command::new(env!("CARGO")).args(first).args(arguments).status() {
        // Whatever ran has said what is wrong.
        Ok(status) => {
            status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            say(&format!("error: cargo: {error}"));
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
