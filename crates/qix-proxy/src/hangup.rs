//! What SIGHUP means: the next file, or the end if the terminal is gone.

use std::io;

use crate::record::Recorder;

/// Begins the recorder's next file at each SIGHUP. Done when the terminal that the process was started on is gone, which the same
/// signal says: a recorder that nobody can stop any more must not go on.
///
/// From this call on, the signal no longer ends the process by itself.
///
/// # Errors
///
/// What the system says if it does not let signals be caught.
#[cfg(unix)]
pub(crate) fn rotating(recorder: Recorder) -> io::Result<impl Future<Output = ()>> {
    use std::io::IsTerminal;

    use tokio::signal::unix::{SignalKind, signal};

    let mut hangup = signal(SignalKind::hangup())?;
    let had_terminal = io::stdout().is_terminal();
    Ok(async move {
        while hangup.recv().await.is_some() {
            if had_terminal && !io::stdout().is_terminal() {
                return;
            }
            tracing::info!("SIGHUP: recording goes on in a new file");
            recorder.rotate();
        }
        std::future::pending().await
    })
}

/// Never done: there is no such signal.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub(crate) fn rotating(_: Recorder) -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}
