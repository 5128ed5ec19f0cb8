//! Breaking a TCP connection as a network does.

use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::net::TcpStream;

/// Another hold on a client's TCP connection, by which it can be reset below TLS and whatever else lies on it.
#[derive(Debug)]
pub(crate) struct Reset(Socket);

impl Reset {
    /// How long what was written is given to leave before a reset, which the system would throw away otherwise.
    pub(crate) const SETTLE: Duration = Duration::from_millis(20);

    /// Takes hold of a connection; `None` if the system has no more descriptors.
    pub(crate) fn of(stream: &TcpStream) -> Option<Self> {
        SockRef::from(stream).try_clone().ok().map(Self)
    }

    /// Makes a reset of the end of the connection, which is when the stream is dropped.
    pub(crate) fn arm(&self) {
        if let Err(error) = self.0.set_linger(Some(Duration::ZERO)) {
            tracing::warn!("a connection ends in order that was to be reset: {error}");
        }
    }
}
