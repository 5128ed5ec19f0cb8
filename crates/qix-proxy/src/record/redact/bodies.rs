//! Takes secrets out of the bodies of plain HTTP: JSON as frames, forms by their parameters, pages by their fields, all else by
//! what texts look like.

use std::{borrow::Cow, ops::Range};

use percent_encoding::percent_decode_str;
use qix_protocol::frame::Raw;
use qix_transport::{is_secret_parameter, redact_url_where};

use super::{
    MASK, Redacted, Redaction, Redactor, names,
    texts::{self, Kind, masked},
};

impl Redactor<'_> {
    /// Returns what to record instead of a body of the media type `kind`, if it has secrets in it; `part` says in the list which it is.
    pub(crate) fn body(&mut self, part: &str, kind: &str, body: &[u8]) -> Option<Vec<u8>> {
        let mut clean = self.redaction.body(kind, body).map(|Redacted { text, redacted }| {
            redacted.iter().for_each(|name| self.list(format!("{part}.{name}")));
            text
        });
        for secret in self.in_bodies() {
            let text = clean.as_deref().unwrap_or(body);
            let found: Vec<_> = memchr::memmem::find_iter(text, secret.as_bytes()).collect();
            if !found.is_empty() {
                clean = Some(without(text, &found, secret.len()));
                self.list(format!("{part}.text"));
            }
        }
        clean
    }
}

fn without(text: &[u8], places: &[usize], length: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut copied = 0;
    for at in places {
        out.extend_from_slice(&text[copied..*at]);
        out.extend_from_slice(MASK.as_bytes());
        copied = at + length;
    }
    out.extend_from_slice(&text[copied..]);
    out
}

impl Redaction {
    fn body(&self, kind: &str, body: &[u8]) -> Option<Redacted> {
        let kind = kind.to_ascii_lowercase();
        if !self.0.on {
            return None;
        }
        let is_page = ["html", "script", "css", "multipart/"].iter().any(|word| kind.contains(word));
        let is_form = kind.starts_with("application/x-www-form-urlencoded");
        let opens = body.trim_ascii_start().first().is_some_and(|first| matches!(first, b'{' | b'['));
        // What curl sends is called a form, whatever it is.
        if kind.contains("json") || opens && !is_page && (!is_form || Raw::new(body).is_ok()) {
            return self.frame(body);
        }
        let is_suspect = self.0.search.next(body, 0).is_some() || self.0.rules.reads_all();
        // Fields have names that mean nothing elsewhere.
        let has_inputs =
            || ["nput", "NPUT"].iter().any(|tag| memchr::memmem::find(body, tag.as_bytes()).is_some());
        let has_fields = is_form || kind.starts_with("multipart/") || kind.contains("html") && has_inputs();
        if !has_fields && !is_suspect {
            return None;
        }
        let clean = |text: &str| if is_form { self.form(text) } else { self.page(&kind, text, is_suspect) };
        if let Ok(text) = std::str::from_utf8(body) {
            return clean(text);
        }
        // Each byte stands for the character of its number, so that the others come back as they were.
        let text: String = body.iter().copied().map(char::from).collect();
        let Redacted { text, redacted } = clean(&text)?;
        let text = String::from_utf8_lossy(&text).chars().map(|c| u8::try_from(c).unwrap_or(b'*')).collect();
        Some(Redacted { text, redacted })
    }

    fn is_field(&self, name: &str) -> bool {
        is_secret_parameter(name)
            || names::is_secret_word(name)
            || self.is_query(name)
            || self.is_member(name)
    }

    /// Cleans the parameters of a form.
    fn form(&self, text: &str) -> Option<Redacted> {
        let (mut out, mut redacted) = (String::with_capacity(text.len()), Vec::new());
        for (at, pair) in text.split('&').enumerate() {
            out.push_str(if at > 0 { "&" } else { "" });
            let Some((name, value)) = pair.split_once('=') else {
                let clean = self.text(pair);
                if clean != pair {
                    redacted.push("text".to_owned());
                }
                out.push_str(&clean);
                continue;
            };
            let plain =
                |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            let query = |name: &str| self.is_query(name);
            let clean = || {
                let clean = redact_url_where(value, &query);
                let text = plain(&clean);
                if self.text(&text) == text { clean } else { MASK.to_owned() }
            };
            let name_text = plain(name);
            let secret = self.is_field(name_text.trim()) && !value.is_empty();
            let clean = if secret { MASK.to_owned() } else { clean() };
            if clean != value {
                redacted.push(name_text);
            }
            out.extend([name, "=", &clean]);
        }
        (!redacted.is_empty()).then(|| Redacted { text: out.into_bytes(), redacted })
    }

