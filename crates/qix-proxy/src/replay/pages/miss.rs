//! A request of plain HTTP that the recording cannot answer.

use std::fmt;

/// A request of plain HTTP that is not in the recording.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PageMiss {
    /// The request's method.
    pub method: String,
    /// Path and query, secrets removed.
    pub url: String,
    /// What the recording lacks.
    pub fault: PageFault,
}

/// What a recording lacks to answer a request of plain HTTP.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PageFault {
    /// It has no WebSocket, and one was asked for.
    NoSocket,
    /// It has other requests, of which this is the one that is most like it: method, path and query.
    Nearest(String),
    /// It has the request with another body.
    OtherBody,
    /// It has an answer for clients only that have the content already, or want a part of it.
    Partial,
    /// It has the answer without its body, or with the beginning of that, which has this many bytes.
    NotKept(u64),
    /// It has the request without an answer, or with one that broke off.
    Unanswered,
}

impl fmt::Display for PageMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; ", self.method, self.url)?;
        match &self.fault {
            PageFault::NoSocket => f.write_str("no WebSocket was recorded"),
            PageFault::Nearest(request) => write!(f, "nearest recorded request: {request}"),
            PageFault::OtherBody => f.write_str("it was recorded with another body"),
            PageFault::Partial => f.write_str(
                "only 304 or a part was recorded, for a client that had the rest: record it with an empty cache",
            ),
            PageFault::NotKept(bytes) => write!(
                f,
                "its answer was recorded without its body of {bytes} bytes, or with the beginning only: record it with a \
                 larger --max-body"
            ),
            PageFault::Unanswered => f.write_str("it was recorded without an answer, or with one that broke off"),
        }
    }
}
