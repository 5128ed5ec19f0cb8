//! The line of a plain HTTP exchange, written and read. `docs/recording-format.md` is the normative text.

use std::time::Duration;

use bytes::Bytes;
use qix_protocol::frame::{Raw, members};

use super::{
    exchange::{CleanBody, CleanExchange},
    format::{Exchange, FrameText, HttpBody},
    output::Medium,
    parse::{content, embedded},
    writer::{Writer, member, names, number, pairs, string},
};

impl<W: Medium> Writer<W> {
    /// Writes an exchange.
    pub(super) fn http(&mut self, t: u64, exchange: &CleanExchange) -> bool {
        self.begin(0, t, b"http");
        let line = self.output.buffer();
        member(line, "method");
        string(line, &exchange.method);
        member(line, "url");
        string(line, &exchange.url);
        if let Some(status) = exchange.status {
            member(line, "status");
            number(line, status.into());
        }
        pairs(line, "request", &exchange.request);
        pairs(line, "response", &exchange.response);
        names(line, &exchange.redacted);
        if let Some(wait) = exchange.wait {
            member(line, "wait");
            number(line, wait);
        }
        member(line, "took");
        number(line, exchange.took);
        if let Some(error) = &exchange.error {
            member(line, "error");
            string(line, error);
        }
        self.body("request_body", &exchange.request_body);
        self.body("response_body", &exchange.response_body);
        let kept = self.end_line();
        self.exchanges += u64::from(kept);
        kept
    }

    fn body(&mut self, name: &str, body: &CleanBody) {
        if body.bytes == 0 {
            return;
        }
        let line = self.output.buffer();
        member(line, name);
        line.extend_from_slice(br#"{"bytes":"#);
        number(line, body.bytes);
        if body.cut {
            member(line, "cut");
            line.extend_from_slice(b"true");
        }
        if let Some(decoded) = &body.decoded {
            member(line, "decoded");
            string(line, decoded);
        }
        match &body.content {
            Some(json) if qix_protocol::is_json_line(json) => {
                member(line, "json");
                self.output.append(json);
            }
            Some(content) => match std::str::from_utf8(content) {
                Ok(text) => {
                    member(line, "text");
                    string(line, text);
                }
                Err(_) => self.base64(content),
            },
            None => {}
        }
        self.output.buffer().push(b'}');
        self.output.settle();
    }
}

/// Reads the members of an `http` entry.
pub(super) fn exchange<'a>(line: &Bytes, mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Exchange {
    let body = |value: Option<Raw<'_>>| value.map(|value| body(line, value)).unwrap_or_default();
    let (request_body, response_body) = (body(take("request_body")), body(take("response_body")));
    let mut text = |name: &str| take(name).and_then(|value| value.decode::<String>().ok());
    let (method, url, error) =
        (text("method").unwrap_or_default(), text("url").unwrap_or_default(), text("error"));
    let mut headers =
        |name: &str| take(name).map(|value| value.decode().unwrap_or_default()).unwrap_or_default();
    let (request, response) = (headers("request"), headers("response"));
    let mut number = |name: &str| take(name).and_then(|value| value.as_integer::<u64>());
    Exchange {
        method,
        url,
        status: number("status").and_then(|status| status.try_into().ok()),
        request,
        response,
        request_body,
        response_body,
        wait: number("wait").map(Duration::from_micros),
        took: Duration::from_micros(number("took").unwrap_or_default()),
        error,
    }
}

fn body(line: &Bytes, value: Raw<'_>) -> HttpBody {
    let mut body = HttpBody::default();
    for (name, value) in members(value) {
        match &*name {
            "bytes" => body.bytes = value.as_integer().unwrap_or_default(),
            "cut" => body.cut = value.as_bytes() == b"true",
            "decoded" => body.decoded = value.decode().ok(),
            "json" => body.content = Some(FrameText::Text(line.slice_ref(embedded(line, value, true)))),
            "text" | "base64" => body.content = content(&name, value).ok(),
            _ => {}
        }
    }
    body
}
