//! How a replay is to behave.

use super::Greeting;

/// How a replay is to behave. What is not set is as for a recorded client that does the same again.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplaySettings {
    pub(super) repeat: Repeat,
    pub(super) greeting: Greeting,
    pub(super) speed: Option<f64>,
    pub(super) merge: bool,
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

impl ReplaySettings {
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

    /// Treats all recorded connections as those of one session, in recorded order. Default: each session apart.
    #[must_use]
    pub fn merge(mut self, merge: bool) -> Self {
        self.merge = merge;
        self
    }
}