    /// Cleans a text of any kind; if nothing in it `is_suspect`, only its fields.
    fn page(&self, kind: &str, text: &str, is_suspect: bool) -> Option<Redacted> {
        let mut edits = self.fields(text);
        if kind.starts_with("multipart/") {
            edits.extend(self.parts(text));
            edits.sort_unstable_by_key(|edit| edit.start);
        }
        let first = masked(text, &edits);
        let query = |name: &str| self.is_query(name);
        let is = match kind {
            kind if kind.contains("script") || kind.contains("css") => Kind::Script,
            kind if kind.contains("html") => Kind::Page,
            _ => Kind::Loose,
        };
        let clean = |text| texts::clean(text, &query, &self.0.rules.texts, is).map(Cow::into_owned);
        let then = if is_suspect { clean(first.as_deref().unwrap_or(text)) } else { None };
        let text = then.or(first)?;
        Some(Redacted { text: text.into(), redacted: vec!["text".to_owned()] })
    }

    /// Returns where values of fields with secret names stand in tags, as in `<input name="csrf_token" value="…">`.
    fn fields(&self, text: &str) -> Vec<Range<usize>> {
        let mut edits = Vec::new();
        for (at, _) in text.match_indices('<') {
            if !text.as_bytes().get(at + 1).is_some_and(u8::is_ascii_alphabetic) {
                continue;
            }
            let (mut secret, mut values) = (false, Vec::new());
            for (name, value) in attributes(text, at + 1) {
                let said = &text[value.clone()];
                match &*name.to_ascii_lowercase() {
                    "name" | "id" | "property" => secret |= self.is_field(said),
                    "type" => secret |= said.eq_ignore_ascii_case("password"),
                    "value" | "content" if !said.is_empty() => values.push(value),
                    _ => {}
                }
            }
            edits.extend(values.into_iter().filter(|_| secret));
        }
        edits
    }

    /// Returns where values of parts with secret names stand in a `multipart/form-data` body.
    fn parts(&self, text: &str) -> Vec<Range<usize>> {
        const NAME: &str = "name=\"";

        let first = text.lines().next().filter(|line| line.starts_with("--"));
        let delimiter = format!("\r\n{}", first.unwrap_or("--"));
        let (mut edits, mut at) = (Vec::new(), 0);
        while let Some(found) = text[at..].find(NAME) {
            at += found + NAME.len();
            let name = &text[at..];
            let Some(end) = name.find(['"', '\r']) else { break };
            if !self.is_field(&name[..end]) {
                continue;
            }
            let Some(head) = text[at..].find("\r\n\r\n") else { break };
            let value = at + head + 4;
            at = text[value..].find(&delimiter).map_or(text.len(), |end| value + end);
            edits.push(value..at);
        }
        edits
    }
}

