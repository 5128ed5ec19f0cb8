//! Reads the lines of a recording. `docs/recording-format.md` is the normative text.

use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use qix_protocol::frame::{Raw, members};

use super::{
    format::{Closing, Entry, EntryKind, FrameText, Gap, Header, Opening, Side},
    http_line,
};

pub(super) fn header_of(line: &[u8]) -> Option<Header> {
    let mut header = Header { part: 1, ..Header::default() };
    let mut versioned = false;
    for (name, value) in members(Raw::new(line).ok()?) {
        match &*name {
            "qixrec" => {
                header.version = value.decode().ok()?;
                versioned = true;
            }
            "started" => header.started = value.decode().ok()?,
            "tool" => header.tool = value.decode().ok()?,
            "upstream" => header.upstream = value.decode().ok()?,
            "part" => header.part = value.as_integer()?,
            "continues" => header.continues = value.decode().ok(),
            _ => {}
        }
    }
    versioned.then_some(header)
}

/// Returns the name of the file that continues the one whose `end` line this is.
pub(super) fn next_of(end: &[u8]) -> Option<String> {
    let (_, next) = members(Raw::new(end).ok()?).find(|(name, _)| name == "next")?;
    next.decode().ok()
}

pub(crate) fn entry_of(line: &Bytes) -> Result<Entry, &'static str> {
    let line_value = Raw::new(line).map_err(|_| "it is not JSON")?;
    let mut members: Vec<_> = members(line_value).collect();
    let mut take = |name: &str| {
        let at = members.iter().position(|(found, _)| found == name)?;
        Some(members.swap_remove(at).1)
    };
    if take("qixrec").is_some() {
        return Err("another recording begins there, which belongs in a file of its own");
    }
    let seq = take("seq").and_then(|seq| seq.as_integer()).ok_or("it has no number `seq`")?;
    let at =
        take("t").and_then(|t| t.as_integer()).map(Duration::from_micros).ok_or("it has no number `t`")?;
    let conn = take("conn").map(|conn| conn.as_integer().ok_or("`conn` is no number")).transpose()?;
    let kind: String = take("kind").and_then(|kind| kind.decode().ok()).ok_or("it has no text `kind`")?;
    let began = take("began").and_then(|began| began.as_integer()).map(Duration::from_micros);
    let kind = match &*kind {
        "open" => EntryKind::Open(opening(take)),
        "refused" => EntryKind::Refused(opening(take)),
        "close" => EntryKind::Close(closing(take)),
        "http" => EntryKind::Http(Box::new(http_line::exchange(line, take))),
        "note" => EntryKind::Note(take("text").and_then(|text| text.decode().ok()).unwrap_or_default()),
        "gap" => EntryKind::Gap(gap(take)),
        "end" => EntryKind::End,
        "frame" => frame(line, take)?,
        _ => EntryKind::Unknown(kind),
    };
    if conn.is_none() && matches!(kind, EntryKind::Open(_) | EntryKind::Frame { .. } | EntryKind::Close(_)) {
        return Err("it has no number `conn`");
    }
    Ok(Entry { seq, at, conn, began, kind })
}

fn frame<'a>(line: &Bytes, mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Result<EntryKind, &'static str> {
    let from = side(take("from")).ok_or("`from` is neither client nor engine")?;
    let text = if let Some(json) = take("json") {
        FrameText::Text(line.slice_ref(embedded(line, json, false)))
    } else if let Some(text) = take("text") {
        content("text", text)?
    } else if let Some(base64) = take("base64") {
        match (content("base64", base64)?, take("opcode").and_then(|opcode| opcode.as_integer())) {
            (FrameText::Binary(bytes), Some(1u8)) => FrameText::Text(bytes),
            (other, _) => other,
        }
    } else if let Some(bytes) = take("bytes") {
        FrameText::Omitted(bytes.as_integer().ok_or("`bytes` is no number")?)
    } else {
        return Err("it has no message");
    };
    Ok(EntryKind::Frame { from, text })
}

/// Reads what `name`, `text` or `base64`, has kept.
pub(super) fn content(name: &str, value: Raw<'_>) -> Result<FrameText, &'static str> {
    if name == "text" {
        return Ok(FrameText::Text(value.decode::<String>().map_err(|_| "`text` is no text")?.into()));
    }
    let encoded: String = value.decode().map_err(|_| "`base64` is no text")?;
    let bytes =
        base64::engine::general_purpose::STANDARD.decode(encoded).map_err(|_| "`base64` is not base64")?;
    Ok(FrameText::Binary(bytes.into()))
}

/// Returns the embedded message with the white space around it, from the colon to the brace that ends its object: the line, or an
/// object `inside` it, behind which something else follows. If other members stand behind the message, somebody has edited the line,
/// and the white space is theirs.
pub(super) fn embedded<'a>(line: &'a [u8], json: Raw<'_>, inside: bool) -> &'a [u8] {
    const NAME: &[u8] = b"\"json\":";
    let start = json.as_bytes().as_ptr().addr() - line.as_ptr().addr();
    let end = start + json.as_bytes().len();
    let colon = start - line[..start].iter().rev().take_while(|byte| byte.is_ascii_whitespace()).count();
    let brace = end + line[end..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    let rest = line[brace..].trim_ascii_end();
    let ends = if inside { rest.starts_with(b"}") } else { rest == b"}" };
    if line[..colon].ends_with(NAME) && ends { &line[colon..brace] } else { &line[start..end] }
}

fn opening<'a>(mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Opening {
    let mut decode =
        |name: &str| take(name).map(|value| value.decode().unwrap_or_default()).unwrap_or_default();
    Opening {
        request: decode("request"),
        response: decode("response"),
        url: take("url").and_then(|url| url.decode().ok()).unwrap_or_default(),
        status: take("status").and_then(|status| status.as_integer()).unwrap_or_default(),
        body: take("body").and_then(|body| body.decode().ok()).unwrap_or_default(),
        continued: take("continued").is_some_and(|continued| continued.as_bytes() == b"true"),
        added: take("added").is_some_and(|added| added.as_bytes() == b"true"),
    }
}

fn gap<'a>(mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Gap {
    let mut number = |name: &str| take(name).and_then(|value| value.as_integer()).unwrap_or_default();
    Gap {
        since: Duration::from_micros(number("since")),
        frames: number("frames"),
        others: number("others"),
        reason: take("reason").and_then(|reason| reason.decode().ok()).unwrap_or_default(),
    }
}

fn closing<'a>(mut take: impl FnMut(&str) -> Option<Raw<'a>>) -> Closing {
    Closing {
        by: side(take("by")),
        code: take("code").and_then(|code| code.as_integer()),
        reason: take("reason").and_then(|reason| reason.decode().ok()).unwrap_or_default(),
        clean: take("clean").is_some_and(|clean| clean.as_bytes() == b"true"),
    }
}

fn side(word: Option<Raw<'_>>) -> Option<Side> {
    match word?.as_bytes() {
        b"\"client\"" => Some(Side::Client),
        b"\"engine\"" => Some(Side::Engine),
        _ => None,
    }
}
