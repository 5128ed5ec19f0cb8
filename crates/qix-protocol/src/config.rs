//! Limits of one connection.

use crate::{Lineages, delta::Baselines};

/// Limits of one [`Connection`](crate::Connection).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionConfig {
    /// The most calls in flight at once. Default 10,000.
    pub max_pending: usize,
    /// The most cancelled calls whose late answers are still told apart from unknown ones. Default 10,000; the oldest are
    /// forgotten first.
    pub max_cancelled: usize,
    /// The most open handles whose lineage is kept. Default 1,000,000; further ones work, but have none.
    pub max_handles: usize,
    /// About how many bytes the values may take that delta answers refer to. Default 256 MiB; beyond it, those that were
    /// answered longest ago are dropped, and the next delta answer to them is an error unless it starts anew.
    pub max_delta_bytes: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            max_pending: 10_000,
            max_cancelled: 10_000,
            max_handles: Lineages::MAX_HANDLES,
            max_delta_bytes: Baselines::DEFAULT_LIMIT,
        }
    }
}

impl ConnectionConfig {
    /// Sets [`max_pending`](Self::max_pending).
    pub fn max_pending(mut self, calls: usize) -> Self {
        self.max_pending = calls;
        self
    }

    /// Sets [`max_cancelled`](Self::max_cancelled).
    pub fn max_cancelled(mut self, calls: usize) -> Self {
        self.max_cancelled = calls;
        self
    }

    /// Sets [`max_delta_bytes`](Self::max_delta_bytes).
    pub fn max_delta_bytes(mut self, bytes: usize) -> Self {
        self.max_delta_bytes = bytes;
        self
    }

    /// Sets [`max_handles`](Self::max_handles).
    pub fn max_handles(mut self, handles: usize) -> Self {
        self.max_handles = handles;
        self
    }
}
