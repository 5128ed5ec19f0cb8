//! When connecting must be done.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::{ConnectError, Limits, Stage, dial::Target};

/// How long stands for ever: what tokio takes for a limit too long for its clock.
const EVER: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);

/// When connecting must be done, stage by stage and in all, and what to say if it is not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    /// The limit that ends at `at`.
    limit: Duration,
    limits: Limits,
}

impl Deadline {
    /// Starts the time of a whole attempt.
    pub(crate) fn new(limits: Limits) -> Self {
        let limit = limits.connect_timeout;
        Self { at: after(limit), limit, limits }
    }

    pub(crate) fn at(self) -> Instant {
        self.at
    }

    /// Starts the time of one stage, which ends no later than that of the whole.
    pub(crate) fn of(self, stage: Stage) -> Self {
        let limit = match stage {
            // Asking for credentials is a connection of its own, whose stages have limits of their own.
            Stage::Auth => return self,
            Stage::Resolve => self.limits.resolve_timeout,
            Stage::Tcp => self.limits.tcp_timeout,
            Stage::Tunnel => self.limits.tunnel_timeout,
            Stage::Tls => self.limits.tls_timeout,
            Stage::Upgrade => self.limits.upgrade_timeout,
        };
        let at = after(limit);
        if at < self.at { Self { at, limit, ..self } } else { self }
    }

    /// Waits for a stage, from now until its deadline.
    pub(crate) async fn bound<'a, F: Future>(
        self,
        peer: impl Into<Target<'a>>,
        stage: Stage,
        future: F,
    ) -> Result<F::Output, ConnectError> {
        let this = self.of(stage);
        let peer = peer.into();
        timeout_at(this.at, future).await.map_err(|_| ConnectError::Timeout {
            peer: peer.to_string().into(),
            stage,
            limit: this.limit,
        })
    }
}

fn after(limit: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(limit).unwrap_or_else(|| now + EVER)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;
    use crate::Endpoint;

    async fn timed_out(limits: Limits, stage: Stage) -> (u64, u64) {
        let endpoint = Endpoint::parse("ws://engine:9076").unwrap();
        let start = Instant::now();
        let error = Deadline::new(limits).bound(&endpoint, stage, pending::<()>()).await.unwrap_err();
        let ConnectError::Timeout { peer, stage: found, limit } = &error else { panic!("{error:?}") };
        assert_eq!((&**peer, *found), ("engine:9076", stage));
        assert!(error.hint().is_some());
        (start.elapsed().as_secs(), limit.as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn each_stage_has_a_deadline_of_its_own() {
        let of = Duration::from_secs;
        let limits = Limits::default()
            .resolve_timeout(of(1))
            .tcp_timeout(of(2))
            .tunnel_timeout(of(3))
            .tls_timeout(of(4))
            .upgrade_timeout(of(5));
        let stages = [Stage::Resolve, Stage::Tcp, Stage::Tunnel, Stage::Tls, Stage::Upgrade];
        for (stage, seconds) in stages.into_iter().zip(1..) {
            assert_eq!(timed_out(limits, stage).await, (seconds, seconds), "{stage}");
        }
        let limits = limits.connect_timeout(of(2));
        assert_eq!(timed_out(limits, Stage::Upgrade).await, (2, 2));
        assert_eq!(timed_out(limits, Stage::Resolve).await, (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn limit_too_long_for_the_clock_is_none() {
        let limits = Limits::default().connect_timeout(Duration::MAX).tcp_timeout(Duration::MAX);
        let deadline = Deadline::new(limits).of(Stage::Tcp);
        assert!(deadline.at() > Instant::now() + EVER / 2);
    }
}
