//! Has many sessions at once, and no more than two that connect and open the app at a time.
//!
//! ```console
//! $ cargo run --example many_sessions
//! ```
//!
//! prints
//!
//! ```text
//! Region: 4 rows
//! Product: 6 rows
//! Year: 3 rows
//! 3 sessions
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use qix_client::{
    Session, SessionConfig,
    data::{CubeDef, Dimension, Measure},
};

/// How many sessions may be on their way at once: opening an app is work for the engine.
const AT_ONCE: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Sockets of one user to one path may share a session of the engine, selections included. A path that ends with
    // `/identity/NAME`, another for each, keeps them apart.
    let connector = support::connector("many_sessions")?;
    let read = |field: &'static str| {
        let connector = &connector;
        async move {
            let config = SessionConfig::default().max_pending(16);
            let session = Session::connect_with(connector, config).await?;
            let app = session.global().open_doc(&support::app()).await?;
            let sales = Measure::expression("Sum(Sales)");
            let cube =
                app.hypercube(CubeDef::new().dimension(Dimension::field(field)).measure(sales)).await?;
            let rows: Vec<(String, f64)> = cube.rows().try_collect().await?;
            Ok::<_, qix_client::Error>((field, rows.len(), session))
        }
    };
    let read: Vec<_> =
        stream::iter(["Region", "Product", "Year"]).map(read).buffered(AT_ONCE).try_collect().await?;

    for (field, rows, _) in &read {
        println!("{field}: {rows} rows");
    }
    println!("{} sessions", read.len());
    let mut sessions: Vec<Session> = read.into_iter().map(|(_, _, session)| session).collect();
    let last = sessions.pop().ok_or("no session")?;
    for session in sessions {
        session.close().await;
    }
    support::finish(last).await
}
