//! What was written becomes what is meant, or a sentence on why it cannot be.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use qix_protocol::CloseCode;

use super::{
    FaultError, FaultRule,
    action::{At, Cut, EndWith, Fate, Notification, Refusal, What},
    fields::{Fields, Value},
    known,
    pattern::Pattern,
    rule::{Scope, When, Which},
};

/// The longest reason that a close frame has room for, in bytes.
const LONGEST_REASON: usize = 123;
/// Longer than any client waits.
const LONGEST_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Words about calls, which an upgrade is none of.
const OF_CALLS: &[&str] = &[
    "method",
    "object",
    "contains",
    "connection",
    "scope",
    "error",
    "delay",
    "close",
    "notify",
    "drop",
    "duplicate",
    "truncate",
    "reorder",
    "abort",
    "change",
    "suspend",
    "at",
];
/// What becomes of an answer; only one of them can be.
const FATES: &[&str] = &["error", "drop", "duplicate", "truncate", "reorder"];

/// Makes a rule of its members.
pub(super) fn rule(mut fields: Fields, shown: String, place: &str) -> Result<FaultRule, FaultError> {
    let name = fields.text("name")?.map(|(name, _)| name);
    let upgrade = fields.has("refuse") || fields.has("upgrade");
    exclude(&fields, upgrade)?;
    let refuses = fields.has("refuse");
    let when = when(&mut fields)?;
    if when.upgrade && !refuses {
        return Err(FaultError::at(
            place,
            "an upgrade can only be refused; add refuse = 503, or leave 'upgrade' out",
        ));
    }
    if refuses && !when.upgrade {
        return Err(FaultError::at(place, "'refuse' is for upgrades; leave 'upgrade = false' out"));
    }
    let what = what(&mut fields, place)?;
    Ok(FaultRule { shown: name.unwrap_or(shown), place: place.to_owned(), when, what })
}

/// Finds words that cannot stand beside each other.
fn exclude(fields: &Fields, upgrade: bool) -> Result<(), FaultError> {
    let fault = |key: &str, fault: String| Err(FaultError::at(fields.place(key).unwrap_or_default(), fault));
    if upgrade && let Some(key) = fields.first_of(OF_CALLS) {
        return fault(key, format!("'{key}' is for calls, and an upgrade is none; make two rules of it"));
    }
    let mut fates = FATES.iter().filter(|key| fields.has(key));
    if let (Some(one), Some(two)) = (fates.next(), fates.next()) {
        return fault(
            two,
            format!("'{one}' and '{two}' cannot both become of one answer; keep one, or make two rules"),
        );
    }
    if fields.has("close") && fields.has("abort") {
        return fault("abort", "a connection ends once: keep 'close' or 'abort'".to_owned());
    }
    for (key, needs) in [
        ("message", &["error"][..]),
        ("parameter", &["error"]),
        ("reason", &["close"]),
        ("with", &["notify"]),
        ("body", &["refuse"]),
        ("headers", &["refuse"]),
        ("at", &["close", "abort", "notify", "change", "suspend"]),
    ] {
        if fields.has(key) && fields.first_of(needs).is_none() {
            return fault(
                key,
                format!("'{key}' belongs to {}; add that, or leave it out", needs.join(" or ")),
            );
        }
    }
    if fields.has("nth")
        && let Some(other) = fields.first_of(&["every", "from", "first", "times"])
    {
        return fault(
            other,
            format!("'nth' names one call, so that '{other}' says nothing more; leave one out"),
        );
    }
    Ok(())
}

