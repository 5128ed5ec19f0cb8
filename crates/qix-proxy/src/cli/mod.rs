//! The command line: arguments in, exit code out.

mod ca;
mod call;
mod demo;
mod doctor;
mod engine;
mod exit;
mod export;
mod faults;
mod files;
mod import;
mod listen;
mod live;
mod log;
mod place;
mod record;
mod redaction;
mod redrive;
mod repair;
mod replay;
mod scrub;
mod session;
mod units;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

pub(crate) use exit::count;
use exit::{CliError, Outcome};

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
    /// Make a recording of a HAR, a traffic log of enigma-go, or what corectl or qlik-cli printed with --traffic
    Import(import::ImportArgs),
    /// Write a recording as a HAR, a traffic log of enigma-go, JSON Lines or Parquet
    Export(export::ExportArgs),
    /// Take secrets out of a recording, or find them; make the data in it nobody's
    Scrub(scrub::ScrubArgs),
    /// Make a whole recording of what a crash has left
    Repair(repair::RepairArgs),
    /// Make one call, or the calls of a file, and print what was answered
    Call(Box<call::CallArgs>),
    /// Find out why an engine cannot be reached: name, TCP, tunnel, TLS, upgrade, greeting and a first answer, step by step
    Doctor(Box<doctor::DoctorArgs>),
    /// Make, show and explain the certificate authority that --mode forward and --tls-self-signed use
    Ca(ca::CaArgs),
    /// See all of it at work on an embedded recording: no engine, no network, nothing to set up
    Demo(demo::DemoArgs),
}

/// Runs the command line of this process and returns its exit code.
pub fn run() -> ExitCode {
    let Cli { command, log } = Cli::parse();
    if let Err(error) = log.start() {
        return error.report(&mut io::stderr());
    }
    let result = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(exec(command, &mut io::stdout()));
            // A name that is still being looked up cannot be stopped, and must not be waited for.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(CliError::network(format!("the system gives no threads or sockets: {error}"))),
    };
    match result {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => error.report(&mut io::stderr()),
    }
}

async fn exec(command: Command, out: &mut dyn Write) -> Result<Outcome, CliError> {
    match command {
        Command::Record(args) => args.exec(out).await,
        Command::Replay(args) => args.exec(out).await,
        Command::Redrive(args) => args.exec(out).await,
        Command::Import(args) => args.exec(out),
        Command::Export(args) => args.exec(out),
        Command::Scrub(args) => args.exec(out),
        Command::Repair(args) => args.exec(out),
        Command::Call(args) => args.exec(out).await,
        Command::Doctor(args) => args.exec(out).await,
        Command::Ca(args) => args.exec(out),
        Command::Demo(args) => args.exec(out).await,
    }
}
