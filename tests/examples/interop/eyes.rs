//! What people see of an enigma.js dashboard: its recording in every view, each checked for the words of the app and kept as a capture.

use std::path::Path;

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome,
    proxy::{self, Proxy},
    say, scripts,
};

/// What is run on the recording, and parts of what it must print. `FILE` stands for the recording, `OTHER` for one with another measure.
const VIEWS: &[(&str, &[&str], &[&str])] = &[
    (
        "show",
        &["show", "FILE"],
        &["barchart Sales by region", "listbox Region", "GetLayout", "DoReload", "app Sales"],
    ),
    (
        "show-errors",
        &["show", "FILE", "--errors"],
        &["GetHyperCubeData", "GetListObjectData", "15 GENERIC_ABORTED"],
    ),
    ("stats", &["stats", "FILE"], &["GetLayout", "Evaluate", "barchart Sales by region"]),
    (
        "lint",
        &["lint", "FILE"],
        &[
            "session-object-leaked",
            "table Sales by product",
            "layout-without-change",
            "GetLayout of barchart Sales by region",
            "serial-calls",
            "Evaluate, each sent after the answer",
            "large-page",
            "GetHyperCubeData of table All rows: more than",
            "tiny-pages",
            "selection-storm",
            "get-progress-hammering",
            "aborted-not-retried",
            "GetListObjectData of listbox Region",
            "same-failure-again",
            "GetHyperCubeData of barchart Sales by region: ",
            "same-layout-again",
        ],
    ),
    (
        "lint.json",
        &["lint", "FILE", "--format", "json"],
        &["\"rule\": \"session-object-leaked\"", "\"remedy\""],
    ),
    ("diff", &["diff", "FILE", "OTHER"], &["measure Total sales", "1 measure differs"]),
];

/// Makes the recordings, and looks at them.
pub(super) async fn run(recordings: &Path) -> Outcome {
    let file = recordings.join("eyes.qixrec");
    let other = recordings.join("eyes-other-measure.qixrec");
    record(&file, FakeEngineConfig::default()).await?;
    let mut upgraded = FakeEngineConfig::default();
    upgraded.otherwise.measure = Some("Sum(Sales)*1.1".to_owned());
    record(&other, upgraded).await?;
    for (name, arguments, expected) in VIEWS {
        let path = |argument: &&str| match *argument {
            "FILE" => file.clone().into_os_string(),
            "OTHER" => other.clone().into_os_string(),
            argument => argument.into(),
        };
        let mut command = tokio::process::Command::new(proxy::binary());
        command.args(arguments.iter().map(path)).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{name}: hangs"))??;
        let error = String::from_utf8_lossy(&output.stderr);
        // Of two recordings that differ, diff says so by its exit code.
        let code = if *name == "diff" { 1 } else { 0 };
        if output.status.code() != Some(code) {
            return Err(format!("{name}: {}\n{error}", output.status).into());
        }
        let text = String::from_utf8(output.stdout)?;
        std::fs::write(recordings.join(format!("eyes-{name}.txt")), &text)?;
        let missing: Vec<_> = expected.iter().filter(|part| !text.contains(**part)).collect();
        if !missing.is_empty() {
            return Err(format!("{name} does not say {missing:?}:\n{text}").into());
        }
        say(&format!("{name}: {} lines, with the words of the app", text.lines().count()));
    }
    Ok(())
}

/// Records the dashboard. One of its calls is aborted, as an engine does when data changes meanwhile.
async fn record(file: &Path, mut config: FakeEngineConfig) -> Outcome {
    // For pages with more cells than anybody reads.
    config.rows = 5_000;
    let engine = FakeEngine::start(config).await?;
    let mut command = proxy::command("record");
    command.args(["--live", "never", "--fault", "GetListObjectData nth=1 error=15"]);
    // As far away as most engines are: what could be one round trip is measured in times.
    command.args(["--fault", "Evaluate delay=10ms"]);
    command.args(["--upstream", &engine.base_url(), "--out"]).arg(file);
    let proxy = Proxy::start_quietly(command).await?;
    let mut client = tokio::process::Command::new("node");
    client.args(["eyes.mjs", &proxy.url("ws")]).current_dir(scripts()).kill_on_drop(true);
    let output = timeout(LIMIT, client.output()).await.map_err(|_| "the dashboard hangs")??;
    if !output.status.success() {
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("the dashboard: {}", output.status).into());
    }
    proxy.stop().await?;
    engine.shutdown().await;
    Ok(())
}
