//! Walks the way to an engine step by step, and says where it ends and what to do about it.

mod connecting;
mod conversation;
mod report;

use std::{sync::Mutex, time::Duration};

use qix_transport::{CloseCode, SocketExt, WsConnect};

use self::connecting::Walk;
pub use self::report::{Report, Step, Verdict};

/// Connects once, hears the greeting, asks for the engine's version, says goodbye, and reports each step; `tell` hears of a
/// step as soon as it is over.
///
/// `answers` is how long the engine may take for its greeting and its answer together. The report holds no secret.
///
/// ```no_run
/// use std::time::Duration;
///
/// use qix_proxy::doctor;
/// use qix_transport::{Endpoint, WsConnect};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let connect = WsConnect::builder(Endpoint::parse("ws://localhost:4848/app/")?).build()?;
/// let report = doctor::examine(&connect, Duration::from_secs(30), &|step| println!("{step}")).await;
/// assert!(report.passed());
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping the future drops the connection; the steps told so far are true.
pub async fn examine(connect: &WsConnect, answers: Duration, tell: &(dyn Fn(&Step) + Sync)) -> Report {
    let walk = Mutex::new(Walk::new(connect.endpoint(), tell));
    let watch = |progress| Walk::of(&walk).progress(progress);
    match connect.connect_watched(&watch).await {
        Err(error) => Walk::of(&walk).failed(&error),
        Ok(mut socket) => {
            conversation::hold(&mut socket, answers, &walk).await;
            socket.close(CloseCode::NORMAL, "").await;
        }
    }
    walk.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).into_report()
}