fn when(fields: &mut Fields) -> Result<When, FaultError> {
    let from_place = fields.place("from").map(str::to_owned);
    let first_place = fields.place("first").map(str::to_owned);
    let which = Which {
        nth: fields.count("nth")?,
        every: fields.count("every")?,
        from: fields.count("from")?,
        first: fields.count("first")?,
        probability: probability(fields)?,
    };
    if let (Some(from), Some(first)) = (which.from, which.first) {
        let every = which.every.unwrap_or(1);
        if first < from || first / every == (from - 1) / every {
            let fault =
                format!("no call is both among the first {first} and from number {from} on; change one");
            return Err(FaultError::at(from_place.unwrap_or_default(), fault));
        }
    } else if let (Some(every), Some(first)) = (which.every, which.first)
        && first < every
    {
        let fault = format!("none of the first {first} calls is number {every}; change 'first' or 'every'");
        return Err(FaultError::at(first_place.unwrap_or_default(), fault));
    }
    let scope = match fields.text("scope")? {
        None => Scope::Connection,
        Some((scope, place)) => match &*scope {
            "connection" => Scope::Connection,
            "all" => Scope::All,
            _ => return Err(FaultError::at(place, "'scope' must be \"connection\" or \"all\"")),
        },
    };
    let upgrade = fields.has("refuse") && !fields.has("upgrade") || fields.flag("upgrade")?;
    Ok(When {
        upgrade,
        method: pattern(fields, "method")?,
        object: pattern(fields, "object")?,
        path: pattern(fields, "path")?,
        connection: fields.count("connection")?,
        contains: fields.text("contains")?.map(|(text, _)| text),
        which,
        times: fields.count("times")?,
        scope: if upgrade { Scope::All } else { scope },
    })
}

fn probability(fields: &mut Fields) -> Result<Option<f64>, FaultError> {
    let Some((value, place)) = fields.value("probability") else { return Ok(None) };
    let number = match &value {
        Value::Float(number) => Some(*number),
        Value::Integer(1) => Some(1.0),
        Value::Text(text) => text
            .strip_suffix('%')
            .and_then(|number| number.trim().parse().ok())
            .map(|number: f64| number / 100.0),
        _ => None,
    };
    match number.filter(|number| *number > 0.0 && *number <= 1.0) {
        Some(number) => Ok(Some(number)),
        None => Err(FaultError::at(
            place,
            "'probability' must be above 0 and at most 1, such as 0.25, or \"25%\"",
        )),
    }
}

fn pattern(fields: &mut Fields, key: &str) -> Result<Option<Pattern>, FaultError> {
    let Some((text, place)) = fields.text(key)? else { return Ok(None) };
    match Pattern::new(&text) {
        Some(pattern) => Ok(Some(pattern)),
        None => Err(FaultError::at(
            place,
            format!("'{key}' is empty or too long; write a name, or leave it out for any"),
        )),
    }
}

fn what(fields: &mut Fields, place: &str) -> Result<What, FaultError> {
    let at = at(fields)?;
    let fate = fate(fields)?;
    let end = end(fields)?;
    let at = match (at, &fate, &end) {
        (Some((At::Middle, place)), _, end) if *end != Some(EndWith::Abort) || fate.is_some() => {
            return Err(FaultError::at(place, "only 'abort' alone can happen in the middle of an answer"));
        }
        (Some((At::Instead | At::Before, place)), Some(fate), Some(_)) => {
            let fault = format!(
                "nothing can be said {} the connection has ended; write at = \"after\", or leave the other fault out",
                if matches!(fate, Fate::DropAnswer | Fate::DropRequest) { "or dropped once" } else { "once" }
            );
            return Err(FaultError::at(place, fault));
        }
        (Some((At::Instead, place)), Some(fate), None) if fate.asks() => {
            return Err(FaultError::at(
                place,
                "in place of the answer nothing can become of it; write at = \"after\" or \"before\"",
            ));
        }
        (Some((at, _)), ..) => at,
        (None, None, Some(_)) => At::Instead,
        (None, ..) => At::After,
    };
    if end.is_some() && matches!(fate, Some(Fate::DropAnswer | Fate::DropRequest | Fate::Reorder(_))) {
        return Err(FaultError::at(
            place,
            "a dropped or later answer leaves nothing to end the connection after; leave 'drop' or 'reorder' out",
        ));
    }
    let what = What {
        delay: delay(fields)?,
        notify: notify(fields)?,
        change: pattern(fields, "change")?,
        suspend: pattern(fields, "suspend")?,
        refuse: refuse(fields)?,
        fate,
        end,
        at,
    };
    let does_nothing = what.fate.is_none()
        && what.delay.is_none()
        && what.notify.is_none()
        && what.change.is_none()
        && what.suspend.is_none()
        && what.end.is_none()
        && what.refuse.is_none();
    if does_nothing {
        return Err(FaultError::at(
            place,
            "it does nothing; add for example error = 15, delay = \"2s\" or close = 4204",
        ));
    }
    Ok(what)
}

