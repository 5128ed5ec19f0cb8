//! Runs clients that nobody here wrote, each three times, and compares what they got: `cargo xtask interop`.

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
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Run clients from npm and PyPI against the fake engine: straight, through the recorder, and from the recording
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask interop")]
struct Args {
    /// Use what was installed before
    #[arg(long)]
    offline: bool,
    /// Run the clients with this in their name, such as `python`
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,
    /// Keep the recordings in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

/// A client from a registry, with the script that drives it.
struct Client {
    name: &'static str,
    script: &'static str,
    options: &'static [&'static str],
    /// What is added when a replay answers.
    replayed: &'static [&'static str],
}

/// What each of them is known for is in its script.
const CLIENTS: &[Client] = &[
    // A replay answers as soon as it is asked, so that a slow call is no longer overtaken by quick ones. The values must be
    // the same all the same.
    Client { name: "enigma.js", script: "enigma.mjs", options: &[], replayed: &["--any-order"] },
    Client { name: QLIK_API[0], script: "qlik-api.mjs", options: &[], replayed: &[] },
    Client { name: QLIK_API[1], script: "qlik-api.mjs", options: &["--auto-resume"], replayed: &[] },
    Client { name: "pyqlikengine (python)", script: "pyqlikengine_checks.py", options: &[], replayed: &[] },
    Client { name: "qlik-sdk (python)", script: "qlik_sdk_checks.py", options: &[], replayed: &[] },
];

/// The two runtimes of one package, which get the same values.
const QLIK_API: [&str; 2] = ["@qlik/api on enigma.js", "@qlik/api on its own runtime"];

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
    let clients: Vec<_> = CLIENTS.iter().filter(|client| client.name.contains(&args.only)).collect();
    if clients.is_empty() {
        return Err(format!("no client has '{}' in its name", args.only).into());
    }
    if !args.offline {
        if clients.iter().any(|client| !client.is_python()) {
            succeed(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(scripts()))?;
        }
        if clients.iter().any(|client| client.is_python()) {
            install_python()?;
        }
    }
    let build = ["build", "--quiet", "--package", "qix-proxy"];
    succeed(Command::new(env!("CARGO")).args(build).current_dir(scripts()))?;
    let results = tempfile::tempdir()?;
    let recordings = args.keep.as_deref().unwrap_or(results.path());
    std::fs::create_dir_all(recordings)?;

    let mut values = BTreeMap::new();
    for client in &clients {
        let recording = recordings.join(format!("{}.qixrec", client.file_name()));
        values.insert(client.name, client.run(&recording, results.path()).await?);
    }
    if let [Some(one), Some(two)] = QLIK_API.map(|name| values.get(name))
        && compare(QLIK_API[0], one, QLIK_API[1], two) > 0
    {
        return Err("the two runtimes of @qlik/api got different values".into());
    }
    let sum: usize = values.values().map(BTreeMap::len).sum();
    say(&format!("{} clients, three runs each, {sum} values a run, all equal", clients.len()));
    Ok(())
}

/// Makes a folder with the Python packages, unless there is one with just these.
fn install_python() -> Outcome {
    let wanted = std::fs::read(scripts().join("requirements.txt"))?;
    let environment = scripts().join(".venv");
    let installed = environment.join("installed.txt");
    if std::fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let python = if cfg!(windows) { "python" } else { "python3" };
    succeed(Command::new(python).args(["-m", "venv", "--clear"]).arg(&environment))
        .map_err(|error| format!("{error}; Python 3.11 or newer with its module venv is needed"))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
    succeed(Command::new(venv_python()).args(pip).arg("-r").arg(scripts().join("requirements.txt")))?;
    std::fs::write(installed, wanted)?;
    Ok(())
}

fn venv_python() -> PathBuf {
    scripts().join(".venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

type Values = BTreeMap<String, Value>;

impl Client {
    fn is_python(&self) -> bool {
        self.script.ends_with(".py")
    }

    fn file_name(&self) -> String {
        self.name.replace(|other: char| !other.is_ascii_alphanumeric(), "-")
    }

    /// Runs the script three times and returns the values of the first run, which are those of all.
    async fn run(&self, recording: &Path, results: &Path) -> Outcome<Values> {
        let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
        let direct = self.drive("straight", &engine.base_url(), results, &[]).await?;

        let args = ["record", "--upstream", &engine.base_url(), "--out"];
        let proxy = Proxy::start(&args, recording).await?;
        let through = self.drive("through qix-proxy record", &proxy.url, results, &[]).await?;
        proxy.stop().await?;
        engine.shutdown().await;

        // The engine is gone: every answer comes from the file.
        let proxy = Proxy::start(&["replay"], recording).await?;
        let replayed = self.drive("at qix-proxy replay", &proxy.url, results, self.replayed).await?;
        proxy.stop().await?;

        let mut different = compare("straight", &direct, "through the recorder", &through);
        different += compare("straight", &direct, "from the recording", &replayed);
        if different > 0 {
            return Err(format!("{}: {different} values differ", self.name).into());
        }
        Ok(direct)
    }

    /// Runs the script against an engine, or what stands in for one, and returns the values it got.
    async fn drive(&self, how: &str, url: &str, results: &Path, more: &[&str]) -> Outcome<Values> {
        let file = results.join(format!("{}-{}.json", self.file_name(), how.replace(' ', "-")));
        let mut command = if self.is_python() {
            tokio::process::Command::new(venv_python())
        } else {
            tokio::process::Command::new("node")
        };
        command.arg(self.script).arg(url).arg("--json").arg(&file).args(self.options).args(more);
        // Python would write its byte code beside the scripts.
        command.current_dir(scripts()).env("PYTHONDONTWRITEBYTECODE", "1").kill_on_drop(true);
        let what = format!("{} {how}", self.name);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{what}: hangs"))??;
        let text = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            say(&text);
            say(&String::from_utf8_lossy(&output.stderr));
            return Err(format!("{what}: {}", output.status).into());
        }
        say(&format!("{what}: {}", text.lines().last().unwrap_or_default()));
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }
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
    async fn start(args: &[&str], file: &Path) -> Outcome<Self> {
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
