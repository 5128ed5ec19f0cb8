//! Every text frame that crossed the wire, byte for byte.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Which way a frame went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the engine.
    Received,
    /// From the engine to the client.
    Sent,
}

/// One text frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// Number of the connection, from 1 in the order of their upgrades.
    pub connection: u64,
    /// Which way it went.
    pub direction: Direction,
    /// The text as it stood in the message.
    pub text: Utf8Bytes,
}

/// A request as a client has sent it.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Number of the connection, as in [`LogEntry`].
    pub connection: u64,
    /// The id as it came; null if it had none.
    pub id: Value,
    /// The handle.
    pub handle: i64,
    /// The method, without its class.
    pub method: String,
    /// The parameters as they came; null if it had none.
    pub params: Value,
    /// Whether a delta answer was asked for.
    pub delta: bool,
}

impl LogEntry {
    /// Reads a frame as the request that it is, if it is one.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        if self.direction == Direction::Sent {
            return None;
        }
        let mut frame: Value = serde_json::from_str(&self.text).ok()?;
        Some(Request {
            connection: self.connection,
            id: frame["id"].take(),
            handle: frame["handle"].as_i64()?,
            method: frame["method"].as_str()?.to_owned(),
            params: frame["params"].take(),
            delta: frame["delta"] == true,
        })
    }
}

/// An upgrade that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// Number of the connection, as in [`LogEntry`].
    pub connection: u64,
    /// Path and query as they came.
    pub target: String,
    /// Header names as they came, and values.
    pub headers: Vec<(String, String)>,
}

/// A request of HTTP that the front has answered, be it an upgrade or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The method, as it came.
    pub method: String,
    /// The target of the request line, as it came.
    pub target: String,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// Status of the answer.
    pub status: u16,
}

#[derive(Debug, Default)]
struct Inner {
    exchanges: Vec<Exchange>,
    entries: Vec<LogEntry>,
    upgrades: Vec<Upgrade>,
    bytes: usize,
    dropped: u64,
}

// A load test opens many connections; the headers of the first ones are kept only.
const MAX_UPGRADES: usize = 10_000;
const MAX_EXCHANGES: usize = 10_000;

/// The log of one engine. It keeps up to its limit and counts what comes later.
#[derive(Debug)]
pub(crate) struct Log {
    limit: usize,
    inner: Mutex<Inner>,
}

impl Log {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, inner: Mutex::default() }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn frame(&self, connection: u64, direction: Direction, text: &Utf8Bytes) {
        if self.limit == 0 {
            return;
        }
        self.with(|inner| {
            if inner.bytes + text.len() > self.limit {
                inner.dropped += 1;
                return;
            }
            inner.bytes += text.len();
            inner.entries.push(LogEntry { connection, direction, text: text.clone() });
        });
    }

    pub(crate) fn upgrade(&self, upgrade: Upgrade) {
        self.with(|inner| {
            if inner.upgrades.len() < MAX_UPGRADES {
                inner.upgrades.push(upgrade);
            }
        });
    }

    pub(crate) fn exchange(&self, exchange: Exchange) {
        self.with(|inner| {
            if inner.exchanges.len() < MAX_EXCHANGES {
                inner.exchanges.push(exchange);
            }
        });
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.with(|inner| inner.exchanges.clone())
    }

    pub(crate) fn entries(&self) -> Vec<LogEntry> {
        self.with(|inner| inner.entries.clone())
    }

    pub(crate) fn upgrades(&self) -> Vec<Upgrade> {
        self.with(|inner| inner.upgrades.clone())
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.with(|inner| inner.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded() {
        let log = Log::new(5);
        for text in ["abc", "defg", "hi"] {
            log.frame(1, Direction::Sent, &text.into());
        }
        assert_eq!(log.entries().len(), 2);
        assert_eq!(log.dropped(), 1);
    }
}
