//! What the documentation says about testing against a recording: its tests pass, and are those of `docs/testing.md`.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig, Front};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome,
    proxy::{self, Proxy},
    say, scripts, succeed,
};

const VITEST: &str = "documented test of JavaScript";
const PYTEST: &str = "documented test of Python";
const PLATFORM: &str = "@qlik/api that asks for its platform";

/// The parts with `part` in their name.
pub(super) fn named(part: &str) -> Vec<&'static str> {
    [VITEST, PYTEST, PLATFORM].into_iter().filter(|name| name.contains(part)).collect()
}

/// Runs each part.
pub(super) async fn run(parts: &[&str], recordings: &Path, offline: bool) -> Outcome {
    for part in parts {
        match *part {
            PLATFORM => platform(recordings).await?,
            VITEST => {
                shown("sales.test.js")?;
                if !offline {
                    let npm = ["ci", "--no-audit", "--no-fund"];
                    succeed(Command::new("npm").args(npm).current_dir(folder()))?;
                }
                test(Command::new("npx").args(["vitest", "run"]))?;
            }
            _ => {
                shown("test_sales.py")?;
                if !offline {
                    install_python()?;
                }
                test(Command::new(python()).args(["-m", "pytest", "-q", "-p", "no:cacheprovider"]))?;
            }
        }
        say(&format!("{part}: passes against a recording"));
    }
    Ok(())
}

/// The folder of the tests that the documentation shows.
fn folder() -> PathBuf {
    scripts().join("testing")
}

/// Fails unless the documentation shows a file as it is.
fn shown(file: &str) -> Outcome {
    let text = std::fs::read_to_string(scripts().join("../../docs/testing.md"))?;
    let code = std::fs::read_to_string(folder().join(file))?;
    if text.contains(&code) {
        Ok(())
    } else {
        Err(format!("docs/testing.md does not show {file} as it is").into())
    }
}

fn test(command: &mut Command) -> Outcome {
    let recording = scripts().join("../../crates/qix-proxy/assets/demo.qixrec");
    succeed(command.current_dir(folder()).env("QIX_PROXY", proxy::binary()).env("RECORDING", recording))
}

fn install_python() -> Outcome {
    let python3 = if cfg!(windows) { "python" } else { "python3" };
    succeed(Command::new(python3).args(["-m", "venv", "--clear"]).arg(folder().join(".venv")))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
    succeed(Command::new(python()).args(pip).arg("-r").arg(folder().join("requirements.txt")))
}

fn python() -> PathBuf {
    folder().join(".venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

/// Has @qlik/api ask over HTTP what it talks to, of an engine and then of its recording.
async fn platform(recordings: &Path) -> Outcome {
    let mut config = FakeEngineConfig::default();
    config.front = Some(Front::default());
    let engine = FakeEngine::start(config).await?;
    let recording = recordings.join("product-info.qixrec");
    let mut command = proxy::command("record");
    let upstream = engine.origin("localhost").replacen("http", "ws", 1);
    command.args(["--upstream", &upstream, "--out"]).arg(&recording);
    let recorder = Proxy::start(command).await?;
    let recorded = ask(&recorder).await?;
    recorder.stop().await?;
    engine.shutdown().await;
    let mut command = proxy::command("replay");
    command.arg(&recording);
    let replay = Proxy::start(command).await?;
    let replayed = ask(&replay).await?;
    replay.stop().await?;
    if recorded == replayed {
        Ok(())
    } else {
        Err(format!("recorded {recorded}, replayed {replayed}").into())
    }
}

async fn ask(proxy: &Proxy) -> Outcome<String> {
    let mut command = tokio::process::Command::new("node");
    command.args(["product-info.mjs", &proxy.url("http")]).current_dir(scripts()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.map_err(|_| "product-info.mjs hangs")??;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?)
    } else {
        Err(format!("product-info.mjs: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
