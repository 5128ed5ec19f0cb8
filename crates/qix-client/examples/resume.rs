//! Goes on after its socket has ended: objects that the program holds are made again in a new session.
//!
//! ```console
//! $ cargo run --example resume
//! ```
//!
//! prints
//!
//! ```text
//! 4 regions, session open
//! suspended: Evaluate: the session is suspended
//! session created: 0 objects kept, 2 rebuilt, 0 lost
//! 4 regions, session open
//! ```
//!
//! It suspends and resumes by hand. With `ResumePolicy::automatic()` in place of `by_hand()`, a session resumes by itself
//! when the socket ends, with pauses in between, unless the close code says that it would be in vain.

#![expect(clippy::print_stdout, reason = "an example prints")]

#[path = "support/mod.rs"]
mod support;

use std::error::Error;

use futures_util::TryStreamExt as _;
use qix_client::{
    ResumePolicy, Session, SessionConfig, State,
    data::{CubeDef, Dimension, HyperCube, Measure},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = SessionConfig::default().resume(ResumePolicy::by_hand());
    let session = Session::connect_with(&support::connector("resume")?, config).await?;
    let app = session.open_app(support::app()).await?;
    let region = Dimension::field("Region");
    let sales = Measure::expression("Sum(Sales)");
    let cube = app.hypercube(CubeDef::new().dimension(region).measure(sales).initial_rows(20)).await?;
    let mut changes = cube.object().changes();
    changes.next().await;
    println!("{} regions, session {}", regions(&cube).await?, name(&session));

    session.suspend().await?;
    if let Err(error) = app.evaluate("Sum(Sales)").await {
        println!("suspended: {error}");
    }

    let report = session.resume().await?;
    println!(
        "session {}: {} objects kept, {} rebuilt, {} lost",
        if report.attached { "attached" } else { "created" },
        report.kept.len(),
        report.rebuilt.len(),
        report.lost.len()
    );
    // Objects that came back are the same to the program, and say that they have changed.
    changes.next().await;
    println!("{} regions, session {}", regions(&cube).await?, name(&session));
    drop((changes, cube, app));
    support::finish(session).await
}

/// Counts the rows of the cube.
async fn regions(cube: &HyperCube) -> Result<usize, qix_client::Error> {
    Ok(cube.rows::<(String, f64)>().try_collect::<Vec<_>>().await?.len())
}

/// Returns what the session is doing, in a word.
fn name(session: &Session) -> &'static str {
    match session.state() {
        State::Connecting => "connecting",
        State::Open { .. } => "open",
        State::Suspended { .. } => "suspended",
        State::Resuming { .. } => "resuming",
        State::Closed(_) => "closed",
        _ => "in a state of its own",
    }
}
