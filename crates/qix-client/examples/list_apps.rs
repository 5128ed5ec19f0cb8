//! Lists the apps of an engine.
//!
//! ```console
//! $ cargo run --example list_apps
//! ```
//!
//! prints
//!
//! ```text
//! Empty                Empty.qvf            reloaded 2026-01-15T08:00:00.000Z
//! Sales                Sales.qvf            reloaded 2026-01-15T08:00:00.000Z
//! 2 apps
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let session = support::session("list_apps").await?;

    let mut apps = session.global().get_doc_list().await?;
    apps.sort_by(|a, b| a.title.cmp(&b.title));
    for app in &apps {
        println!("{:<20} {:<20} reloaded {}", app.title, app.doc_id, app.last_reload_time);
    }
    println!("{} apps", apps.len());
    support::finish(session).await
}