fn at(fields: &mut Fields) -> Result<Option<(At, String)>, FaultError> {
    let Some((text, place)) = fields.text("at")? else { return Ok(None) };
    let at = match &*text {
        "instead" => At::Instead,
        "before" => At::Before,
        "middle" => At::Middle,
        "after" => At::After,
        _ => {
            return Err(FaultError::at(
                place,
                "'at' must be \"instead\", \"before\", \"middle\" or \"after\" (of the answer)",
            ));
        }
    };
    Ok(Some((at, place)))
}

fn fate(fields: &mut Fields) -> Result<Option<Fate>, FaultError> {
    if let Some((text, place)) = fields.text("error")? {
        let code = known::error_code(&text).map_err(|fault| FaultError::at(place, fault))?;
        let message = fields.text("message")?.map(|(text, _)| text);
        let parameter = fields.text("parameter")?.map(|(text, _)| text).unwrap_or_default();
        let message = message.unwrap_or_else(|| known::error_message(code));
        return Ok(Some(Fate::Error { code, message, parameter }));
    }
    if let Some((text, place)) = fields.text("drop")? {
        return match &*text {
            "answer" => Ok(Some(Fate::DropAnswer)),
            "request" => Ok(Some(Fate::DropRequest)),
            _ => Err(FaultError::at(place, "'drop' must be \"answer\" or \"request\"")),
        };
    }
    if let Some((value, place)) = fields.value("truncate") {
        let cut = match &value {
            Value::Integer(bytes) => usize::try_from(*bytes).ok().map(Cut::Bytes),
            Value::Text(text) => text
                .strip_suffix('%')
                .and_then(|number| number.trim().parse::<f64>().ok())
                .filter(|share| (0.0..100.0).contains(share))
                .map(|share| Cut::Share(share / 100.0)),
            Value::Bool(true) => Some(Cut::Share(0.5)),
            _ => None,
        };
        let fault = "'truncate' must be a number of bytes from 0, or a share of the answer below 100, such as \"50%\"";
        return cut.map(|cut| Some(Fate::Truncate(cut))).ok_or_else(|| FaultError::at(place, fault));
    }
    if let Some(more) = fields.count_or_true("duplicate")? {
        return Ok(Some(Fate::Duplicate(more)));
    }
    Ok(fields.count_or_true("reorder")?.map(Fate::Reorder))
}

fn end(fields: &mut Fields) -> Result<Option<EndWith>, FaultError> {
    if fields.flag("abort")? {
        return Ok(Some(EndWith::Abort));
    }
    let Some((value, place)) = fields.value("close") else { return Ok(None) };
    let code = match value {
        Value::Integer(code) => u16::try_from(code).ok(),
        _ => None,
    };
    let Some(code) = code.filter(|code| CloseCode::new(*code).is_sendable()) else {
        let fault = "'close' must be a code that may be sent: 1000 to 1014 without 1005 and 1006, or 3000 to 4999; for an end \
                     without a close frame (which clients see as 1006) use 'abort'";
        return Err(FaultError::at(place, fault));
    };
    let reason = match fields.value("reason") {
        None => None,
        Some((Value::Text(reason), place)) => {
            if reason.len() > LONGEST_REASON {
                let fault = format!(
                    "'reason' has {} bytes, and a close frame room for {LONGEST_REASON}",
                    reason.len()
                );
                return Err(FaultError::at(place, fault));
            }
            Some(reason)
        }
        Some((Value::Json(json), place)) => {
            let reason = json.to_string();
            if reason.len() > LONGEST_REASON {
                let fault = format!(
                    "'reason' has {} bytes, and a close frame room for {LONGEST_REASON}",
                    reason.len()
                );
                return Err(FaultError::at(place, fault));
            }
            Some(reason)
        }
        Some((_, place)) => return Err(FaultError::at(place, "'reason' must be a text, or JSON")),
    };
    Ok(Some(EndWith::Close { code, reason }))
}

