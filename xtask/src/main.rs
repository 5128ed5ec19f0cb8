//! The repository's own commands: `cargo xtask --help`.

mod examples;
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
    /// Run the examples of qix-client and qix-proxy on their recordings, and compare what they print with what they say they do
    Examples(examples::Args),
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
        Task::Faults => return code(status(Command::new(env!("CARGO")).args(FAULTS))),
        Task::Examples(args) => examples::run(&args),
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

/// Builds with the features that all members together have, as tests are: those of one package alone would compile everything anew.
const EXAMPLES: &[&str] =
    &["build", "--quiet", "--workspace", "--exclude", env!("CARGO_PKG_NAME"), "--bins", "--examples"];

/// Runs an example of the package `qix-tests`, which may use all of the workspace while this program must not.
fn example(name: &str, arguments: &[OsString]) -> ExitCode {
    let built = status(Command::new(env!("CARGO")).args(EXAMPLES));
    if built != Some(0) {
        return code(built);
    }
    // Cargo puts it beside this program.
    let here = std::env::current_exe().unwrap_or_default();
    let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
    let example = here.parent().unwrap_or(Path::new(".")).join("examples").join(file);
    code(status(Command::new(example).args(arguments)))
}

/// Returns the exit code of a program, if it ran.
fn status(command: &mut Command) -> Option<i32> {
    match command.status() {
        // Whatever ran has said what is wrong.
        Ok(status) => status.code(),
        Err(error) => {
            say(&format!("error: {}: {error}", command.get_program().display()));
            None
        }
    }
}

fn code(status: Option<i32>) -> ExitCode {
    status.and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
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
