//! What a rule does.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::pattern::Pattern;

/// What a rule does to a call, or to an upgrade.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct What {
    /// What becomes of the answer.
    pub(super) fate: Option<Fate>,
    /// How long the answer, and what comes with it, waits: at least, and at most.
    pub(super) delay: Option<(Duration, Duration)>,
    /// A notification.
    pub(super) notify: Option<Notification>,
    /// Open objects that are said to have changed.
    pub(super) change: Option<Pattern>,
    /// Open objects that are said to be suspended.
    pub(super) suspend: Option<Pattern>,
    /// How the connection ends.
    pub(super) end: Option<EndWith>,
    /// When the end, or what is pushed, happens.
    pub(super) at: At,
    /// How an upgrade is refused.
    pub(super) refuse: Option<Refusal>,
}

/// What becomes of an answer. Two fates cannot both come true.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Fate {
    /// It is an error, and the engine is not asked.
    Error { code: i32, message: String, parameter: String },
    /// The engine does what it was asked, and its answer is not said.
    DropAnswer,
    /// The engine is not asked, and there is no answer.
    DropRequest,
    /// It is said so many times more.
    Duplicate(u32),
    /// It ends early.
    Truncate(Cut),
    /// It comes after so many of the answers behind it.
    Reorder(u32),
}

/// Where a text ends early.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Cut {
    /// After so many bytes.
    Bytes(usize),
    /// After this share of it, between 0 and 1.
    Share(f64),
}

/// How a connection ends.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum EndWith {
    /// With a close frame; without a reason it gets that of its kind.
    Close { code: u16, reason: Option<String> },
    /// With a reset of the TCP connection.
    Abort,
}

/// When something happens, seen from the answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum At {
    /// In place of it, and the engine is not asked.
    Instead,
    /// When it is there and has not been said.
    Before,
    /// In the middle of its frame.
    Middle,
    /// Once it was said.
    After,
}

/// Something the engine says unasked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Notification {
    pub(super) method: String,
    /// JSON.
    pub(super) params: String,
}

/// How an upgrade is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Fate {
    /// Returns whether the engine is asked.
    pub(super) fn asks(&self) -> bool {
        !matches!(self, Self::Error { .. } | Self::DropRequest)
    }
}

impl What {
    /// Says in a few words what it does.
    pub(super) fn in_words(&self) -> String {
        let mut words = Vec::new();
        match &self.fate {
            Some(Fate::Error { code, .. }) => words.push(format!("answered with error {code}")),
            Some(Fate::DropAnswer) => words.push("its answer dropped".to_owned()),
            Some(Fate::DropRequest) => words.push("not passed on".to_owned()),
            Some(Fate::Duplicate(more)) => words.push(format!("answered {} times", more + 1)),
            Some(Fate::Truncate(_)) => words.push("its answer cut short".to_owned()),
            Some(Fate::Reorder(others)) => words.push(format!("answered after {others} later ones")),
            None => {}
        }
        if let Some(notification) = &self.notify {
            words.push(format!("{} pushed", notification.method));
        }
        if self.change.is_some() || self.suspend.is_some() {
            words.push("objects listed".to_owned());
        }
        let when = match self.at {
            At::Instead => "in place of the answer",
            At::Before => "before the answer",
            At::Middle => "in the middle of the answer",
            At::After => "after the answer",
        };
        match &self.end {
            Some(EndWith::Close { code, .. }) => words.push(format!("closed with {code} {when}")),
            Some(EndWith::Abort) => words.push(format!("reset {when}")),
            None => {}
        }
        words.join(", ")
    }
}
