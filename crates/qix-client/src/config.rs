//! Settings of a session.

use tower::Layer;

use crate::layer::{CallService, Calls, Layers};

/// Settings of a [`Session`](crate::Session).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionConfig {
    /// The most calls in flight at once. Further calls wait for their turn. Default 10,000.
    pub max_pending: usize,
    /// How many calls may queue up in front of the task that owns the socket before callers wait. Default 1,024.
    pub queue: usize,
    /// Whether calls ask for delta answers if they do not say. Default false.
    pub delta: bool,
    pub(crate) layers: Layers,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { max_pending: 10_000, queue: 1024, delta: false, layers: Layers::default() }
    }
}

impl SessionConfig {
    /// Sets [`max_pending`](Self::max_pending); 0 counts as 1.
    pub fn max_pending(mut self, calls: usize) -> Self {
        self.max_pending = calls.max(1);
        self
    }

    /// Sets [`queue`](Self::queue); 0 counts as 1.
    pub fn queue(mut self, calls: usize) -> Self {
        self.queue = calls.max(1);
        self
    }

    /// Sets [`delta`](Self::delta).
    pub fn delta(mut self, delta: bool) -> Self {
        self.delta = delta;
        self
    }

    /// Adds a [layer](crate::layer) around all calls, inside of those that were added before it.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Calls, Service: CallService> + Send + Sync + 'static,
    {
        self.layers.add(layer);
        self
    }
}
