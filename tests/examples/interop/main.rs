//! Runs clients that nobody here wrote on several ways to an engine, and compares what they got: `cargo xtask interop`.

mod browser;
mod clients;
mod documented;
mod eyes;
mod faults;
mod har;
mod inspect;
mod matrix;
mod misses;
mod proxy;
mod redrive;
mod report;
mod sessions;
mod tables;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::Duration,
};

use clap::Parser;
use serde_json::Value;

/// No step takes longer, or something hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What a step gives; the error is one sentence.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// What a client has obtained, by the name of the check.
type Values = BTreeMap<String, Value>;

/// Run clients from npm and PyPI, and a page in a browser, against the fake engine: straight, and through qix-proxy
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask interop")]
struct Args {
    /// Use what was installed before
    #[arg(long)]
    offline: bool,
    /// Run the clients with this in their name, such as `python` or `browser`, or another part, such as `matrix` or `faults`
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,
    /// Keep the recordings in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// What is run besides clients, pages and documented tests.
const PARTS: [&str; 9] =
    ["matrix", "sessions", "redrive", "misses", "faults", "tables", "eyes", "report", "inspect"];

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Outcome {
    let clients = clients::named(&args.only);
    // A chart has `har` in its name, too.
    let visits = if args.only == "har" { Vec::new() } else { browser::named(&args.only) };
    let documented = documented::named(&args.only);
    let hars = har::named(&args.only);
    let parts: Vec<_> = PARTS.into_iter().filter(|part| part.contains(&*args.only)).collect();
    let pages = !visits.is_empty() || !hars.is_empty();
    if clients.is_empty() && !pages && documented.is_empty() && parts.is_empty() {
        return Err(format!("nothing has '{}' in its name", args.only).into());
    }
    if !args.offline {
        let with_node = parts.iter().any(|part| *part != "misses") || pages || !documented.is_empty();
        if with_node || clients.iter().any(|client| !client.is_python()) {
            install_node()?;
        }
        if parts.iter().any(|part| matches!(*part, "matrix" | "tables"))
            || clients.iter().any(|client| client.is_python())
        {
            clients::install_python()?;
        }
        if !hars.is_empty() {
            har::install()?;
        }
    }
    // As `cargo xtask` has built it, so that there is nothing left to do then.
    let build = ["build", "--quiet", "--workspace", "--exclude", "xtask", "--bins", "--examples"];
    succeed(Command::new(env!("CARGO")).args(build).current_dir(scripts()))?;
    let results = tempfile::tempdir()?;
    let recordings = args.keep.as_deref().unwrap_or(results.path());
    std::fs::create_dir_all(recordings)?;
    if !clients.is_empty() {
        clients::run(&clients, recordings, results.path()).await?;
    }
    for part in parts {
        match part {
            "matrix" => matrix::run(recordings, results.path()).await?,
            "sessions" => sessions::run(recordings, results.path()).await?,
            "redrive" => redrive::run(recordings, results.path()).await?,
            "misses" => misses::run(recordings).await?,
            "faults" => faults::run(recordings, results.path()).await?,
            "report" => report::run(recordings).await?,
            "eyes" => eyes::run(recordings).await?,
            "inspect" => inspect::run(recordings).await?,
            _ => tables::run(recordings).await?,
        }
    }
    if !visits.is_empty() {
        browser::run(&visits, recordings, results.path()).await?;
    }
    if !hars.is_empty() {
        har::run(&hars, recordings, results.path()).await?;
    }
    documented::run(&documented, recordings, args.offline).await?;
    Ok(())
}

/// Installs the packages of npm, unless just these are there.
fn install_node() -> Outcome {
    let wanted = std::fs::read(scripts().join("package-lock.json"))?;
    let stamp = scripts().join("node_modules").join(".installed.json");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(scripts()))?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Prints where two runs differ and returns how often.
fn compare(one_name: &str, one: &Values, two_name: &str, two: &Values) -> usize {
    let keys: BTreeSet<_> = one.keys().chain(two.keys()).collect();
    let different: Vec<_> = keys.into_iter().filter(|key| one.get(*key) != two.get(*key)).collect();
    for key in &different {
        let show = |values: &Values| values.get(*key).map_or("nothing".to_owned(), Value::to_string);
        say(&format!("{key} differs\n  {one_name}: {}\n  {two_name}: {}", show(one), show(two)));
    }
    different.len()
}

/// The folder of the clients' scripts.
fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop")
}

#[expect(clippy::print_stdout, reason = "a developer reads it")]
fn say(line: &str) {
    println!("{line}");
}

fn succeed(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{}: {status}", command.get_program().display()).into())
    }
}
