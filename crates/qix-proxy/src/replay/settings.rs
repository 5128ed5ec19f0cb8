//! How a replay is to behave.

/// How a replay is to behave. What is not set is as for a recorded client that does the same again.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplaySettings {
    pub(super) repeat: Repeat,
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
}
