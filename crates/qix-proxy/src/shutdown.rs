//! When the process is asked to stop.

use std::io;

/// Returns a future that is done at the next Ctrl-C or SIGTERM.
///
/// From this call on, the first such signal no longer ends the process by itself.
///
/// # Errors
///
/// What the system says if it does not let signals be caught.
#[cfg(unix)]
pub(crate) fn requested() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns a future that is done at the next Ctrl-C.
///
/// # Errors
///
/// What the system says if it does not let signals be caught.
#[cfg(not(unix))]
pub(crate) fn requested() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
