//! Handles: the engine's names for open objects.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The engine's name for one open object, within one socket; valid until the engine lists it as closed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Handle(i32);

impl Handle {
    /// The object that is always open and never closes.
    pub const GLOBAL: Self = Self(-1);

    /// Wraps a number.
    pub const fn new(handle: i32) -> Self {
        Self(handle)
    }

    /// Returns the number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