fn delay(fields: &mut Fields) -> Result<Option<(Duration, Duration)>, FaultError> {
    let Some((text, place)) = fields.text("delay")? else { return Ok(None) };
    let time = |text: &str| {
        let time = text.trim().parse::<jiff::SignedDuration>().ok()?;
        Duration::try_from(time).ok().filter(|time| *time <= LONGEST_DELAY)
    };
    let range = match text.split_once("..") {
        None => time(&text).map(|time| (time, time)),
        Some((least, most)) => time(least).zip(time(most)).filter(|(least, most)| least <= most),
    };
    match range.filter(|(_, most)| !most.is_zero()) {
        Some(range) => Ok(Some(range)),
        None => Err(FaultError::at(
            place,
            "'delay' must be a time above zero and up to a day with its unit, such as \"2s\" or \"300ms\", or two of them in \
             order, such as \"1s..3s\"",
        )),
    }
}

fn notify(fields: &mut Fields) -> Result<Option<Notification>, FaultError> {
    let Some((method, place)) = fields.text("notify")? else { return Ok(None) };
    if method.is_empty() {
        return Err(FaultError::at(place, "'notify' is empty; write a name such as OnSessionTimedOut"));
    }
    let params = match fields.value("with") {
        None => known::notification_params(&method),
        Some((Value::Json(json), _)) => json.to_string(),
        Some((_, place)) => {
            return Err(FaultError::at(
                place,
                "'with' has the notification's parameters: a table, in a line as JSON",
            ));
        }
    };
    Ok(Some(Notification { method, params }))
}

