//! Runs a client that nobody here wrote, three times, and compares what it got: `cargo xtask interop`.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::Duration,
};

use clap::Parser;
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::Child,
    time::timeout,
};

/// No step takes longer, or something hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// What a step gives; the error is one sentence.
type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Run enigma.js against the fake engine: straight, through the recorder, and from the recording
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask interop")]
struct Args {
    /// Use what `npm ci` has installed before
    #[arg(long)]
    offline: bool,
    /// Keep the recording in this file
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
}

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
    let folder = scripts();
    if !args.offline {
        succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder))?;
    }
    succeed(
        Command::new(env!("CARGO")).args(["build", "--quiet", "--package", "qix-proxy"]).current_dir(&folder),
    )?;
    let results = tempfile::tempdir()?;
    let recording = args.keep.unwrap_or_else(|| results.path().join("interop.qixrec"));

    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let direct = drive("straight", &engine.base_url(), results.path(), &[]).await?;

    let proxy = Proxy::start(&["record", "--upstream", &engine.base_url(), "--out"], &recording).await?;
    let through = drive("through qix-proxy record", &proxy.url, results.path(), &[]).await?;
    proxy.stop().await?;
    engine.shutdown().await;

    // The engine is gone: every answer comes from the file, and as soon as it is asked for, so that a slow call is no longer
    // overtaken by quick ones. The values must be the same all the same.
    let proxy = Proxy::start(&["replay"], &recording).await?;
    let replayed = drive("at qix-proxy replay", &proxy.url, results.path(), &["--any-order"]).await?;
    proxy.stop().await?;

    let mut different = compare("straight", &direct, "through the recorder", &through);
    different += compare("straight", &direct, "from the recording", &replayed);
    if different > 0 {
        return Err(format!("{different} values differ").into());
    }
    say(&format!("three runs, {} values each, all equal", direct.len()));
    Ok(())
}

type Values = BTreeMap<String, Value>;

/// Runs the script against an engine, or what stands in for one, and returns the values it got.
async fn drive(
    name: &str,
    url: &str,
    results: &Path,
    options: &[&str],
) -> Result<Values, Box<dyn std::error::Error>> {
    let file = results.join(format!("{}.json", name.replace(' ', "-")));
    let mut command = tokio::process::Command::new("node");
    command.arg("enigma.mjs").arg(url).arg("--json").arg(&file).args(options).current_dir(scripts());
    let output =
        timeout(LIMIT, command.kill_on_drop(true).output()).await.map_err(|_| format!("{name}: hangs"))??;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        say(&text);
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("enigma.js {name}: {}", output.status).into());
    }
    say(&format!("enigma.js {name}: {}", text.lines().last().unwrap_or_default()));
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

/// Prints where two runs differ and returns how often.
fn compare(one_name: &str, one: &Values, two_name: &str, two: &Values) -> usize {
    let keys: std::collections::BTreeSet<_> = one.keys().chain(two.keys()).collect();
    let different: Vec<_> = keys.into_iter().filter(|key| one.get(*key) != two.get(*key)).collect();
    for key in &different {
        let show = |values: &Values| values.get(*key).map_or("nothing".to_owned(), Value::to_string);
        say(&format!("{key} differs\n  {one_name}: {}\n  {two_name}: {}", show(one), show(two)));
    }
    different.len()
}

/// The real binary, on a free port.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    async fn start(args: &[&str], file: &Path) -> Result<Self, Box<dyn std::error::Error>> {
        let mut child = tokio::process::Command::new(binary())
            .args(args)
            .arg(file)
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        timeout(LIMIT, lines.read_line(&mut line)).await??;
        // What it prints later is the summary.
        tokio::spawn(async move {
            let mut rest = String::new();
            if lines.read_to_string(&mut rest).await.is_ok() {
                say(rest.trim_end());
            }
        });
        let url =
            line.split_whitespace().find(|word| word.starts_with("ws://")).ok_or("it names no address")?;
        Ok(Self { url: url.trim_end_matches(['/', ',', ';']).to_owned(), child })
    }

    /// Asks it to stop, and fails unless it ends well.
    async fn stop(mut self) -> Outcome {
        let pid = self.child.id().ok_or("it has ended by itself")?;
        succeed(Command::new("kill").arg(pid.to_string()))?;
        let status = timeout(LIMIT, self.child.wait()).await??;
        if status.success() { Ok(()) } else { Err(format!("qix-proxy: {status}").into()) }
    }
}

/// Where cargo has put the binary: one folder above the examples.
fn binary() -> PathBuf {
    let here = std::env::current_exe().unwrap_or_default();
    let above = here.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    above.join(format!("qix-proxy{}", std::env::consts::EXE_SUFFIX))
}

/// The folder of the client's scripts.
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
