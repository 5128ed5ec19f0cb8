//! How a replay is to behave.

/// How a replay is to behave. What is not set is as for a recorded client that does the same again.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReplaySettings {
    pub(super) repeat: Repeat,
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

    /// Sets whether all recorded connections count as one, whose calls are taken in the order of their times.
    ///
    /// Default: `false`. Calls are then taken from the recorded connection that a client plays, and from others if that one has none.
    #[must_use]
    pub fn merge(mut self, merge: bool) -> Self {
        self.merge = merge;
        self
    }
}
