//! Request ids and where they come from.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::{Deserialize, Serialize};

/// Pairs a response with its request, within one socket.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RequestId(u64);

impl RequestId {
    /// Wraps a number.
    pub const fn new(id: u64) -> Self {
        Self(id)
    }

    /// Returns the number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Hands out request ids: 1, 2, 3 … Clones share one counter.
///
/// The first is 1 because several clients take 0 for "no id" (enigma-go decodes a missing id as 0, qsocks tests for truth).
/// A counter that hands out a billion ids a second stays below 2^53, JavaScript's limit, for a hundred days.
#[derive(Clone, Debug)]
pub struct RequestIds(Arc<AtomicU64>);

impl RequestIds {
    /// Starts a counter at 1.
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    /// Returns an id that was never returned before.
    pub fn reserve(&self) -> RequestId {
        RequestId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

impl Default for RequestIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_start_at_one_and_clones_share_the_counter() {
        let ids = RequestIds::new();
        let other = ids.clone();
        assert_eq!([ids.reserve(), other.reserve(), ids.reserve()].map(RequestId::get), [1, 2, 3]);
    }
}
