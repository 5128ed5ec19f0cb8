//! Tables of calls, read by DuckDB: equal to a count over the recording that was made without them.

use std::path::Path;

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::{process::Command, time::timeout};

use super::{
    LIMIT, Outcome,
    clients::venv_python,
    proxy::{self, Proxy},
    say, scripts,
};

/// Records enigma.js, exports its calls, and has DuckDB count them.
pub(super) async fn run(recordings: &Path) -> Outcome {
    let file = recordings.join("tables.qixrec");
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let mut command = proxy::command("record");
    command.args(["--live", "never", "--upstream", &engine.base_url(), "--out"]).arg(&file);
    let proxy = Proxy::start_quietly(command).await?;
    let mut client = Command::new("node");
    client.args(["enigma.mjs", &proxy.url("ws")]).current_dir(scripts());
    succeed(&mut client).await?;
    proxy.stop().await?;
    engine.shutdown().await;

    let mut count = Command::new(venv_python());
    count.arg("tables.py").arg(&file).current_dir(scripts());
    for (kind, extension) in [("parquet", "parquet"), ("calls", "jsonl")] {
        let table = file.with_extension(extension);
        let mut export = proxy::command("export");
        export.args(["--as", kind, "--out"]).arg(&table).arg(&file);
        succeed(&mut export).await?;
        count.arg(table);
    }
    say(succeed(count.env("PYTHONDONTWRITEBYTECODE", "1")).await?.trim_end());
    Ok(())
}

/// Runs a command, and returns what it has printed.
async fn succeed(command: &mut Command) -> Outcome<String> {
    let output = timeout(LIMIT, command.kill_on_drop(true).output()).await??;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        say(&text);
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("tables: {}", output.status).into());
    }
    Ok(text)
}
