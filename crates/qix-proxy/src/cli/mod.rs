//! The command line: arguments in, exit code out.

mod ca;
mod call;
mod completions;
mod demo;
mod diff;
mod doctor;
mod engine;
mod examples;
mod exit;
mod export;
mod faults;
mod files;
mod filter;
mod import;
mod inspect;
mod lint;
mod listen;
mod live;
mod log;
mod place;
mod progress;
mod record;
mod redaction;
mod redrive;
mod repair;
mod replay;
mod report;
mod scrub;
mod session;
mod show;
mod stats;
pub(crate) mod terminal;
mod units;

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use exit::{CliError, Outcome};
use terminal::Output;

use crate::live::wants_colour;

/// Records and replays the conversation between a Qlik client and its engine.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 110, after_help = exit::HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    log: log::LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward a client's traffic to an engine and write it to a file
    Record(Box<record::RecordArgs>),
    /// Answer a client from a recording, without an engine
    Replay(Box<replay::ReplayArgs>),
    /// Make the calls of a recording again at a live engine, and compare its answers with the recorded ones
    Redrive(Box<redrive::RedriveArgs>),
    /// Compare two recordings of the same app in its words: which measures, objects and errors differ
    Diff(diff::DiffArgs),
    /// Make a recording of a HAR, a traffic log of enigma-go, or what corectl or qlik-cli printed with --traffic
    Import(import::ImportArgs),
    /// Show a recording, one line for each call: what was slow, what failed, what changed and why
    Show(Box<show::ShowArgs>),
    /// Count a recording: latencies, errors and bytes by method and by object, the slowest calls, sockets, changes
    Stats(Box<stats::StatsArgs>),
    /// Write a recording as a HAR, a traffic log of enigma-go, JSON Lines or Parquet
    Export(export::ExportArgs),
    /// Write a recording as one page for a browser: what was slow, what failed, what changed and why
    Report(report::ReportArgs),
    /// Take secrets out of a recording, or find them; make the data in it nobody's
    Scrub(scrub::ScrubArgs),
    /// Find what makes an app slow, fragile or unsafe, and say what to do about it
    Lint(lint::LintArgs),
    /// Make a whole recording of what a crash has left
    Repair(repair::RepairArgs),
    /// Look at a recording in the browser, also while it is being written, and make calls at an engine
    Inspect(Box<inspect::InspectArgs>),
    /// Make one call, or the calls of a file, and print what was answered
    Call(Box<call::CallArgs>),
    /// Find out why an engine cannot be reached: name, TCP, tunnel, TLS, upgrade, greeting and a first answer, step by step
    Doctor(Box<doctor::DoctorArgs>),
    /// Make, show and explain the certificate authority that --mode forward and --tls-self-signed use
    Ca(ca::CaArgs),
    /// See all of it at work on an embedded recording: no engine, no network, nothing to set up
    Demo(demo::DemoArgs),
    /// Print what a shell needs to complete commands and options
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(completions::ManArgs),
}

/// Runs the command line of this process and returns its exit code.
pub fn run() -> ExitCode {
    let Cli { command, log } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let err = &mut Output::stderr();
    if let Err(error) = log.start() {
        return error.report(err);
    }
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(exec(command, &mut Output::stdout()));
            // A name that is still being looked up cannot be stopped, and must not be waited for.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::network(format!("the system gives no threads or sockets: {error}"))),
    };
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.report(err),
    }
}

/// Shows help, the version, or what is wrong with the command line.
fn refused(error: &clap::Error) -> ExitCode {
    let (on_terminal, mut out): (_, Box<dyn Write>) = match error.use_stderr() {
        true => (io::stderr().is_terminal(), Box::new(Output::stderr())),
        false => (io::stdout().is_terminal(), Box::new(Output::stdout())),
    };
    let text = error.render();
    let text = if on_terminal && wants_colour() { text.ansi().to_string() } else { text.to_string() };
    // Nothing is left to be done if nobody reads it.
    let _ = out.write_all(text.as_bytes());
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

async fn exec(command: Command, out: &mut dyn Write) -> Result<Outcome, CliError> {
    match command {
        Command::Record(args) => args.exec(out).await,
        Command::Replay(args) => args.exec(out).await,
        Command::Redrive(args) => args.exec(out).await,
        Command::Diff(args) => args.exec(out),
        Command::Import(args) => args.exec(out),
        Command::Show(args) => args.exec(out).await,
        Command::Stats(args) => args.exec(out),
        Command::Export(args) => args.exec(out),
        Command::Report(args) => args.exec(out),
        Command::Scrub(args) => args.exec(out),
        Command::Lint(args) => args.exec(out),
        Command::Repair(args) => args.exec(out),
        Command::Inspect(args) => args.exec(out).await,
        Command::Call(args) => args.exec(out).await,
        Command::Doctor(args) => args.exec(out).await,
        Command::Ca(args) => args.exec(out),
        Command::Demo(args) => args.exec(out).await,
        Command::Completions(args) => args.exec(out),
        Command::Man(args) => args.exec(out),
    }
}
