//! How a replay is to behave.

use super::{Greeting, Upstream};
use crate::faults::FaultRules;

/// How a replay is to behave. What is not set is as for a recorded client that does the same again.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplaySettings {
    pub(super) repeat: Repeat,
    pub(super) on_miss: OnMiss,
    pub(super) greeting: Greeting,
    pub(super) speed: Option<f64>,
    pub(super) merge: bool,
    pub(super) faults: Option<FaultRules>,
}

/// What a request gets that is made more often than it was recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Repeat {
    /// The last recorded answer again.
    #[default]
    Sticky,
    /// No answer: it is a miss.
    Once,
    /// The recorded answers from the first one on.
    Cycle,
}

/// What happens to a request that is not in the recording.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum OnMiss {
    /// It gets an error with the code [`Miss::CODE`](super::Miss::CODE), and the conversation goes on.
    #[default]
    Error,
    /// It gets that error, and then the connection is closed with 4202, "bad request": a code that no client takes for its own
    /// doing, as it would 1000 and 4000, and after which none connects again by itself, as it would after 4003, 4004 and 4007.
    Close,
    /// An engine is asked.
    Upstream(Upstream),
}

impl ReplaySettings {
    /// Sets what happens to a request that is not in the recording. Default: [`OnMiss::Error`].
    #[must_use]
    pub fn on_miss(mut self, what: OnMiss) -> Self {
        self.on_miss = what;
        self
    }

    /// Sets what a request gets that is made more often than it was recorded. Default: the last answer again.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// Sets what a new socket hears first. Default: what the recorded client heard.
    #[must_use]
    pub fn greeting(mut self, greeting: Greeting) -> Self {
        self.greeting = greeting;
        self
    }

    /// Sets the pace: 1 is as recorded, 4 four times as fast. Answers may then overtake each other as they did. Default, and for
    /// what is no positive number: as fast as possible.
    #[must_use]
    pub fn speed(mut self, factor: f64) -> Self {
        self.speed = Some(factor).filter(|factor| factor.is_finite() && *factor > 0.0);
        self
    }

    /// Makes faults by these rules; what they answer counts neither as answered nor as missing. Default: none.
    #[must_use]
    pub fn faults(mut self, rules: FaultRules) -> Self {
        self.faults = Some(rules);
        self
    }

    /// Treats all recorded connections as those of one session, in recorded order. Default: each session apart.
    #[must_use]
    pub fn merge(mut self, merge: bool) -> Self {
        self.merge = merge;
        self
    }
}
