//! Makes the recording that `qix-proxy demo` embeds: `cargo xtask demo-recording`.

use std::{path::Path, process::ExitCode};

use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};
use qix_proxy::{Proxy, demo};
use qix_tests::fake_engine::{FakeEngine, FakeEngineConfig};
use tokio::sync::oneshot;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/qix-proxy/assets").canonicalize()?;
    let fresh = tempfile::Builder::new().prefix("demo").tempdir_in(&folder)?;
    let file = fresh.path().join("demo.qixrec");
    let engine = FakeEngine::start(FakeEngineConfig::default()).await?;
    let config =
        Proxy::builder(&file).upstream(Endpoint::parse(&engine.base_url())?).listen(([127, 0, 0, 1], 0));
    let proxy = config.bind().await?;
    let address = proxy.local_addr();
    let (stop, stopped) = oneshot::channel::<()>();
    let recorder = tokio::spawn(proxy.run(async {
        // A sender that is gone stops the recorder too.
        let _ = stopped.await;
    }));
    let connector = WsConnect::builder(Endpoint::parse(&format!("ws://{address}/app/Sales.qvf"))?).build()?;
    let answers = demo::play(Session::connect(&connector).await?, |line| {
        say(&line);
        Ok(())
    })
    .await?;
    // The recorder is there until it is told to stop.
    let _ = stop.send(());
    let sealed = recorder.await?;
    if let Some(fault) = sealed.fault {
        return Err(fault.into());
    }
    engine.shutdown().await;
    let target = folder.join("demo.qixrec");
    std::fs::rename(&file, &target)?;
    say(&format!("{} answers in {}", answers.len(), target.display()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "a developer reads it")]
fn say(line: &str) {
    println!("{line}");
}
