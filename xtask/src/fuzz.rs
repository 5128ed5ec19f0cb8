//! Runs the fuzz targets of `fuzz/`, each for a while.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use crate::{Outcome, root, say};

/// How long, and which.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds for each target
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Fail instead of passing over the fuzzing where a nightly compiler or cargo-fuzz is missing
    #[arg(long)]
    required: bool,
    /// The targets to run; all if none is named
    targets: Vec<String>,
}

/// The pages of one run may not grow beyond this many MiB: what grows without limit is a finding.
const MEMORY: u32 = 1024;

pub(crate) fn run(args: &Args) -> Outcome {
    if let Err(missing) = prepare() {
        if args.required {
            return Err(missing.into());
        }
        say(&format!("!!! NOTHING WAS FUZZED: {missing}"));
        return Ok(());
    }
    let targets = if args.targets.is_empty() { all_targets()? } else { args.targets.clone() };
    // One build for all, as two at once would wait for each other.
    if !nightly(&["fuzz", "build", "--sanitizer", "none"]).status()?.success() {
        return Err("the fuzz targets do not build".into());
    }
    let mut findings = Vec::new();
    for pair in targets.chunks(2) {
        let running: Vec<_> = pair
            .iter()
            .map(|target| Ok((target, start(target, args.seconds)?)))
            .collect::<std::io::Result<_>>()?;
        for (target, child) in running {
            if !finish(target, child)? {
                findings.push(target.as_str());
            }
        }
    }
    if findings.is_empty() { Ok(()) } else { Err(format!("findings in {}", findings.join(", ")).into()) }
}

/// Makes sure that there is a fuzzer; the error says what is missing.
fn prepare() -> Result<(), String> {
    let runs = |command: &mut Command| {
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    };
    if !runs(nightly(&["--version"]).stdin(Stdio::null())) {
        return Err("no nightly compiler; rustup toolchain install nightly".to_owned());
    }
    if !runs(Command::new("c++").arg("--version")) {
        return Err("no C++ compiler, which libFuzzer needs; apt-get install g++".to_owned());
    }
    if !runs(&mut nightly(&["fuzz", "--version"])) {
        say("installing cargo-fuzz");
        let installed = nightly(&["install", "cargo-fuzz", "--locked", "--quiet"]).status();
        if !installed.is_ok_and(|status| status.success()) {
            return Err("cargo-fuzz cannot be installed".to_owned());
        }
    }
    Ok(())
}

fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments).current_dir(root());
    command
}

fn all_targets() -> std::io::Result<Vec<String>> {
    let mut targets: Vec<_> = fs::read_dir(root().join("fuzz/fuzz_targets"))?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    targets.sort();
    Ok(targets)
}

/// Starts one target on its seeds; inputs that reach new code are kept beside them, outside the repository's files.
fn start(target: &str, seconds: u32) -> std::io::Result<Child> {
    let corpus = format!("fuzz/corpus/{target}");
    fs::create_dir_all(root().join(&corpus))?;
    fs::create_dir_all(root().join("fuzz/artifacts"))?;
    // Our code forbids `unsafe`, so that a sanitizer would find little and halve the executions.
    nightly(&["fuzz", "run", "--sanitizer", "none", target, &corpus, &format!("fuzz/seeds/{target}"), "--"])
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-rss_limit_mb={MEMORY}"))
        .args(["-timeout=10", "-print_final_stats=1"])
        .stdin(Stdio::null())
        .stderr(fs::File::create(log(target))?)
        .spawn()
}

/// Waits for a target; says what it did, and everything if it found something.
fn finish(target: &str, mut child: Child) -> std::io::Result<bool> {
    let passed = child.wait()?.success();
    let log = fs::read_to_string(log(target))?;
    let executions = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let executions = executions.unwrap_or("an unknown number of").trim();
    say(&format!("{target}: {executions} executions, {}", if passed { "no finding" } else { "A FINDING" }));
    if !passed {
        say(&log);
    }
    Ok(passed)
}

/// Where a target's words go: a pipe that nobody empties would stop it.
fn log(target: &str) -> PathBuf {
    root().join("fuzz/artifacts").join(target).with_extension("log")
}
