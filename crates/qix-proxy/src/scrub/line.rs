//! Cleans one line of a recording.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use qix_protocol::{
    frame::{Raw, members},
    is_json_line,
};

use super::{anonymize::Anonymizer, body};
use crate::record::{Redaction, Redactor};

/// A line after cleaning.
#[derive(Debug)]
pub(super) struct Cleaned {
    /// The entry's number.
    pub(super) seq: u64,
    /// What to write instead, if anything was found.
    pub(super) text: Option<Vec<u8>>,
    /// What was found.
    pub(super) found: Vec<String>,
}

/// Takes the secrets out of a line.
pub(super) fn clean(line: &[u8], redaction: &Redaction) -> Result<Cleaned, &'static str> {
    let entry = Entry::read(line)?;
    let mut found = Vec::new();
    let mut changed = Vec::new();
    if entry.is_frame {
        if let Some((at, message)) = entry.message()
            && let Some(clean) = redaction.frame(&message)
        {
            changed.push((at, entry.written(at, &clean.text)));
            found = clean.redacted;
        }
    } else {
        let mut redactor = Redactor::new(redaction, &[]);
        let mut later = Vec::new();
        for (at, (name, value)) in entry.members.iter().enumerate() {
            match &**name {
                "url" | "upstream" => {
                    let text: String = value.decode().unwrap_or_default();
                    changed.push((at, quoted(&redactor.url(name, &text))));
                }
                "request" | "response" if value.as_bytes().starts_with(b"[") => {
                    let headers: Vec<(String, String)> = value.decode().unwrap_or_default();
                    let clean = |(header, text): (String, String)| {
                        let clean = redactor.header(name, &header, &text);
                        (header, clean)
                    };
                    let headers: Vec<_> = headers.into_iter().map(clean).collect();
                    changed.push((at, serde_json::json!(headers).to_string().into()));
                }
                "seq" | "t" | "conn" | "kind" | "qixrec" | "redacted" | "status" | "wait" | "took" => {}
                // Once it is known what may be repeated in it.
                _ => later.push((at, &**name, *value)),
            }
        }
        for (at, name, value) in later {
            if entry.is_http && matches!(name, "request_body" | "response_body") {
                let kind = entry.media_type(name.trim_end_matches("_body"));
                changed.extend(body::clean(&mut redactor, name, &kind, value).map(|clean| (at, clean)));
            } else if value.as_bytes().starts_with(b"\"") {
                let text: String = value.decode().unwrap_or_default();
                changed.push((at, quoted(&redactor.echo(name, &text))));
            } else if let Some(clean) = redaction.frame(value.as_bytes()) {
                redactor.redacted.push(name.to_owned());
                changed.push((at, clean.text));
            }
        }
        found = std::mem::take(&mut redactor.redacted);
    }
    let text = (!found.is_empty()).then(|| entry.rewritten(changed, &found));
    Ok(Cleaned { seq: entry.seq, text, found })
}

/// Replaces the data in a line.
pub(super) fn anonymize(line: &[u8], anonymizer: &mut Anonymizer) -> Result<Option<Vec<u8>>, &'static str> {
    let entry = Entry::read(line)?;
    if entry.is_http {
        return Ok(entry.without_bodies());
    }
    let Some((at, message)) = entry.message() else { return Ok(None) };
    let Some(text) = anonymizer.frame(entry.conn, entry.from_client, &message) else { return Ok(None) };
    Ok(Some(entry.rewritten(vec![(at, entry.written(at, &text))], &[])))
}

/// Hands the message of a line to whoever wants to know its data.
pub(super) fn collect(line: &[u8], anonymizer: &mut Anonymizer) -> Result<(), &'static str> {
    let entry = Entry::read(line)?;
    if let Some((_, message)) = entry.message() {
        anonymizer.collect(entry.conn, entry.from_client, &message);
    }
    Ok(())
}

/// A line, its members in order.
struct Entry<'l> {
    members: Vec<(Cow<'l, str>, Raw<'l>)>,
    seq: u64,
    conn: u64,
    is_frame: bool,
    is_http: bool,
    from_client: bool,
}