fn refuse(fields: &mut Fields) -> Result<Option<Refusal>, FaultError> {
    let Some((value, place)) = fields.value("refuse") else { return Ok(None) };
    let status = match value {
        Value::Bool(true) => Some(StatusCode::SERVICE_UNAVAILABLE),
        Value::Integer(number) => {
            u16::try_from(number).ok().and_then(|number| StatusCode::from_u16(number).ok())
        }
        _ => None,
    };
    let Some(status) = status.filter(|status| (300..600).contains(&status.as_u16())) else {
        return Err(FaultError::at(place, "'refuse' must be an HTTP status from 300 to 599, such as 503"));
    };
    let body = fields.value("body").map_or(Ok(Bytes::new()), |(value, place)| match value {
        Value::Text(text) => Ok(text.into()),
        Value::Json(json) => Ok(json.to_string().into()),
        _ => Err(FaultError::at(place, "'body' must be a text, or JSON")),
    })?;
    let mut headers = HeaderMap::new();
    if let Some((value, place)) = fields.value("headers") {
        let Value::Json(serde_json::Value::Object(members)) = value else {
            return Err(FaultError::at(place, "'headers' must be a table, such as { Retry-After = \"5\" }"));
        };
        for (name, value) in members {
            let text = match value {
                serde_json::Value::String(text) => Some(text),
                serde_json::Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            let header =
                text.and_then(|text| HeaderValue::try_from(text).ok()).zip(HeaderName::try_from(&name).ok());
            let Some((value, name)) = header else {
                return Err(FaultError::at(
                    place,
                    format!("'headers' has {name:?}, which is no header with a text"),
                ));
            };
            headers.append(name, value);
        }
    }
    Ok(Some(Refusal { status, headers, body }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(line: &str) -> FaultRule {
        line.parse().unwrap()
    }

    #[test]
    fn defaults_are_what_happens_most() {
        let At::Instead = rule("OpenDoc close=4204").what.at else { panic!() };
        let At::After = rule("OpenDoc close=4204 at=after").what.at else { panic!() };
        let At::After = rule("OpenDoc error=15 close=1001").what.at else { panic!() };
        let At::After = rule("* notify=OnSessionTimedOut").what.at else { panic!() };
        let refusal = rule("upgrade refuse").what.refuse.unwrap();
        assert_eq!(refusal.status, 503);
    }

    #[test]
    fn what_cannot_be_is_one_sentence_that_says_what_can() {
        for (line, says) in [
            ("GetLayout", "does nothing"),
            ("GetLayout nth=0 error=15", "1 or more"),
            ("GetLayout nth=-1 error=15", "1 or more"),
            ("GetLayout every=1.5 error=15", "1 or more"),
            ("GetLayout nth=2 every=3 error=15", "'nth' names one call"),
            ("GetLayout from=5 first=4 error=15", "no call is both"),
            ("GetLayout every=10 from=2 first=9 error=15", "no call is both"),
            ("GetLayout every=5 first=4 error=15", "none of the first 4"),
            ("GetLayout probability=0 error=15", "above 0"),
            ("GetLayout probability=-0.5 error=15", "above 0"),
            ("GetLayout probability=1.5 error=15", "at most 1"),
            ("GetLayout probability=150% error=15", "at most 1"),
            ("GetLayout times=-2 error=15", "1 or more"),
            ("GetLayout scope=here error=15", "\"connection\" or \"all\""),
            ("GetLayout error=BOOM", "no error is called BOOM"),
            ("GetLayout error=15 drop=answer", "'error' and 'drop' cannot both"),
            ("GetLayout duplicate truncate=50%", "cannot both"),
            ("GetLayout close=4204 abort", "ends once"),
            ("GetLayout close=1005", "may be sent"),
            ("GetLayout close=1006", "use 'abort'"),
            ("GetLayout close=1015", "may be sent"),
            ("GetLayout close=70000", "may be sent"),
            ("GetLayout close=-1", "may be sent"),
            (&format!("GetLayout close=4204 reason={}", "x".repeat(124)), "room for 123"),
            ("GetLayout close=4204 at=middle", "only 'abort'"),
            ("GetLayout close=4204 at=soon", "\"instead\", \"before\""),
            ("GetLayout error=15 close=1001 at=before", "once the connection has ended"),
            ("GetLayout drop=answer close=1001", "leaves nothing"),
            ("GetLayout drop=everything", "\"answer\" or \"request\""),
            ("GetLayout duplicate notify=OnX at=instead", "in place of the answer"),
            ("GetLayout delay=2", "with its unit"),
            ("GetLayout delay=-2s", "above zero"),
            ("GetLayout delay=3s..1s", "in order"),
            ("GetLayout delay=99999h", "up to a day"),
            ("GetLayout truncate=-5", "from 0"),
            ("GetLayout truncate=100%", "below 100"),
            ("GetLayout duplicate=0", "from 1 to 1000"),
            ("GetLayout reorder=-1", "from 1 to 1000"),
            ("GetLayout message=x drop=answer", "'message' belongs to error"),
            ("GetLayout error=15 at=after", "'at' belongs to"),
            ("GetLayout notify=OnX with=3", "as JSON"),
            ("upgrade every=2", "refuse = 503"),
            ("upgrade error=15 refuse=503", "'error' is for calls"),
            ("GetLayout refuse=503", "'method' is for calls"),
            ("upgrade refuse=200", "from 300 to 599"),
            ("upgrade refuse=503 headers={\"a b\":\"x\"}", "no header"),
        ] {
            let found = line.parse::<FaultRule>().unwrap_err().to_string();
            assert!(found.contains(says) && !found.contains('\n'), "{line}: {found}");
        }
    }
}
