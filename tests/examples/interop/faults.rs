//! Faults on purpose, and what enigma.js experiences of each: live, in a replay, and in the replay of the recording made with it.

use std::path::{Path, PathBuf};

use qix_proxy::record::{EntryKind, RecordingReader};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome,
    proxy::{self, Proxy},
    say, scripts,
};

/// What is done, by which rule, and a part of what the client must tell of it; all that it tells is printed.
const CASES: &[(&str, &str, &str)] = &[
    ("error", "GetHyperCubeData nth=3 error=15", "page 2: error 15 Request aborted"),
    ("delay", "DoReload* delay=400ms", "DoReload: true, after at least 400 ms"),
    ("close", "OpenDoc close=4204 at=after", r#"socket closed: 4204 {"code":"QEP-104","traceId":"…"}"#),
    ("close instead", "GetObject close=4003 reason=terminating", "socket closed: 4003 terminating"),
    (
        "notification",
        "GetObject notify=OnSessionTimedOut close=4001",
        "notification: OnSessionTimedOut fatal",
    ),
    (
        "sessions",
        "OpenDoc notify=OnMaxParallelSessionsExceeded",
        "notification: OnMaxParallelSessionsExceeded fatal",
    ),
    ("drop answer", "GetHyperCubeData nth=2 drop=answer", "page 1: no answer"),
    ("drop request", "GetHyperCubeData nth=2 drop=request", "page 1: no answer"),
    ("duplicate", "GetHyperCubeData nth=2 duplicate", "page 1: 2 rows"),
    ("truncate", "GetHyperCubeData nth=2 truncate=50%", "thrown: SyntaxError"),
    ("reorder", "Evaluate first=1 reorder", "order: second first"),
    ("abort", "GetHyperCubeData nth=2 abort", "socket closed: 1006 "),
    ("abort in a frame", "GetHyperCubeData nth=2 abort at=middle", "socket closed: 1006 "),
    ("abort after", "GetHyperCubeData nth=2 abort at=after", "page 1: 2 rows"),
    (
        "upgrade",
        r#"upgrade every=2 refuse=503 headers={"Retry-After":"5"}"#,
        "upgrade refused: 503 retry-after 5",
    ),
];

const CHANCE: &str = "Get*|Evaluate probability=0.5 error=15";

/// Makes each fault in front of an engine and in a replay.
pub(super) async fn run(recordings: &Path, results: &Path) -> Outcome {
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let upstream = engine.base_url();
    for (name, rule, expected) in CASES {
        let scenario = match *name {
            "delay" => "reload",
            "upgrade" => "upgrade",
            _ => "plain",
        };
        let file = |what: &str| recordings.join(format!("faults-{}-{what}.qixrec", name.replace(' ', "-")));
        let (plain, broken) = (file("without"), file("with"));
        record(&upstream, &[], &plain, scenario, results).await?;
        let live = record(&upstream, &[rule], &broken, scenario, results).await?;
        let replayed = replay(&plain, &[rule], scenario, results).await?;
        say(rule);
        for line in &live {
            say(&format!("    {line}"));
        }
        if !live.iter().any(|line| line == expected) {
            return Err(format!("{rule}: the client should tell: {expected}").into());
        }
        same(rule, "live", &live, "in a replay", &replayed)?;
        if notes(&broken)?.is_empty() {
            return Err(format!("{rule}: the recording has no note of it").into());
        }
        // A recording shows what was said, and at which pace; that the network broke and not the engine it cannot show.
        if !matches!(*name, "delay" | "reorder") && !name.starts_with("abort") {
            let again = replay(&broken, &[], scenario, results).await?;
            same(rule, "live", &live, "in the replay of its recording", &again)?;
        }
    }
    let strikes = |number: usize, seed: &'static str| {
        let (file, upstream) = (recordings.join(format!("faults-seed-{number}.qixrec")), upstream.clone());
        async move {
            let seen = record(&upstream, &[CHANCE, seed], &file, "plain", results).await?;
            Outcome::Ok((notes(&file)?, seen))
        }
    };
    let (one, same_seed, other) = (strikes(1, "7").await?, strikes(2, "7").await?, strikes(3, "8").await?);
    same("seed 7", "of strikes", &one.0, "once more", &same_seed.0)?;
    same("seed 7", "of what it sees", &one.1, "once more", &same_seed.1)?;
    if one.0 == other.0 || one.0.is_empty() {
        return Err(format!("seed 7: {:?}, seed 8: {:?}", one.0, other.0).into());
    }
    engine.shutdown().await;
    say(&format!(
        "faults: {} kinds, each the same live and replayed; seed 7 struck {} times, twice the same; seed 8 otherwise",
        CASES.len(),
        one.0.len()
    ));
    Ok(())
}

/// Lets enigma.js work while it is recorded. A second rule is a seed.
async fn record(
    upstream: &str,
    rules: &[&str],
    file: &Path,
    scenario: &str,
    results: &Path,
) -> Outcome<Vec<String>> {
    let _ = std::fs::remove_file(file);
    let mut command = proxy::command("record");
    command.args(["--live", "never", "--upstream", upstream, "--out"]).arg(file);
    served(command, rules, scenario, results).await
}

async fn replay(file: &Path, rules: &[&str], scenario: &str, results: &Path) -> Outcome<Vec<String>> {
    let mut command = proxy::command("replay");
    command.arg(file);
    served(command, rules, scenario, results).await
}

async fn served(
    mut command: tokio::process::Command,
    rules: &[&str],
    scenario: &str,
    results: &Path,
) -> Outcome<Vec<String>> {
    if let Some(rule) = rules.first() {
        command.args(["--fault", rule, "--fault-seed", rules.get(1).unwrap_or(&"42")]);
    }
    let proxy = Proxy::start_quietly(command).await?;
    let seen = drive(&proxy.url("ws"), scenario, results).await;
    proxy.stop().await?;
    seen
}

async fn drive(url: &str, scenario: &str, results: &Path) -> Outcome<Vec<String>> {
    let file = results.join("faults.json");
    let mut command = tokio::process::Command::new("node");
    command.args(["faults.mjs", url, scenario]).arg(&file).current_dir(scripts()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{scenario}: hangs"))??;
    if !output.status.success() {
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("{scenario}: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

fn same(rule: &str, one: &str, seen: &[String], two: &str, other: &[String]) -> Outcome {
    if seen == other {
        return Ok(());
    }
    Err(format!(
        "{rule}: {one} the client tells\n  {}\nand {two}\n  {}",
        seen.join("\n  "),
        other.join("\n  ")
    )
    .into())
}

fn notes(file: &PathBuf) -> Outcome<Vec<String>> {
    let mut notes = Vec::new();
    for entry in RecordingReader::open(file)? {
        if let EntryKind::Note(text) = entry?.kind {
            notes.push(text);
        }
    }
    Ok(notes)
}