impl<'l> Entry<'l> {
    fn read(line: &'l [u8]) -> Result<Self, &'static str> {
        let value = Raw::new(line).map_err(|_| "it is not JSON")?;
        let members: Vec<_> = members(value).collect();
        let number = |name: &str| {
            let found = members.iter().find(|(found, _)| found == name);
            found.and_then(|(_, value)| value.as_integer()).unwrap_or_default()
        };
        let says = |name: &str, text: &[u8]| {
            members.iter().any(|(found, value)| found == name && value.as_bytes() == text)
        };
        let (seq, conn) = (number("seq"), number("conn"));
        let (is_frame, from_client) = (says("kind", b"\"frame\""), says("from", b"\"client\""));
        let is_http = says("kind", b"\"http\"");
        Ok(Self { members, seq, conn, is_frame, is_http, from_client })
    }

    /// Returns the media type of a body, from the headers called `part`.
    fn media_type(&self, part: &str) -> String {
        let headers = self.members.iter().find(|(name, _)| name == part);
        let headers: Vec<(String, String)> =
            headers.and_then(|(_, headers)| headers.decode().ok()).unwrap_or_default();
        let kind = headers.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        kind.map(|(_, kind)| kind).unwrap_or_default()
    }

    /// Returns the line with no more of its bodies than their sizes, if there are any.
    fn without_bodies(&self) -> Option<Vec<u8>> {
        let bodies = self.members.iter().enumerate();
        let bodies = bodies.filter(|(_, (name, _))| matches!(&**name, "request_body" | "response_body"));
        let sizes: Vec<_> =
            bodies.filter_map(|(at, (_, value))| Some((at, body::size_only(*value)?))).collect();
        (!sizes.is_empty()).then(|| self.rewritten(sizes, &[]))
    }

    /// Returns the message of a frame, and which member has it.
    fn message(&self) -> Option<(usize, Cow<'l, [u8]>)> {
        if !self.is_frame {
            return None;
        }
        self.members.iter().enumerate().find_map(|(at, (name, value))| {
            let message = match &**name {
                "json" => Cow::Borrowed(value.as_bytes()),
                "text" => Cow::Owned(value.decode::<String>().ok()?.into_bytes()),
                "base64" => Cow::Owned(STANDARD.decode(value.decode::<String>().ok()?).ok()?),
                _ => return None,
            };
            Some((at, message))
        })
    }

    /// Returns a message in the form of the member that had it.
    fn written(&self, at: usize, message: &[u8]) -> Vec<u8> {
        match &*self.members[at].0 {
            "base64" => quoted(&STANDARD.encode(message)),
            "json" if is_json_line(message) => message.to_vec(),
            _ => quoted(&String::from_utf8_lossy(message)),
        }
    }

    /// Writes the line with other values, and with what was found in its list.
    fn rewritten(&self, mut changed: Vec<(usize, Vec<u8>)>, found: &[String]) -> Vec<u8> {
        let listed = self.members.iter().find(|(name, _)| name == "redacted");
        let mut list: Vec<String> = listed.and_then(|(_, list)| list.decode().ok()).unwrap_or_default();
        for what in found {
            if !list.contains(what) {
                list.push(what.clone());
            }
        }
        // The header has no list: its version says what is in it.
        let list = (!list.is_empty() && self.seq > 0).then(|| serde_json::json!(list).to_string());
        let mut out = b"{".to_vec();
        let mut write = |name: &str, value: &[u8]| {
            out.extend_from_slice(if out.len() > 1 { b"," } else { b"" });
            out.extend_from_slice(&quoted(name));
            out.push(b':');
            out.extend_from_slice(value);
        };
        let mut unwritten = list.as_deref();
        for (at, (name, value)) in self.members.iter().enumerate() {
            if name == "redacted" {
                continue;
            }
            // In frames the message comes last, so that a glance at the line shows what was replaced in it.
            if self.is_frame
                && matches!(&**name, "json" | "text" | "base64" | "bytes")
                && let Some(list) = unwritten.take()
            {
                write("redacted", list.as_bytes());
            }
            match changed.iter_mut().find(|(place, _)| *place == at) {
                Some((_, new)) => write(name, new),
                None => write(name, value.as_bytes()),
            }
        }
        if let Some(list) = unwritten {
            write("redacted", list.as_bytes());
        }
        out.push(b'}');
        out
    }
}

pub(super) fn quoted(text: &str) -> Vec<u8> {
    serde_json::Value::from(text).to_string().into_bytes()
}
