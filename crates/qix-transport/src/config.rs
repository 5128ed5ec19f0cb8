//! Limits and deadlines of a socket.

use std::time::Duration;

/// Limits and deadlines, with defaults fit for QIX.
///
/// ```
/// use std::time::Duration;
///
/// use qix_transport::Limits;
///
/// let limits = Limits::default().max_message(16 << 20).connect_timeout(Duration::from_secs(5));
/// assert_eq!(limits.close_timeout, Duration::from_secs(5));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message taken in either direction, in bytes, fragments joined; a single frame has the same limit.
    /// A larger one from the peer ends the socket with code 1009.
    ///
    /// Default: 256 MiB. Layouts, scripts and tables of tens of MB are normal in QIX.
    pub max_message: usize,
    /// How much is read from the connection at once, in bytes; allocated per socket while it is used, see
    /// [`rest_after`](Self::rest_after).
    ///
    /// The WebSocket library clears this many bytes before every read, so that more is not better: 128 KiB cost about a
    /// microsecond a message and 130 KiB a session. Less than 4 KiB means more system calls for large messages.
    ///
    /// Default: 16 KiB.
    pub read_buffer: usize,
    /// How many bytes of sent messages are collected before they are written without waiting for a flush.
    ///
    /// A burst of sends that fits leaves in one write.
    ///
    /// Default: 128 KiB. Memory is only taken as it fills.
    pub write_buffer: usize,
    /// How long connecting may take in all: name, TCP, tunnel, TLS and upgrade. The deadlines of single stages lie within it.
    ///
    /// Default: 30 seconds.
    pub connect_timeout: Duration,
    /// How long looking up the host name may take.
    ///
    /// The system's look-up cannot be stopped: its thread goes on for as long as the system wants, and a tokio runtime that is
    /// dropped waits for it. `Runtime::shutdown_background` does not.
    ///
    /// Default: 10 seconds.
    pub resolve_timeout: Duration,
    /// How long opening the TCP connection may take, all addresses of the host together.
    ///
    /// Default: 15 seconds.
    pub tcp_timeout: Duration,
    /// How long a proxy may take to open a tunnel.
    ///
    /// Default: 20 seconds. The proxy resolves and connects in this time, and does not always do so quickly.
    pub tunnel_timeout: Duration,
    /// How long the TLS handshake may take.
    ///
    /// Default: 15 seconds.
    pub tls_timeout: Duration,
    /// How long the answer to the upgrade may take.
    ///
    /// Default: 30 seconds, because a gateway may answer only when it has found an engine for the app.
    pub upgrade_timeout: Duration,
    /// After how much silence TCP asks whether the peer is still there; none for never.
    ///
    /// An engine may be silent for hours, and a peer that vanished should not go unnoticed for ever. Such probes are no
    /// WebSocket pings: nothing above TCP sees them. They are repeated every 15 seconds, and the operating system decides
    /// after how many without an answer the connection is broken (Linux: 9). Less than a second counts as one, more than nine
    /// hours as 32,767 seconds, which are the bounds of Linux.
    ///
    /// Default: 45 seconds, below the minute after which many load balancers and firewalls forget a silent connection.
    pub keep_alive: Option<Duration>,
    /// After how much silence a socket that waits for messages gives its buffers back, whatever messages they have held. An
    /// [`idle`](crate::WsSocket::idle) one does so at once.
    ///
    /// They are made anew when something comes or goes.
    ///
    /// Default: 1 second.
    pub rest_after: Duration,
    /// How long to wait for the peer's close frame after ours.
    ///
    /// Default: 5 seconds.
    pub close_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: 256 << 20,
            read_buffer: 16 << 10,
            write_buffer: 128 << 10,
            connect_timeout: Duration::from_secs(30),
            resolve_timeout: Duration::from_secs(10),
            tcp_timeout: Duration::from_secs(15),
            tunnel_timeout: Duration::from_secs(20),
            tls_timeout: Duration::from_secs(15),
            upgrade_timeout: Duration::from_secs(30),
            keep_alive: Some(Duration::from_secs(45)),
            rest_after: Duration::from_secs(1),
            close_timeout: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets [`max_message`](Self::max_message), in bytes.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets [`read_buffer`](Self::read_buffer), in bytes.
    #[must_use]
    pub fn read_buffer(mut self, bytes: usize) -> Self {
        self.read_buffer = bytes;
        self
    }

    /// Sets [`write_buffer`](Self::write_buffer), in bytes.
    #[must_use]
    pub fn write_buffer(mut self, bytes: usize) -> Self {
        self.write_buffer = bytes;
        self
    }

    /// Sets [`connect_timeout`](Self::connect_timeout).
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets [`resolve_timeout`](Self::resolve_timeout).
    #[must_use]
    pub fn resolve_timeout(mut self, limit: Duration) -> Self {
        self.resolve_timeout = limit;
        self
    }

    /// Sets [`tcp_timeout`](Self::tcp_timeout).
    #[must_use]
    pub fn tcp_timeout(mut self, limit: Duration) -> Self {
        self.tcp_timeout = limit;
        self
    }

    /// Sets [`tunnel_timeout`](Self::tunnel_timeout).
    #[must_use]
    pub fn tunnel_timeout(mut self, limit: Duration) -> Self {
        self.tunnel_timeout = limit;
        self
    }

    /// Sets [`tls_timeout`](Self::tls_timeout).
    #[must_use]
    pub fn tls_timeout(mut self, limit: Duration) -> Self {
        self.tls_timeout = limit;
        self
    }

    /// Sets [`upgrade_timeout`](Self::upgrade_timeout).
    #[must_use]
    pub fn upgrade_timeout(mut self, limit: Duration) -> Self {
        self.upgrade_timeout = limit;
        self
    }

    /// Sets [`keep_alive`](Self::keep_alive).
    #[must_use]
    pub fn keep_alive(mut self, silence: Option<Duration>) -> Self {
        self.keep_alive = silence;
        self
    }

    /// Sets [`rest_after`](Self::rest_after).
    #[must_use]
    pub fn rest_after(mut self, silence: Duration) -> Self {
        self.rest_after = silence;
        self
    }

    /// Sets [`close_timeout`](Self::close_timeout).
    #[must_use]
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }
}