/// Returns names and places of the values of a tag's attributes; `start` is where the tag's name begins.
fn attributes(text: &str, start: usize) -> Vec<(&str, Range<usize>)> {
    /// More is no tag of a form.
    const LONGEST: usize = 8 << 10;

    let bytes = &text.as_bytes()[..text.len().min(start + LONGEST)];
    let skip = |at: usize, of: &dyn Fn(u8) -> bool| {
        at + bytes[at.min(bytes.len())..].iter().take_while(|byte| of(**byte)).count()
    };
    let of_name = |byte: u8| !byte.is_ascii_whitespace() && !matches!(byte, b'=' | b'>' | b'<' | b'/');
    let is_blank = |byte: u8| byte.is_ascii_whitespace() || byte == b'/';
    let mut found = Vec::new();
    let mut at = skip(start, &of_name);
    loop {
        at = skip(at, &is_blank);
        let end = skip(at, &of_name);
        let sign = skip(end, &|byte| byte.is_ascii_whitespace());
        if end == at {
            return found;
        }
        let name = at..end;
        at = end;
        if bytes.get(sign) != Some(&b'=') {
            continue;
        }
        let value = skip(sign + 1, &|byte| byte.is_ascii_whitespace());
        let range = match bytes.get(value) {
            Some(quote @ (b'"' | b'\'')) => value + 1..skip(value + 1, &|byte| byte != *quote),
            _ => value..skip(value, &|byte| !byte.is_ascii_whitespace() && !matches!(byte, b'<' | b'>')),
        };
        at = range.end + usize::from(range.start > value);
        // The limit may fall within a character.
        if text.is_char_boundary(range.end) && text.is_char_boundary(name.end) {
            found.push((&text[name], range));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JWT: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ.c2ln";

    fn clean(kind: &str, body: &str, expected: &str) -> Vec<String> {
        let redaction = Redaction::standard();
        let found = redaction.body(kind, body.as_bytes());
        let (text, redacted) = match found {
            Some(Redacted { text, redacted }) => (String::from_utf8(text).unwrap(), redacted),
            None => (body.to_owned(), Vec::new()),
        };
        assert_eq!(text, expected);
        assert_eq!(redaction.body(kind, text.as_bytes()), None, "cleaning twice changes nothing");
        redacted
    }

    #[test]
    fn forms_are_cleaned_by_the_names_of_their_parameters() {
        let listed = clean(
            "application/x-www-form-urlencoded; charset=UTF-8",
            "user=ada&pass%57ord=p%26w&pwd=x&empty=&token=&reloadUri=http%3A%2F%2Fh%2F%3FqlikTicket%3Dt&SAMLResponse=PHg%2B",
            "user=ada&pass%57ord=***&pwd=***&empty=&token=&reloadUri=http%3A%2F%2Fh%2F%3FqlikTicket%3D***&SAMLResponse=***",
        );
        assert_eq!(listed, ["passWord", "pwd", "reloadUri", "SAMLResponse"]);
        let hidden = format!("note=see+Bearer+s3cret-1&x={JWT}&y=2");
        clean("application/x-www-form-urlencoded", &hidden, "note=***&x=***&y=2");
    }

    #[test]
    fn json_is_cleaned_as_frames_are() {
        let body = r#"{"access_token":"s3cret","expires_in":3600,"scope":["a"]}"#;
        let expected = r#"{"access_token":"***","expires_in":3600,"scope":["a"]}"#;
        assert_eq!(clean("application/json", body, expected), ["access_token"]);
        assert_eq!(clean("", body, expected), ["access_token"], "whatever it is called");
        let cut = r#"{"a":"b","password":"s3cr"#;
        assert_eq!(clean("application/json", cut, r#"{"a":"b","password":"***"#), ["text"]);
    }

    #[test]
    fn fields_of_pages_are_cleaned_and_scripts_stay_readable() {
        for (page, expected) in [
            (
                r#"<input type="hidden" name="csrf_token" value="s3cret">"#,
                r#"<input type="hidden" name="csrf_token" value="***">"#,
            ),
            ("<INPUT VALUE='s3cret' NAME=_csrf />", "<INPUT VALUE='***' NAME=_csrf />"),
            ("<input name=token value=s3cret>", "<input name=token value=***>"),
            (r#"<meta name="csrf-token" content="s3cret"/>"#, r#"<meta name="csrf-token" content="***"/>"#),
            (
                r#"<input name="p" type="password" value="s3cret">"#,
                r#"<input name="p" type="password" value="***">"#,
            ),
            (
                r#"<form><input name="q" value="shown"> token</form>"#,
                r#"<form><input name="q" value="shown"> token</form>"#,
            ),
            ("<input name=\"token\" value=\"s3cr", "<input name=\"token\" value=\"***"),
            ("<b token", "<b token"),
        ] {
            clean("text/html", page, expected);
        }
        let script = r#"define(["OpenDoc","qUserName"],function(a){return a.password})"#;
        clean("application/javascript", script, script);
    }

    #[test]
    fn scripts_stay_programs_and_lose_the_secrets_in_their_strings_and_comments() {
        for (script, expected) in [
            ("a={email:!0,password:!0,number:!0}", "a={email:!0,password:!0,number:!0}"),
            ("E={NO_TOKEN:5009,X:6e3};t.token=e.token;", "E={NO_TOKEN:5009,X:6e3};t.token=e.token;"),
            (r#"c({password:"s3cret",token:'s3cret'})"#, r#"c({password:"***",token:'***'})"#),
            (r#"c("Server=x;PWD=s3cret",y)"#, r#"c("Server=x;PWD=***",y)"#),
            ("c(`PWD=s3cret`)//password=s3cret", "c(`PWD=***`)//password=***"),
            ("/*password:s3cret*/d", "/*password:****/d"),
        ] {
            clean("text/javascript; charset=utf-8", script, expected);
            let page = |script: &str| format!("<p>password: s3cret</p><SCRIPT async>{script}</script>");
            let outside = |script: &str| page(script).replacen("s3cret", "***", 1);
            clean("text/html", &page(script), &outside(expected));
        }
    }

    #[test]
    fn parts_of_uploads_are_cleaned_by_name() {
        let part = |name: &str, value: &str| {
            format!("--b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body =
            |secret: &str| part("file", "x") + &part("password", secret) + &part("y", "z") + "--b--\r\n";
        clean("multipart/form-data; boundary=b", &body("s3cret\r\nline"), &body("***"));
    }

    #[test]
    fn forms_in_other_encodings_than_utf8_are_cleaned_all_the_same() {
        let body = b"user=Ren\xe9&password=s3cret&x=1";
        let found = Redaction::standard().body("application/x-www-form-urlencoded", body).unwrap();
        assert_eq!(found.text, b"user=Ren\xe9&password=***&x=1");
        assert_eq!(found.redacted, ["password"]);
    }

    #[test]
    fn json_that_is_called_a_form_is_cleaned_as_json() {
        let form = "application/x-www-form-urlencoded";
        let body = r#"{"user":"a=b&c","password":"s3cret"}"#;
        assert_eq!(clean(form, body, r#"{"user":"a=b&c","password":"***"}"#), ["password"]);
        clean(form, r#"{"user":"a","password":"s3cr"#, r#"{"user":"a","password":"***"#);
        clean(form, "see Bearer s3cret-1", "see Bearer ***");
    }

    #[test]
    fn value_of_a_part_ends_at_the_boundary_and_nowhere_else() {
        let part = "--b1\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\n";
        clean(
            "multipart/form-data; boundary=b1",
            &format!(
                "{part}-----BEGIN X-----\r\nab\r\n-----END X-----\r\n-----BEGIN Y-----\r\ncd\r\n--b1--\r\n"
            ),
            &format!("{part}***\r\n--b1--\r\n"),
        );
    }

    #[test]
    fn login_pages_that_post_themselves_lose_codes_that_only_their_fields_tell() {
        clean(
            "text/html",
            r#"<form method="post"><input type="hidden" name="code" value="s3cret"><input name="state" value="s3cret"></form>"#,
            r#"<form method="post"><input type="hidden" name="code" value="***"><input name="state" value="***"></form>"#,
        );
        let part = "--b\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\n";
        clean(
            "multipart/form-data; boundary=b",
            &format!("{part}s3cret\r\n--b--\r\n"),
            &format!("{part}***\r\n--b--\r\n"),
        );
    }

    #[test]
    fn hostile_bodies_take_no_more_than_their_size_asks_for() {
        // Where each find looks through all the rest, these take minutes.
        const SIZE: usize = 1 << 18;
        let start = std::time::Instant::now();
        let redaction = Redaction::standard();
        for (kind, piece) in [
            ("multipart/form-data", "name=\"token\""),
            ("text/plain", "eyJ"),
            ("application/json", "eyJ"),
            ("text/plain", "token={"),
            ("text/plain", "cookie:{"),
            ("text/plain", "cookie:***"),
            ("text/html", "<a b="),
            ("text/html", "<a b='<a b=\""),
            ("application/x-www-form-urlencoded", "token=eyJ&"),
        ] {
            let body = piece.repeat(SIZE / piece.len());
            let _ = redaction.body(kind, body.as_bytes());
            let _ = redaction.body(kind, format!("{body}\r\n\r\n").as_bytes());
            assert!(start.elapsed().as_secs() < 60, "{kind}: {piece}");
        }
    }

    #[test]
    fn binary_bodies_lose_tokens_and_nothing_else() {
        let body = [b"\x00\xff\xfe" as &[u8], JWT.as_bytes(), b"\x80 Bearer s3cret-1\x00\xe9"].concat();
        let found = Redaction::standard().body("application/octet-stream", &body).unwrap();
        assert_eq!(found.text, b"\x00\xff\xfe***\x80 Bearer ***\x00\xe9");
    }

    #[test]
    fn long_secrets_that_were_sent_are_found_in_bodies_and_short_words_only_if_they_are_ours() {
        use crate::record::Injected;

        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &[]);
        redactor.know(&Injected { headers: Vec::new(), secrets: vec!["our-key".to_owned().into()] });
        redactor.header("request", "cookie", "theme=default; sid=0123456789abcdef");
        let body = b"default our-key 0123456789abcdef";
        let found = redactor.body("response_body", "text/plain", body).unwrap();
        assert_eq!(found, b"default *** ***");
        assert!(redactor.redacted.contains(&"response_body.text".to_owned()));
    }

    proptest::proptest! {
        #[test]
        fn any_page_is_survived(body in "[<>='\" a-z\u{e9}\r\n/-]{0,80}", at in 0..80usize) {
            let mut body = body;
            let at = (0..=at.min(body.len())).rev().find(|at| body.is_char_boundary(*at)).unwrap();
            body.insert_str(at, "<input name=\"token\" value");
            for kind in ["text/html", "multipart/form-data", "application/x-www-form-urlencoded"] {
                let _ = Redaction::standard().body(kind, body.as_bytes());
            }
        }
    }
}
