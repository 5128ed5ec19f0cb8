//! Tells systemd how the process is, if systemd has started it.

#[cfg(unix)]
pub(crate) use unix::{keep_alive, ready, stopping};

#[cfg(unix)]
mod unix {
    use std::time::Duration;

    use sd_notify::NotifyState;
    use tokio::time::{MissedTickBehavior, interval};

    /// Says that clients can connect, and what is going on.
    pub(crate) fn ready(status: &str) {
        notify(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Says that the process is about to end.
    pub(crate) fn stopping() {
        notify(&[NotifyState::Stopping, NotifyState::Status("giving open connections time to end")]);
    }

    /// Says that the process is alive for as long as the runtime turns, as often as systemd wants; never done.
    pub(crate) async fn keep_alive() {
        let Some(limit) = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero()) else {
            return std::future::pending().await;
        };
        // Half of it, as sd_watchdog_enabled(3) advises.
        let mut ticks = interval((limit / 2).max(Duration::from_millis(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            notify(&[NotifyState::Watchdog]);
        }
    }

    fn notify(states: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(states) {
            tracing::warn!("cannot tell systemd how this is: {error}");
        }
    }
}

#[cfg(not(unix))]
pub(crate) fn ready(_: &str) {}

#[cfg(not(unix))]
pub(crate) fn stopping() {}

#[cfg(not(unix))]
pub(crate) async fn keep_alive() {
    std::future::pending().await
}
