//! The JSON of one entry.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::record::{Closing, Exchange, FrameText, HttpBody, Opening, Side};

/// Returns the time of an entry, in microseconds since 1970, as HARs write it.
pub(super) fn date(micros: u64) -> String {
    let at = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    // Some tools refuse a HAR with a date that is none.
    format!("{:.6}", at.unwrap_or(Timestamp::MAX))
}

/// Returns a message as an element of `_webSocketMessages`, and whether that is all there is to it.
pub(super) fn message(micros: u64, from: Side, text: &FrameText) -> (Vec<u8>, Result<(), String>) {
    let begun = |opcode: u8| {
        let (from, time) = (side(from), seconds(micros));
        format!("{{\"type\":\"{from}\",\"time\":{time},\"opcode\":{opcode},\"data\":").into_bytes()
    };
    let encoded = |bytes: &[u8]| [&*begun(2), b"\"", STANDARD.encode(bytes).as_bytes(), b"\"}"].concat();
    match text {
        FrameText::Text(bytes) => match std::str::from_utf8(bytes) {
            // Messages are nearly all there is in a HAR: they are written at once.
            Ok(text) => {
                let mut message = begun(1);
                message.reserve(text.len() + text.len() / 8);
                serde_json::to_writer(&mut message, text).expect("a text can be written to memory");
                message.push(b'}');
                (message, Ok(()))
            }
            Err(_) => {
                (encoded(bytes), Err("a text message that is not UTF-8 became a binary one".to_owned()))
            }
        },
        FrameText::Binary(bytes) => (encoded(bytes), Ok(())),
        FrameText::Omitted(bytes) => {
            let why = format!("a message of {bytes} bytes that the recording has not kept is empty");
            let empty = format!("\"\",\"_omitted\":{bytes}}}");
            ([&*begun(1), empty.as_bytes()].concat(), Err(why))
        }
    }
}

/// Returns the end of a connection as a message, if there was a close frame, and as a member of the entry.
pub(super) fn close(micros: u64, closing: &Closing) -> (Option<Vec<u8>>, String) {
    let Closing { by, code, reason, clean } = closing;
    let payload = code.map(|code| [&code.to_be_bytes()[..], reason.as_bytes()].concat()).unwrap_or_default();
    let frame = by.filter(|_| *clean).map(|by| {
        let data = STANDARD.encode(payload);
        let (from, time) = (side(by), seconds(micros));
        format!("{{\"type\":\"{from}\",\"time\":{time},\"opcode\":8,\"data\":\"{data}\"}}").into_bytes()
    });
    let member = json!({
        "by": by.map(Side::name), "clean": clean, "code": code, "reason": reason,
    });
    // The time is no f64, so that it keeps its digits.
    let mut member = member.to_string();
    member.pop();
    (frame, format!("{member},\"time\":{}}}", seconds(micros)))
}

/// Returns the members of the entry of a WebSocket, or of an upgrade that was `refused`, behind the beginning of its URL.
pub(super) fn socket(opening: &Opening, started: u64, refused: bool) -> String {
    let mut response = answer(Some(opening.status), &opening.response, opening.response.is_empty());
    response.insert("bodySize".to_owned(), json!(opening.body.len()));
    let mut content = json!({"size": opening.body.len(), "mimeType": kind(&opening.response)});
    if !opening.body.is_empty() {
        content["text"] = json!(opening.body);
    }
    response.insert("content".to_owned(), content);
    let head = json!({
        "_resourceType": "websocket",
        "cache": {},
        "pageref": "page_1",
        "response": response,
        "startedDateTime": date(started),
        "timings": {"send": 0, "wait": 0, "receive": 0},
    });
    let request = request("GET", &opening.url, &opening.request, &HttpBody::default());
    let time = if refused { ",\"time\":0" } else { "" };
    format!("{},{}{time}", request, inside(&head))
}

