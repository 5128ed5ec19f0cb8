//! JSON Lines. `docs/show.md` says what the members mean.

use std::{
    io::{self, Write},
    time::Duration,
};

use qix_protocol::{Effect, frame::Raw};
use serde_json::{Value, json};

use super::{pretty::escaped, told::Told};
use crate::model::{Call, Event, Fetch, Object, Weight};

/// Writes the line of a call, with what was said if that is wanted.
pub(super) fn call(out: &mut dyn Write, told: &Told, bodies: bool) -> io::Result<()> {
    let mut text = call_value(&told.call, told).to_string();
    if bodies {
        // What was said stands in the line as it was written.
        text.pop();
        let body = &told.body;
        for (name, part) in [
            ("request", Some(&body.request)),
            ("answer", body.answer.as_ref()),
            ("result", body.result.as_ref()),
        ] {
            text += &format!(",\"{name}\":");
            match part {
                Some(part) => embed(&mut text, part),
                None => text += "null",
            }
        }
        text.push('}');
    }
    line(out, &text)
}

/// Writes a line of JSON, which controls no terminal.
pub(super) fn line(out: &mut dyn Write, json: &str) -> io::Result<()> {
    out.write_all(escaped(json).as_bytes())?;
    out.write_all(b"\n")
}

fn call_value(call: &Call, told: &Told) -> Value {
    let answer = call.answer.as_ref();
    let fetch = call.fetch.map(|fetch| match fetch {
        Fetch::First => json!({"why": "first"}),
        Fetch::Unchanged => json!({"why": "unchanged"}),
        Fetch::Changed(by) => json!({"why": "changed", "by": by}),
    });
    let changed: Vec<_> = told
        .changes
        .iter()
        .filter(|change| !change.is_suspended)
        .flat_map(|change| &change.objects)
        .collect();
    let suspended: Vec<_> =
        told.changes.iter().filter(|change| change.is_suspended).flat_map(|change| &change.objects).collect();
    json!({
        "kind": "call",
        "seq": call.seq,
        "at_us": micros(call.at),
        "connection": call.conn,
        "object": object(&call.object),
        "method": &*call.method,
        "effect": effect(call.effect),
        "answer_seq": answer.map(|answer| answer.seq),
        "latency_us": call.latency().map(micros),
        "waiting_us": call.waiting().map(micros),
        "transfer_us": call.transfer().map(micros),
        "sent": call.sent,
        "bytes": answer.map(|answer| answer.bytes),
        "fetch": fetch,
        "opened": call.opened,
        "changed": changed,
        "suspended": suspended,
        "closed": told.closed,
        "error": call.failure.as_ref().map(|failure| json!({"code": failure.code, "name": failure.name, "words": failure.words})),
        "fault": answer.and_then(|answer| answer.fault.as_ref()),
    })
}

/// Writes the line of what is no call.
pub(super) fn other(out: &mut dyn Write, event: &Event) -> io::Result<()> {
    let value = match event {
        Event::Connected(connection) => json!({
            "kind": if connection.refused.is_some() { "refused" } else { "connected" },
            "at_us": micros(connection.at),
            "connection": connection.conn,
            "url": connection.url,
            "session": connection.session,
            "words": connection.refused,
        }),
        Event::Disconnected(end) => json!({
            "kind": "disconnected",
            "at_us": micros(end.at),
            "connection": end.conn,
            "code": end.code,
            "clean": end.clean,
            "open": end.is_open,
            "unanswered": end.unanswered,
            "words": end.words,
        }),
        Event::Changed(change) => json!({
            "kind": if change.is_suspended { "suspended" } else { "changed" },
            "seq": change.seq,
            "at_us": micros(change.at),
            "connection": change.conn,
            "by": change.by,
            "objects": change.objects,
        }),
        Event::Selected(selection) => json!({
            "kind": "selected",
            "seq": selection.seq,
            "at_us": micros(selection.at),
            "connection": selection.conn,
            "fields": selection.state.iter().flatten().map(|(field, selected)| json!({"field": field, "selected": selected})).collect::<Vec<_>>(),
        }),
        Event::Progress(progress) => json!({
            "kind": "progress",
            "seq": progress.seq,
            "at_us": micros(progress.at),
            "percent": progress.percent,
            "text": progress.text,
            "errors": progress.errors,
            "wants_user": progress.wants_user,
        }),
        Event::Exchanged(exchange) => json!({
            "kind": "http",
            "seq": exchange.seq,
            "at_us": micros(exchange.at),
            "method": exchange.method,
            "url": exchange.url,
            "status": exchange.status,
            "waiting_us": exchange.wait.map(micros),
            "latency_us": micros(exchange.took),
            "sent": exchange.sent,
            "bytes": exchange.bytes,
            "error": exchange.failure,
        }),
        Event::Notice(notice) => json!({
            "kind": "notice",
            "at_us": micros(notice.at),
            "connection": notice.conn,
            "weight": match notice.weight {
                Weight::Normal => "normal",
                Weight::Odd => "odd",
                Weight::Bad => "bad",
            },
            "words": notice.words,
        }),
        _ => return Ok(()),
    };
    line(out, &value.to_string())
}

/// Returns what is said of an object.
pub(super) fn object(object: &Object) -> Value {
    json!({
        "number": object.number,
        "name": object.name(),
        "type": object.kind,
        "id": object.id,
        "title": object.title,
        "class": object.class(),
        "handle": object.handle.get(),
        "lineage": object.lineage.as_ref().map(ToString::to_string),
    })
}

/// Returns microseconds.
pub(super) fn micros(duration: Duration) -> u64 {
    duration.as_micros() as u64
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "reads",
        Effect::Session => "session",
        Effect::App => "app",
        Effect::Engine => "engine",
        _ => "unknown",
    }
}

/// Appends a message: as it is if it is JSON, or else as a text.
pub(super) fn embed(line: &mut String, text: &[u8]) {
    match str::from_utf8(text) {
        // A line feed stands between tokens, never in a string.
        Ok(json) if Raw::new(text).is_ok() => line.push_str(&json.replace(['\n', '\r'], " ")),
        _ => line.push_str(&json!(String::from_utf8_lossy(text)).to_string()),
    }
}
