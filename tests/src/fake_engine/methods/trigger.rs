//! Faults and pushes that a client can ask for with `Evaluate("Name(argument)")`.
//!
//! | Expression | What happens |
//! |---|---|
//! | `Slow(n)` | answered once `n` further answers have left on this socket (also inside hypercubes and titles) |
//! | `Hang()` | never answered, unless it is cancelled: then error 15 |
//! | `Close(code)` | no answer; the socket closes with that code and the reason `{"code":"QEP-104","traceId":"…"}` |
//! | `Close(code,reason)` | the same with that reason, cut to 123 bytes |
//! | `Drop()` | no answer; the connection is cut without a close frame |
//! | `Half()` | no answer; the connection is cut in the middle of a frame |
//! | `Push()` | first a notification `OnSessionTimedOut` (severity `notice`), then a frame with only `change` of every open handle, then the answer |
//! | `Notify(name)` | a notification of that name without params, then the answer |
//! | `Suspend()` | a frame with only `suspend` of every open handle, then the answer |
//! | `Raw(text)` | that text as a frame, then the answer |
//! | `Binary()` | a binary frame, then the answer |
//! | `Big(n)` | a string of `n` letters, at most 128 Mi |
//! | `Error(code)` | an error of that code, with a change list if one is due |
//! | `Orphan()` | an answer to an id that nobody used, then the answer |
//! | `NullResult()` | an answer whose `result` is `null` |

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Bytes;

use super::super::errors::EngineError;
use super::super::peer::{Outcome, Outgoing};
use super::dispatch::{Call, one};

// Room for the clients that read without a limit, and no more.
const MAX_BIG: usize = 128 << 20;

/// Pulls the trigger that `expression` names, if it names one.
pub(super) fn pull(call: &mut Call<'_>, expression: &str) -> Option<Outcome> {
    let text = expression.trim().trim_start_matches('=');
    let (name, rest) = text.split_once('(')?;
    let argument = rest.strip_suffix(')')?;
    let (session, number) = (&mut call.session, call.peer);
    let Ok(peer) = session.peer(number) else { return None };
    match name {
        "Close" => {
            let (code, reason) = match argument.split_once(',') {
                Some((code, reason)) => (code, reason.trim()),
                None => (argument, r#"{"code":"QEP-104","traceId":"00000000000000000000000000000001"}"#),
            };
            let Ok(code) = code.trim().parse::<u16>() else {
                return Some(Err(EngineError::invalid_params("close code")));
            };
            let mut end = reason.len().min(123);
            while !reason.is_char_boundary(end) {
                end -= 1;
            }
            peer.queue(Outgoing::Close(code, reason[..end].to_owned()));
            call.silent = true;
        }
        "Drop" => {
            peer.queue(Outgoing::Drop);
            call.silent = true;
        }
        "Half" => {
            peer.queue(Outgoing::Half);
            call.silent = true;
        }
        "Push" => {
            let params = json!({
                "severity": "notice", "timestamp": "2026-01-15T08:00:00.0000000Z", "message": "Session is about to time out",
            });
            peer.notify("OnSessionTimedOut", &params);
            peer.changed = peer.handles.open_handles();
            peer.push_lists();
        }
        "Notify" => peer.send(json!({"jsonrpc": "2.0", "method": argument}).to_string()),
        "Suspend" => {
            peer.suspended = peer.handles.open_handles();
            peer.push_lists();
        }
        "Raw" => peer.send(argument.to_owned()),
        "Binary" => peer.queue(Outgoing::Binary(Bytes::from_static(b"\x00\x01binary"))),
        "Big" => {
            let Ok(length) = argument.trim().parse::<usize>() else {
                return Some(Err(EngineError::invalid_params("length")));
            };
            return Some(one("qReturn", Value::String("x".repeat(length.min(MAX_BIG)))));
        }
        "Error" => {
            let code = argument.trim().parse().unwrap_or(-128);
            return Some(Err(EngineError::new(code, "asked for")));
        }
        "Orphan" => peer.send(r#"{"jsonrpc":"2.0","id":987654321,"result":{}}"#.to_owned()),
        "NullResult" => {
            let id = if call.id.is_empty() { "null" } else { call.id.as_str() };
            peer.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":null}}"#));
            call.silent = true;
        }
        _ => return None,
    }
    Some(one("qReturn", "ok"))
}
