//! Clients from registries, each straight, through the recorder, and from the recording.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome, Values, compare,
    proxy::{self, Proxy},
    say, scripts, succeed,
};

/// A client from a registry, with the script that drives it.
pub(super) struct Client {
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

/// The clients with `part` in their name.
pub(super) fn named(part: &str) -> Vec<&'static Client> {
    CLIENTS.iter().filter(|client| client.name.contains(part)).collect()
}

/// Runs them three times each, and compares.
pub(super) async fn run(clients: &[&Client], recordings: &Path, results: &Path) -> Outcome {
    let mut values = BTreeMap::new();
    for client in clients {
        let recording = recordings.join(format!("{}.qixrec", client.file_name()));
        values.insert(client.name, client.run(&recording, results).await?);
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
pub(super) fn install_python() -> Outcome {
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

pub(super) fn venv_python() -> PathBuf {
    scripts().join(".venv").join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

impl Client {
    pub(super) fn is_python(&self) -> bool {
        self.script.ends_with(".py")
    }

    fn file_name(&self) -> String {
        self.name.replace(|other: char| !other.is_ascii_alphanumeric(), "-")
    }

    /// Runs the script three times and returns the values of the first run, which are those of all.
    async fn run(&self, recording: &Path, results: &Path) -> Outcome<Values> {
        let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
        let direct = self.drive("straight", &engine.base_url(), results, &[]).await?;

        let mut command = proxy::command("record");
        command.args(["--upstream", &engine.base_url(), "--out"]).arg(recording);
        let proxy = Proxy::start(command).await?;
        let through = self.drive("through qix-proxy record", &proxy.url("ws"), results, &[]).await?;
        proxy.stop().await?;
        engine.shutdown().await;

        // The engine is gone: every answer comes from the file.
        let mut command = proxy::command("replay");
        command.arg(recording);
        let proxy = Proxy::start(command).await?;
        let replayed = self.drive("at qix-proxy replay", &proxy.url("ws"), results, self.replayed).await?;
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
