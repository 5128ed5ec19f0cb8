//! What to do about a code, and how that is known.

/// What to do about a code, and how that is known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Judgement {
    /// What to do.
    pub advice: Advice,
    /// Who says so.
    pub source: Source,
    /// What was seen or read, and what to do besides; empty if nothing is known.
    pub reason: &'static str,
}

/// What to do about a code. Whether something *may* be done again without harm is for the caller to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Advice {
    /// Make the same call again, on the same socket, a few times at most.
    Retry,
    /// Make the same call again after a pause that grows.
    RetryLater,
    /// Connect again at once.
    Reconnect,
    /// Connect again after a pause, or when the user is back.
    ReconnectLater,
    /// Do not repeat by yourself: the same attempt fails until something else changes.
    Final,
}

/// Who says what to do about a code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// Qlik's documentation, or the document of the engine's schema.
    Official,
    /// What clients in the field do; the reason names them.
    Client,
    /// What the code means; no client was seen to act on it.
    Inferred,
    /// Nobody: the code is unknown, or nothing is known of it but its name.
    Nobody,
}

impl Judgement {
    pub(super) const fn new(advice: Advice, source: Source, reason: &'static str) -> Self {
        Self { advice, source, reason }
    }

    /// What is said of codes of which nothing is known: doing nothing does no harm.
    pub(super) const NONE: Self = Self::new(Advice::Final, Source::Nobody, "");
}
