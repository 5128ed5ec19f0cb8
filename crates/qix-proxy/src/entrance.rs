//! How a client has come in.

use std::sync::Arc;

use crate::{faults::Reset, routes::Route};

/// What the way that a client has come in by says about its requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entrance {
    /// Whether the client speaks TLS, which makes our own origin one of https.
    pub(crate) secure: bool,
    /// The only upstream there is: that of a host which the recorder stands in for. Otherwise the path leads to one.
    pub(crate) upstream: Option<Arc<Route>>,
    /// Whether there is one request and no other, for the next may be for another host.
    pub(crate) single: bool,
    /// What resets the connection, if faults are made.
    pub(crate) reset: Option<Arc<Reset>>,
}
