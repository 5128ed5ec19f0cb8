//! Answers that several parts of the front give.

use std::io;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, LOCATION};
use hyper::{Response, StatusCode};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Bytes;

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;
pub(super) type Answer = Response<Body>;

pub(super) fn whole(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn typed(status: StatusCode, kind: &str, bytes: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(whole(bytes));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE.as_str(), kind);
    answer
}

pub(super) fn json(status: StatusCode, value: &Value) -> Answer {
    typed(status, "application/json", value.to_string())
}

/// An error, whose text says what the front did not like.
pub(super) fn error(status: StatusCode, title: &str) -> Answer {
    let code = format!("HTTP-{}", status.as_u16());
    json(status, &serde_json::json!({"errors": [{"code": code, "title": title}]}))
}

pub(super) fn redirect(to: &str) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = StatusCode::FOUND;
    set(&mut answer, LOCATION.as_str(), to);
    answer
}

pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(whole(Bytes::new()));
    *answer.status_mut() = status;
    answer
}

/// Adds a header. What a header cannot hold is left out: it came from the client.
pub(super) fn set(answer: &mut Answer, name: &str, value: &str) {
    let name = hyper::header::HeaderName::from_bytes(name.as_bytes());
    if let (Ok(name), Ok(value)) = (name, hyper::header::HeaderValue::from_str(value)) {
        answer.headers_mut().append(name, value);
    }
}