/// Returns the members of the entry of an exchange of plain HTTP, behind the beginning of its URL.
pub(super) fn exchange(exchange: &Exchange, started: u64) -> String {
    let Exchange { method, url, status, response, response_body: body, .. } = exchange;
    let mut answer = answer(*status, response, false);
    answer.insert("bodySize".to_owned(), json!(body.bytes));
    answer.insert("content".to_owned(), Value::Object(content(body, &kind(response))));
    answer.insert("_error".to_owned(), json!(exchange.error));
    let millis = |time: std::time::Duration| time.as_micros() as f64 / 1e3;
    let receive = exchange.took.saturating_sub(exchange.wait.unwrap_or_default());
    let head = json!({
        "cache": {},
        "pageref": "page_1",
        "response": answer,
        "startedDateTime": date(started),
        "time": millis(exchange.took),
        "timings": {"send": 0, "wait": exchange.wait.map_or(-1.0, millis), "receive": millis(receive)},
    });
    format!("{},{}", request(method, url, &exchange.request, &exchange.request_body), inside(&head))
}

/// Returns `request` from the middle of its URL on: what stands before that is known later.
fn request(method: &str, url: &str, headers: &[(String, String)], body: &HttpBody) -> String {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let query: Vec<_> = pairs.map(|(name, value)| json!({"name": name, "value": value})).collect();
    let mut rest = json!({
        "bodySize": body.bytes,
        "cookies": [],
        "headers": pairs_of(headers),
        "headersSize": -1,
        "httpVersion": "HTTP/1.1",
        "method": method,
        "queryString": query,
    });
    if body.content.is_some() {
        let mut content = content(body, &kind(headers));
        content.remove("size");
        content.remove("compression");
        // HAR knows no encoding of what was sent, and has names with underscores for what it does not know.
        if let Some(encoding) = content.remove("encoding") {
            content.insert("_encoding".to_owned(), encoding);
        }
        rest["postData"] = Value::Object(content);
    }
    let url = json!(url).to_string();
    format!("{},{}}}", &url[1..], inside(&rest))
}

fn answer(status: Option<u16>, headers: &[(String, String)], failed: bool) -> Map<String, Value> {
    let reason = status.and_then(|status| StatusCode::from_u16(status).ok()?.canonical_reason());
    let location = headers.iter().find(|(name, _)| name == "location").map_or("", |(_, value)| value);
    let mut answer = Map::new();
    answer.insert("status".to_owned(), json!(status.unwrap_or(0)));
    answer.insert("statusText".to_owned(), json!(reason.filter(|_| !failed).unwrap_or_default()));
    answer.insert("httpVersion".to_owned(), json!("HTTP/1.1"));
    answer.insert("headers".to_owned(), pairs_of(headers));
    answer.insert("cookies".to_owned(), json!([]));
    answer.insert("redirectURL".to_owned(), json!(location));
    answer.insert("headersSize".to_owned(), json!(-1));
    answer
}

fn content(body: &HttpBody, kind: &str) -> Map<String, Value> {
    let mut content = Map::new();
    let (bytes, text) = match &body.content {
        Some(FrameText::Text(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => (bytes.len(), Some((text.to_owned(), false))),
            Err(_) => (bytes.len(), Some((STANDARD.encode(bytes), true))),
        },
        Some(FrameText::Binary(bytes)) => (bytes.len(), Some((STANDARD.encode(bytes), true))),
        Some(FrameText::Omitted(_)) | None => (0, None),
    };
    let whole = text.is_some() && !body.cut;
    let size = if whole { bytes as u64 } else { body.bytes };
    content.insert("size".to_owned(), json!(size));
    content.insert("mimeType".to_owned(), json!(kind));
    if whole && body.decoded.is_some() {
        content.insert("compression".to_owned(), json!(size as i64 - body.bytes as i64));
    }
    if let Some((text, encoded)) = text {
        content.insert("text".to_owned(), json!(text));
        if encoded {
            content.insert("encoding".to_owned(), json!("base64"));
        }
    }
    if body.cut {
        content.insert("_cut".to_owned(), json!(true));
        content.insert("comment".to_owned(), json!("only the beginning was kept"));
    }
    content
}

fn kind(headers: &[(String, String)]) -> String {
    let kind = headers.iter().find(|(name, _)| name == "content-type");
    kind.map_or_else(|| "x-unknown".to_owned(), |(_, value)| value.clone())
}

fn pairs_of(headers: &[(String, String)]) -> Value {
    headers.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// Returns the members of an object as text, without its braces.
fn inside(object: &Value) -> String {
    let text = object.to_string();
    text[1..text.len() - 1].to_owned()
}

fn side(from: Side) -> &'static str {
    match from {
        Side::Client => "send",
        Side::Engine => "receive",
    }
}

/// Returns microseconds since 1970 as seconds, with all digits.
fn seconds(micros: u64) -> String {
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
