//! Plain HTTP, by path.

use std::time::Duration;

use http::StatusCode;
use qix_transport::printable;

use super::words::shown;
use crate::{
    filter::Facts,
    record::{Redaction, Seen},
};

/// The longest path that is kept, in characters.
const LONGEST_PATH: usize = 500;

/// An exchange of plain HTTP that has ended. Its texts are without secrets and fit for a terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exchange {
    /// When it ended, in microseconds since the recording began.
    pub(crate) t: u64,
    /// The request's method.
    pub(crate) method: String,
    /// The path of the request, without its query.
    pub(crate) path: String,
    /// What the client was answered; `None` if it left before.
    pub(crate) status: Option<u16>,
    /// From the head of the request to the end, in microseconds.
    pub(crate) latency: u64,
    /// The size of the answer's body in bytes.
    pub(crate) size: u64,
    /// What went wrong, in words.
    pub(crate) fault: Option<String>,
}

impl Exchange {
    /// Takes what a recorder saw `t` microseconds after the recording began; nothing if that is no exchange.
    pub(super) fn new(redaction: &Redaction, t: u64, seen: &Seen<'_>) -> Option<Self> {
        let Seen::Exchanged { method, url, status, took, answered, error, .. } = *seen else { return None };
        let refused = || {
            let status = StatusCode::from_u16(status?).ok()?;
            let is_bad = status.is_client_error() || status.is_server_error();
            is_bad.then(|| status.to_string())
        };
        Some(Self {
            t,
            method: printable(method, 20),
            path: printable(url.split('?').next().unwrap_or_default(), LONGEST_PATH),
            status,
            latency: took,
            size: answered,
            fault: error.map(|error| shown(redaction, error)).or_else(refused),
        })
    }

    /// Returns what a filter wants to know; `method` is what it is called among the methods of calls.
    pub(super) fn facts<'a>(&'a self, method: &'a str) -> Facts<'a> {
        Facts {
            conn: 0,
            at: Duration::from_micros(self.t.saturating_sub(self.latency)),
            method,
            object: &self.path,
            names: [""; 3],
            latency: Some(Duration::from_micros(self.latency)),
            bytes: self.size,
            failed: self.fault.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(url: &str, status: Option<u16>, error: Option<&str>) -> Exchange {
        let seen = Seen::Exchanged { method: "GET", url, status, took: 5, sent: 1, answered: 2, error };
        Exchange::new(&Redaction::standard(), 9, &seen).unwrap()
    }

    #[test]
    fn exchange_is_shown_by_path_and_fails_by_status_or_error() {
        let good = exchange("/hub/?qlikTicket=***", Some(304), None);
        assert_eq!((&*good.path, good.fault, good.size, good.latency), ("/hub/", None, 2, 5));
        assert_eq!(exchange("/", Some(404), None).fault.as_deref(), Some("404 Not Found"));
        assert_eq!(exchange("/", Some(799), None).fault, None);
        assert_eq!(exchange("/", None, Some("given up")).fault.as_deref(), Some("given up"));
        assert_eq!(Exchange::new(&Redaction::standard(), 0, &Seen::Opened { url: "/" }), None);
    }

    #[test]
    fn nothing_in_an_exchange_can_control_a_terminal_or_has_a_secret() {
        let hostile = exchange("/a\u{1b}[2J\u{9b}", Some(502), Some("\u{1b}]0;x\u{7} password=s3cret"));
        let text = format!("{}{}", hostile.path, hostile.fault.unwrap());
        assert!(!text.contains(char::is_control) && !text.contains("s3cret"), "{text:?}");
    }
}
