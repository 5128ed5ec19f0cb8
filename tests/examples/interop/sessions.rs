//! What a replay must know of a session beside its calls: its selections, and that it may be resumed.

use std::path::Path;

use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::time::timeout;

use super::{
    LIMIT, Outcome, Values, compare,
    proxy::{self, Proxy},
    say, scripts,
};

/// Records enigma.js doing one thing, and replays it doing others.
pub(super) async fn run(recordings: &Path, results: &Path) -> Outcome {
    for (recorded, replayed) in
        [("states=1,2", &["states=1,2", "states=2,1"][..]), ("plain", &["plain", "attached", "created"])]
    {
        let file = recordings.join(format!("sessions-{}.qixrec", recorded.replace(['=', ','], "-")));
        let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
        let mut command = proxy::command("record");
        command.args(["--live", "never", "--upstream", &engine.base_url(), "--out"]).arg(&file);
        let proxy = Proxy::start_quietly(command).await?;
        let expected = drive(&proxy.url("ws"), recorded, results).await?;
        proxy.stop().await?;
        engine.shutdown().await;
        for what in replayed {
            let mut command = proxy::command("replay");
            command.arg(&file);
            let proxy = Proxy::start_quietly(command).await?;
            let seen = drive(&proxy.url("ws"), what, results).await?;
            // Of a session that was created anew, a client asks for an object that only the old one had.
            if *what == "created" {
                proxy.end().await?;
            } else {
                proxy.stop().await?;
            }
            if compare(recorded, &expected, what, &seen) > 0 {
                return Err(format!("a recording of {recorded} does not serve {what}").into());
            }
            say(&format!("enigma.js, recorded with {recorded}, replayed with {what}: equal"));
        }
    }
    Ok(())
}

async fn drive(url: &str, what: &str, results: &Path) -> Outcome<Values> {
    let file = results.join("sessions.json");
    let mut command = tokio::process::Command::new("node");
    command.args(["sessions.mjs", url, what]).arg(&file).current_dir(scripts()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output()).await.map_err(|_| format!("{what}: hangs"))??;
    if !output.status.success() {
        say(&String::from_utf8_lossy(&output.stderr));
        return Err(format!("{what}: {}", output.status).into());
    }
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}
