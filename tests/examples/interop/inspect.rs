//! The live page in a browser: an enigma.js client is recorded, and the page of `record --ui` shows its calls and makes some itself.

use std::{
    path::Path,
    process::{Command as Run, Stdio},
};

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use super::{LIMIT, Outcome, browser::pictures, proxy, say, scripts, succeed};

/// Starts an engine and a recorder with a page, and lets the browser check it.
pub(super) async fn run(recordings: &Path) -> Outcome {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let mut recorder = proxy::command("record");
    recorder.args(["--upstream", &engine.base_url(), "--listen", "127.0.0.1:0", "--live", "never"]);
    recorder.args(["--ui", "127.0.0.1:0", "--allow-writes", "--out"]).arg(recordings.join("inspect.qixrec"));
    let mut child = recorder.stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(child.stdout.take().ok_or("no output")?).lines();
    let mut address = None;
    let page = loop {
        let line =
            timeout(LIMIT, lines.next_line()).await??.ok_or("qix-proxy ends before it names its page")?;
        if let Some(rest) = line.strip_prefix("recording ws://") {
            address = rest.split(' ').next().map(|address| format!("ws://{address}"));
        }
        if let Some(url) = line.strip_prefix("look at it at ") {
            break url.to_owned();
        }
    };
    let folder = pictures();
    std::fs::create_dir_all(&folder)?;
    let mut browser = Command::new("node");
    browser.arg("inspect.mjs").args([page, address.ok_or("qix-proxy does not say where it records")?]);
    browser.arg(folder.join("inspect")).current_dir(scripts()).kill_on_drop(true);
    let status = timeout(LIMIT, browser.status()).await??;
    if !status.success() {
        return Err(format!("the page of the inspector: {status}; see {}", folder.display()).into());
    }
    let pid = child.id().ok_or("qix-proxy has ended by itself")?;
    succeed(Run::new("kill").arg(pid.to_string()))?;
    let ended = timeout(LIMIT, child.wait()).await??;
    if !ended.success() {
        return Err(format!("qix-proxy record --ui ends with {ended}").into());
    }
    say(&format!("the live page does what it should; see {}", folder.display()));
    Ok(())
}
