//! HARs that other tools have made of a visit of the page, imported, and replayed to the page when the engine is gone.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig, Front};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use super::{
    LIMIT, Outcome, Values, compare,
    proxy::{self, Proxy},
    say, scripts, succeed,
};

/// What makes a HAR.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tool {
    /// The events of Chromium's DevTools protocol, as its network panel writes them.
    Chromium,
    /// `recordHar` of Playwright.
    Playwright,
    /// `mitmdump` between the browser and the site.
    Mitmproxy,
}

const TOOLS: &[(Tool, &str)] = &[
    (Tool::Chromium, "har of Chromium"),
    (Tool::Playwright, "har of Playwright"),
    (Tool::Mitmproxy, "har of mitmproxy"),
];

/// The tools with `part` in their name.
pub(super) fn named(part: &str) -> Vec<(Tool, &'static str)> {
    TOOLS.iter().copied().filter(|(_, name)| name.contains(part)).collect()
}

/// Installs mitmproxy.
pub(super) fn install() -> Outcome {
    let python3 = if cfg!(windows) { "python" } else { "python3" };
    let wanted = std::fs::read(folder().join("requirements.txt"))?;
    let stamp = folder().join(".venv").join("installed.txt");
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    succeed(Command::new(python3).args(["-m", "venv", "--clear"]).arg(folder().join(".venv")))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"];
    succeed(Command::new(program("python")).args(pip).arg("-r").arg(folder().join("requirements.txt")))?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Has each tool make a HAR, and plays it.
pub(super) async fn run(tools: &[(Tool, &str)], recordings: &Path, results: &Path) -> Outcome {
    let pages = results.join("har-page");
    succeed(Command::new("node").args(["page/build.mjs"]).arg(&pages).current_dir(scripts()))?;
    let site = Site::start(&pages).await?;
    let straight = visit("browser.mjs", &[&site.url], results).await?;
    site.engine.shutdown().await;
    for (tool, name) in tools {
        let file = name.replace(' ', "-");
        let har = recordings.join(format!("{file}.har"));
        let site = Site::start(&pages).await?;
        let seen = make(*tool, &site.url, &har, results).await?;
        site.engine.shutdown().await;
        if compare("straight", &straight, name, &seen) > 0 {
            return Err(format!("{name}: the page is not the same").into());
        }
        let recording = recordings.join(format!("{file}.qixrec"));
        succeed(proxy::command("import").arg(&har).arg("--out").arg(&recording).as_std_mut())?;
        let mut command = proxy::command("replay");
        command.arg(&recording);
        let replay = Proxy::start(command).await?;
        let replayed = visit("browser.mjs", &[&format!("{}/", replay.url("http"))], results).await?;
        // Fails if something was asked for that is not in the recording.
        replay.stop().await?;
        if compare("straight", &straight, &format!("{name}, replayed"), &replayed) > 0 {
            return Err(format!("{name}: the replayed page is not the same").into());
        }
        again(name, &recording)?;
    }
    say(&format!(
        "{} HARs: imported, the same page without the site, and the same again when exported",
        tools.len()
    ));
    Ok(())
}

/// Exports a recording and imports that: nothing is lost on the way.
fn again(name: &str, recording: &Path) -> Outcome {
    let har = recording.with_extension("again.har");
    let twice = recording.with_extension("again.qixrec");
    let export = ["--as", "har", "--out"];
    succeed(proxy::command("export").arg(recording).args(export).arg(&har).as_std_mut())?;
    succeed(proxy::command("import").arg(&har).arg("--out").arg(&twice).as_std_mut())?;
    let (once, twice) = (lines(recording)?, lines(&twice)?);
    match once.iter().zip(&twice).position(|(one, other)| one != other) {
        None if once.len() == twice.len() => Ok(()),
        at => {
            let line = at.unwrap_or(once.len().min(twice.len())) + 1;
            Err(format!("{name}: line {line} is another when it was exported and imported").into())
        }
    }
}

/// Reads the lines of a recording, but for what was replaced in it: where a secret is gone, a HAR cannot say that there was one.
fn lines(recording: &Path) -> Outcome<Vec<serde_json::Value>> {
    let mut lines = Vec::new();
    for line in std::fs::read_to_string(recording)?.lines() {
        let mut line: serde_json::Value = serde_json::from_str(line)?;
        if let Some(line) = line.as_object_mut() {
            line.remove("redacted");
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Makes a HAR of a visit, and returns what was seen.
async fn make(tool: Tool, url: &str, har: &Path, results: &Path) -> Outcome<Values> {
    let path = har.to_str().ok_or("the folder for recordings has a name that is no text")?;
    let script = match tool {
        Tool::Chromium => "har-chromium.mjs",
        Tool::Playwright => "har-playwright.mjs",
        Tool::Mitmproxy => {
            let proxy = Mitmdump::start(path, results).await?;
            let seen = visit("browser.mjs", &[url, "--proxy", &proxy.url], results).await?;
            proxy.stop().await?;
            return Ok(seen);
        }
    };
    visit(script, &[url, path], results).await
}

/// A site without a login.
struct Site {
    engine: FakeEngine,
    url: String,
}

impl Site {
    async fn start(pages: &Path) -> Outcome<Self> {
        let mut front = Front::default();
        front.pages = Some(pages.to_owned());
        let mut config = FakeEngineConfig::default();
        config.front = Some(front);
        let engine = FakeEngine::start(config).await?;
        Ok(Self { url: format!("{}/", engine.origin("localhost")), engine })
    }
}

/// Runs a script that makes the visit.
async fn visit(script: &str, args: &[&str], results: &Path) -> Outcome<Values> {
    let file = results.join("har-page.json");
    let mut command = tokio::process::Command::new("node");
    command.arg(script).args(args).arg("--json").arg(&file).current_dir(scripts()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{script}: hangs"))??;
    if !output.status.success() {
        return Err(format!("{script}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    say(&format!("{script}: {}", String::from_utf8_lossy(&output.stdout).trim_end()));
    let mut seen: Values = serde_json::from_slice(&std::fs::read(file)?)?;
    // Who the user is was taken out of the recording.
    seen.remove("user");
    Ok(seen)
}

/// A running mitmdump.
struct Mitmdump {
    child: tokio::process::Child,
    url: String,
}

impl Mitmdump {
    async fn start(har: &str, results: &Path) -> Outcome<Self> {
        let settings = results.join("mitmproxy");
        let mut command = tokio::process::Command::new(program("mitmdump"));
        command.args(["--listen-host", "127.0.0.1", "--listen-port", "0"]);
        command.args([
            "--set",
            &format!("hardump={har}"),
            "--set",
            &format!("confdir={}", settings.display()),
        ]);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
        let url = loop {
            let line = timeout(LIMIT, lines.next_line()).await??.ok_or("mitmdump ends at once")?;
            if let Some((_, address)) = line.split_once("listening at ") {
                break format!("http://{}", address.trim().trim_end_matches('.'));
            }
        };
        // It must not wait for somebody to read what else it says.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Ok(Self { child, url })
    }

    /// Ends it, whereupon it writes the HAR.
    async fn stop(mut self) -> Outcome {
        let pid = self.child.id().ok_or("mitmdump has ended by itself")?;
        succeed(Command::new("kill").args(["-INT", &pid.to_string()]))?;
        timeout(LIMIT, self.child.wait()).await??;
        Ok(())
    }
}

fn folder() -> PathBuf {
    scripts().join("mitmproxy")
}

fn program(name: &str) -> PathBuf {
    let folder = folder().join(".venv").join(if cfg!(windows) { "Scripts" } else { "bin" });
    folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
}
