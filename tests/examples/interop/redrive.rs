//! What enigma.js has done, made again at other engines: `qix-proxy redrive`.

use std::path::Path;

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig, Otherwise};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    LIMIT, Outcome,
    proxy::{self, Proxy},
    say, scripts,
};

/// Checks of `enigma.mjs` that only read and select, in the way of a dashboard.
const CHECKS: &[&str] = &[
    "list of apps",
    "list of sheets",
    "children of a sheet",
    "an object and its properties",
    "list object",
    "hypercube",
    "library items in a hypercube",
    "paging",
];

/// Records enigma.js, and makes the recording again at engines that differ.
pub(super) async fn run(recordings: &Path, results: &Path) -> Outcome {
    for (name, only) in [("everything", &[""][..]), ("dashboard", CHECKS)] {
        let file = recordings.join(format!("redrive-{name}.qixrec"));
        record(&file, only, results).await?;
        let elsewhere = Otherwise {
            first_handle: 101,
            handle_step: 5,
            id_seed: 42,
            reversed_lists: true,
            ..Otherwise::default()
        };
        let data = Otherwise { sales: Some((0, 90_000)), ..Otherwise::default() };
        let measure = Otherwise { measure: Some("Sum(Quantity)".to_owned()), ..Otherwise::default() };
        for (what, otherwise, writes, expected) in [
            ("a fresh engine", Otherwise::default(), name == "everything", 0),
            ("other handles, ids and order of lists", elsewhere, name == "everything", 0),
            ("one row of other data", data, false, 1),
            ("one other measure", measure, false, 1),
        ] {
            if name == "everything" && expected > 0 {
                continue;
            }
            let report = redrive(&file, otherwise, writes, expected, results).await?;
            let counts = &report["counts"];
            say(&format!(
                "enigma.js ({name}) made again at {what}: {} answers compared, {} differ, {} refused, {} skipped",
                counts["compared"], counts["different"], counts["refused"], counts["skipped"]
            ));
            if expected > 0 {
                check(&report, what)?;
            }
        }
    }
    Ok(())
}

/// What differs must be of the data that was changed.
fn check(report: &Value, what: &str) -> Outcome {
    for answer in report["different"].as_array().into_iter().flatten() {
        let of_measure =
            answer["object"].to_string().contains("MEA01") || answer["object"].to_string().contains("CH12");
        for found in answer["differences"].as_array().into_iter().flatten() {
            let place = found["place"].as_str().unwrap_or_default();
            let text = found.to_string();
            let is_data = place.contains("qMatrix")
                || ["qGrandTotalRow", "qMax", "qMin", "qApprMaxGlyphCount", "doubled"]
                    .iter()
                    .any(|part| place.contains(part));
            if !is_data || what == "one other measure" && !of_measure {
                return Err(format!("{what}: {} differs at {text}", answer["method"]).into());
            }
            say(&format!("  {} {place}: {} → {}", answer["method"], found["recorded"], found["live"]));
        }
    }
    Ok(())
}

async fn record(file: &Path, only: &[&str], results: &Path) -> Outcome {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let mut command = proxy::command("record");
    command.args(["--live", "never", "--upstream", &engine.base_url(), "--out"]).arg(file);
    let proxy = Proxy::start_quietly(command).await?;
    for part in only {
        let mut command = tokio::process::Command::new("node");
        command.args(["enigma.mjs", &proxy.url("ws"), "--json"]).arg(results.join("redrive-client.json"));
        command.arg(format!("--only={part}")).current_dir(scripts()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.map_err(|_| "enigma.js hangs")??;
        if !output.status.success() {
            say(&String::from_utf8_lossy(&output.stdout));
            return Err(format!("enigma.js: {}", output.status).into());
        }
    }
    proxy.stop().await?;
    engine.shutdown().await;
    Ok(())
}

/// Makes a recording again, and returns the report.
async fn redrive(
    file: &Path,
    otherwise: Otherwise,
    writes: bool,
    expected: i32,
    results: &Path,
) -> Outcome<Value> {
    let mut config = FakeEngineConfig::default();
    config.otherwise = otherwise;
    let engine = FakeEngine::start(config).await?;
    let report = results.join("redrive-report.json");
    let mut command = proxy::command("redrive");
    command.arg(file).args(["--to", &engine.base_url(), "--timeout", "20s", "--report"]).arg(&report);
    if writes {
        command.arg("--allow-writes");
    }
    let output = timeout(LIMIT, command.kill_on_drop(true).output()).await.map_err(|_| "redrive hangs")??;
    if output.status.code() != Some(expected) {
        say(&String::from_utf8_lossy(&output.stdout));
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("redrive ends with {}, not with {expected}", output.status).into());
    }
    engine.shutdown().await;
    Ok(serde_json::from_slice(&std::fs::read(report)?)?)
}
