//! Cleans the bodies of plain HTTP in a recording.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use qix_protocol::{
    frame::{Raw, members},
    is_json_line,
};

use super::line::quoted;
use crate::record::Redactor;

/// Returns a body, as its entry has it, without its secrets, if it has any. `part` is its name, `kind` its media type.
pub(super) fn clean(redactor: &mut Redactor<'_>, part: &str, kind: &str, body: Raw<'_>) -> Option<Vec<u8>> {
    let (content, text) = members(body).find_map(|(name, value)| {
        let text = match &*name {
            "json" => value.as_bytes().to_vec(),
            "text" => value.decode::<String>().ok()?.into_bytes(),
            "base64" => STANDARD.decode(value.decode::<String>().ok()?).ok()?,
            _ => return None,
        };
        Some((name, text))
    })?;
    let clean = redactor.body(part, kind, &text)?;
    let (name, clean) = match &*content {
        "json" if is_json_line(&clean) => ("json", clean),
        "base64" => ("base64", quoted(&STANDARD.encode(clean))),
        _ => ("text", quoted(&String::from_utf8_lossy(&clean))),
    };
    let mut out = facts(body);
    out.extend([b",\"", name.as_bytes(), b"\":", &clean, b"}"].concat());
    Some(out)
}

/// Returns a body without what it says; `None` if it says nothing.
pub(super) fn size_only(body: Raw<'_>) -> Option<Vec<u8>> {
    members(body).any(|(name, _)| is_content(&name)).then(|| [facts(body), b"}".to_vec()].concat())
}

/// Returns the beginning of a body: what is said of it.
fn facts(body: Raw<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in members(body).filter(|(name, _)| !is_content(name)) {
        out.extend_from_slice(if out.is_empty() { b"{" } else { b"," });
        out.extend([quoted(&name), b":".to_vec(), value.as_bytes().to_vec()].concat());
    }
    out
}

fn is_content(name: &str) -> bool {
    matches!(name, "json" | "text" | "base64")
}

#[cfg(test)]
mod tests {
    use super::{super::line, *};
    use crate::record::Redaction;

    fn clean_line(line: &str) -> (Option<String>, Vec<String>) {
        let found = line::clean(line.as_bytes(), &Redaction::standard()).unwrap();
        (found.text.map(|text| String::from_utf8(text).unwrap()), found.found)
    }

    const START: &str = r#"{"seq":1,"t":2,"kind":"http","method":"POST","url":"/x","status":200,"request":[["content-type","application/x-www-form-urlencoded"]],"response":[["content-type","image/png"]],"took":9"#;

    #[test]
    fn bodies_of_every_form_lose_their_secrets() {
        let png = STANDARD.encode(b"\xff Bearer s3cret-1 \xfe");
        let line = format!(
            r#"{START},"request_body":{{"bytes":12,"text":"user=a&pwd=s3cret"}},"response_body":{{"bytes":9,"cut":true,"base64":"{png}"}}}}"#
        );
        let (text, found) = clean_line(&line);
        let text = text.unwrap();
        assert_eq!(found, ["request_body.pwd", "response_body.text"]);
        let png = STANDARD.encode(b"\xff Bearer *** \xfe");
        assert!(
            text.contains(r#""request_body":{"bytes":12,"text":"user=a&pwd=***"},"#)
                && text.contains(&format!(r#""response_body":{{"bytes":9,"cut":true,"base64":"{png}"}}"#))
                && text.ends_with(r#""redacted":["request_body.pwd","response_body.text"]}"#),
            "{text}"
        );
        assert_eq!(clean_line(&text), (None, Vec::new()), "scrubbing twice changes nothing");
        let json =
            format!(r#"{START},"response_body":{{"bytes":12,"json":{{"token":"s3cret","a":1e400}}}}}}"#);
        let (text, _) = clean_line(&json);
        assert!(text.unwrap().contains(r#""json":{"token":"***","a":1e400}}"#));
    }

    #[test]
    fn anonymised_bodies_are_only_counted() {
        let line = format!(
            r#"{START},"request_body":{{"bytes":12,"text":"user=ada"}},"response_body":{{"bytes":9}}}}"#
        );
        let mut anonymizer = crate::scrub::Anonymizer::new(false);
        let text = line::anonymize(line.as_bytes(), &mut anonymizer).unwrap().unwrap();
        let expected = format!(r#"{START},"request_body":{{"bytes":12}},"response_body":{{"bytes":9}}}}"#);
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert!(line::anonymize(expected.as_bytes(), &mut anonymizer).unwrap().is_none());
    }
}
