//! Reloads an app without saving it, with a progress bar; Ctrl-C cancels.
//!
//! ```console
//! $ cargo run --example reload
//! $ QIX_URL=ws://localhost:4848/app/engineData QIX_APP='C:\Users\me\Documents\Qlik\Sense\Apps\Sales.qvf' \
//!       cargo run --example reload
//! ```
//!
//! prints, besides the bar, which goes to standard error,
//!
//! ```text
//! Connected
//! Sales << sales 100 lines fetched
//! Reload done
//! done, 0 errors passed over
//! ```

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

use qix_client::{ErrorKind, ReloadProgress};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("reload").await?;
    let doc = session.global().open_doc(&support::app()).await?;

    let mut reload = doc.reload().start();
    loop {
        tokio::select! {
            progress = reload.next() => match progress {
                Some(progress) => show(&progress),
                None => break,
            },
            // The engine then ends the reload, and the loop with it.
            _ = tokio::signal::ctrl_c() => reload.cancel().await?,
        }
    }
    match reload.await {
        Ok(reloaded) => println!("done, {} errors passed over", reloaded.errors.len()),
        Err(error) if error.kind() == ErrorKind::ReloadCancelled => println!("cancelled"),
        // The script failed; what is wrong with it is data, too.
        Err(error) => match error.reload_failure() {
            Some(failure) => failure.errors.iter().for_each(|wrong| println!("failed: {wrong}")),
            None => return Err(error.into()),
        },
    }
    support::finish(session).await
}

fn show(progress: &ReloadProgress) {
    // The log of the script stays, the bar is written over.
    for message in progress.messages() {
        println!("{message}");
    }
    let done = (progress.fraction().unwrap_or_default() * 20.0) as usize;
    let now = progress.transient().map(|message| message.to_string()).unwrap_or_default();
    eprint!("\r{}{} {now:<40}\r", "█".repeat(done), "░".repeat(20 - done));
}
