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
    /// How much is read from the connection at once, in bytes; allocated per socket for as long as it lives.
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
    /// How long connecting may take in all: name, TCP, TLS and upgrade.
    ///
    /// Default: 30 seconds.
    pub connect_timeout: Duration,
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

    /// Sets [`close_timeout`](Self::close_timeout).
    #[must_use]
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }
}
