//! Takes secrets out of what is to be recorded. `docs/recording-format.md` lists them.

use std::{borrow::Cow, ops::Range};

use http::{HeaderMap, HeaderName};
use memchr::memmem;
use qix_protocol::frame::{Raw, elements, members};
use qix_transport::redact_url;

use super::Injected;

/// What stands in the place of a secret.
pub(super) const MASK: &str = "***";

/// Headers whose values are secrets, in lower case. `x-qlik-session` stands for all that begin so: virtual proxies append their name.
const SECRET_HEADERS: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "cookie",
    "set-cookie",
    "x-qlik-ticket",
    "x-qlik-proxysession",
    "x-qlik-user",
    "x-qlik-security",
    "qlik-csrf-token",
];
const SECRET_PREFIX: &str = "x-qlik-session";

/// Headers whose values are URLs, which may hold tickets.
const URL_HEADERS: &[&str] = &["location", "content-location", "referer"];

/// The methods that take a user name, a password and a serial number, and where.
const METHODS: [&str; 2] = ["OpenDoc", "CreateDocEx"];
const SECRET_PARAMS: [(usize, &str); 3] = [(1, "qUserName"), (2, "qPassword"), (3, "qSerial")];

/// Secrets shorter than this are not looked for in other texts: they would be found everywhere.
const SHORTEST_ECHO: usize = 6;

/// Removes secrets from headers and URLs, and remembers what it removed.
#[derive(Debug)]
pub(super) struct Redactor<'a> {
    /// Further headers whose values are secrets.
    more: &'a [HeaderName],
    /// Those of this upgrade.
    injected: Vec<HeaderName>,
    /// What was replaced, as the entry lists it.
    pub(super) redacted: Vec<String>,
    /// The secrets themselves.
    found: Vec<String>,
}

impl<'a> Redactor<'a> {
    pub(super) fn new(more: &'a [HeaderName]) -> Self {
        Self { more, injected: Vec::new(), redacted: Vec::new(), found: Vec::new() }
    }

    /// Learns what a proxy has added to the client's request.
    pub(super) fn know(&mut self, injected: &Injected) {
        self.injected.extend_from_slice(&injected.headers);
        for secret in &injected.secrets {
            self.remember(secret.expose());
        }
    }

    /// Returns `url` without its secrets; `name` says in the list what it is.
    pub(super) fn url(&mut self, name: &str, url: &str) -> String {
        let clean = redact_url(url);
        if clean != url {
            self.list(name.to_owned());
            let values = url.split(['?', '&', '=', '#']).filter(|part| !clean.contains(part));
            self.found.extend(values.map(str::to_owned));
        }
        clean
    }

    /// Returns `headers` without their secrets; `part` is `request` or `response`.
    pub(super) fn headers(&mut self, part: &str, headers: &HeaderMap) -> Vec<(String, String)> {
        let clean = |(name, value): (&HeaderName, &http::HeaderValue)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            let listed = format!("{part}.{name}");
            let text = if self.is_secret(name) && !text.is_empty() {
                self.remember(&text);
                self.list(listed);
                MASK.to_owned()
            } else if URL_HEADERS.contains(&name.as_str()) {
                let clean = self.url(&listed, &text);
                self.echo(&listed, &clean).into_owned()
            } else if part == "response" {
                self.echo(&listed, &text).into_owned()
            } else {
                text.into_owned()
            };
            (name.as_str().to_owned(), text)
        };
        headers.iter().map(clean).collect()
    }

    /// Returns `text` without the secrets that were found so far, for a server may repeat them in what it says.
    pub(super) fn echo<'t>(&mut self, name: &str, text: &'t str) -> Cow<'t, str> {
        let mut clean = Cow::Borrowed(text);
        for secret in &self.found {
            if clean.contains(secret.as_str()) {
                clean = Cow::Owned(clean.replace(secret.as_str(), MASK));
            }
        }
        if clean != text {
            self.list(name.to_owned());
        }
        clean
    }

    fn is_secret(&self, name: &HeaderName) -> bool {
        let text = name.as_str();
        SECRET_HEADERS.contains(&text)
            || text.starts_with(SECRET_PREFIX)
            || self.more.contains(name)
            || self.injected.contains(name)
    }

    /// Keeps a header's value, and the token in it if it is of the form `scheme token` or `name=token; …`.
    fn remember(&mut self, value: &str) {
        let parts =
            value.split([' ', ';', ',']).map(|part| part.split_once('=').map_or(part, |(_, token)| token));
        let parts = parts.chain([value]).filter(|part| part.len() >= SHORTEST_ECHO);
        self.found.extend(parts.map(str::to_owned));
        // The longest first, so that none is replaced in part.
        self.found.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn list(&mut self, name: String) {
        if !self.redacted.contains(&name) {
            self.redacted.push(name);
        }
    }
}

/// A message without its secrets, and what was replaced.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Redacted {
    pub(crate) text: Vec<u8>,
    pub(crate) redacted: Vec<String>,
}

/// Finds the requests that carry secrets. Made once, for the searchers are prepared.
#[derive(Debug)]
pub(crate) struct RequestRedactor {
    methods: [memmem::Finder<'static>; 2],
    escape: memmem::Finder<'static>,
}

impl RequestRedactor {
    pub(crate) fn new() -> Self {
        Self { methods: METHODS.map(memmem::Finder::new), escape: memmem::Finder::new("\\u00") }
    }

    /// Returns what to record instead of a client's message, if it has secrets in it.
    ///
    /// A message that names one of the methods but cannot be read as JSON is replaced whole: what is where in it, nobody can say.
    pub(crate) fn clean(&self, text: &[u8]) -> Option<Redacted> {
        let named = self.methods.iter().any(|method| method.find(text).is_some());
        // A name may be written with escapes, though no client is known that does.
        if !named && self.escape.find(text).is_none() {
            return None;
        }
        let mut secrets = Vec::new();
        match Raw::new(text) {
            Ok(value) => requests(value, &mut secrets),
            Err(_) if quotes_a_method(text) => {
                return Some(Redacted { text: MASK.into(), redacted: vec!["text".to_owned()] });
            }
            Err(_) => {}
        }
        if secrets.is_empty() {
            return None;
        }
        let mut clean = Vec::with_capacity(text.len());
        let mut redacted = Vec::new();
        let mut copied = 0;
        let base = text.as_ptr().addr();
        secrets.sort_unstable_by_key(|(value, _)| value.as_ptr().addr());
        for (value, name) in secrets {
            let Range { start, end } = value.as_ptr_range();
            clean.extend_from_slice(&text[copied..start.addr() - base]);
            clean.extend_from_slice(b"\"***\"");
            copied = end.addr() - base;
            if !redacted.contains(&name) {
                redacted.push(name);
            }
        }
        clean.extend_from_slice(&text[copied..]);
        Some(Redacted { text: clean, redacted })
    }
}

/// Collects the secrets of a request, or of a batch of them, as parts of the text with their names.
fn requests<'a>(value: Raw<'a>, secrets: &mut Vec<(&'a [u8], String)>) {
    if value.as_bytes().starts_with(b"[") {
        for item in elements(value) {
            request(item, secrets);
        }
    } else {
        request(value, secrets);
    }
}

fn request<'a>(value: Raw<'a>, secrets: &mut Vec<(&'a [u8], String)>) {
    let is_one = |(name, value): (Cow<'_, str>, Raw<'_>)| {
        name == "method" && value.decode::<Cow<'_, str>>().is_ok_and(|method| METHODS.contains(&&*method))
    };
    if !members(value).any(is_one) {
        return;
    }
    // Members may be repeated, and engines differ in which one counts.
    for (_, params) in members(value).filter(|(name, _)| name == "params") {
        for (at, value) in elements(params).enumerate() {
            if SECRET_PARAMS.iter().any(|(secret, _)| *secret == at) {
                keep(value, at.to_string(), secrets);
            }
        }
        for (name, value) in members(params) {
            if SECRET_PARAMS.iter().any(|(_, secret)| *secret == name) {
                keep(value, name.into_owned(), secrets);
            }
        }
    }
}

fn keep<'a>(value: Raw<'a>, name: String, secrets: &mut Vec<(&'a [u8], String)>) {
    if !matches!(value.as_bytes(), b"\"\"" | b"null" | b"\"***\"") {
        secrets.push((value.as_bytes(), format!("params.{name}")));
    }
}

fn quotes_a_method(text: &[u8]) -> bool {
    METHODS.iter().any(|method| memmem::find(text, format!("\"{method}\"").as_bytes()).is_some())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn clean(text: &str) -> Option<(String, Vec<String>)> {
        let found = RequestRedactor::new().clean(text.as_bytes())?;
        Some((String::from_utf8(found.text).unwrap(), found.redacted))
    }

    #[test]
    fn text_that_is_not_utf8_is_cleaned_all_the_same() {
        let text = b"{\"method\":\"OpenDoc\",\"params\":[\"Sal\xffes\",\"me\",\"s3cret\"]}";
        let found = RequestRedactor::new().clean(text).unwrap();
        assert_eq!(found.redacted, ["params.1", "params.2"]);
        assert!(memmem::find(&found.text, b"s3cret").is_none());
    }

    #[test]
    fn every_secret_header_is_replaced_and_listed() {
        let more = [HeaderName::from_static("x-my-key")];
        let mut headers = HeaderMap::new();
        for name in SECRET_HEADERS.iter().chain(&["x-qlik-session", "x-qlik-session-sales", "x-my-key"]) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("s3cret-value"));
        }
        headers.append("user-agent", HeaderValue::from_static("test"));
        headers.append("location", HeaderValue::from_static("https://h/?qlikTicket=s3cret-value&x=1"));
        let mut redactor = Redactor::new(&more);
        let clean = redactor.headers("request", &headers);
        assert!(!format!("{clean:?}").contains("s3cret"), "{clean:?}");
        assert_eq!(redactor.redacted.len(), SECRET_HEADERS.len() + 4);
        assert!(clean.contains(&("user-agent".to_owned(), "test".to_owned())));
        assert!(clean.contains(&("location".to_owned(), "https://h/?qlikTicket=***&x=1".to_owned())));
    }

    #[test]
    fn empty_secrets_are_not_listed() {
        let mut headers = HeaderMap::new();
        headers.append("x-qlik-user", HeaderValue::from_static(""));
        let mut redactor = Redactor::new(&[]);
        assert_eq!(redactor.headers("request", &headers), [("x-qlik-user".to_owned(), String::new())]);
        assert!(redactor.redacted.is_empty());
    }

    #[test]
    fn secrets_repeated_in_a_body_are_replaced() {
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("Bearer abc.def.ghi"));
        headers.append("cookie", HeaderValue::from_static("a=1; X-Qlik-Session=0123-4567"));
        let mut redactor = Redactor::new(&[]);
        redactor.headers("request", &headers);
        redactor.url("url", "/app/x?qlikTicket=ticket99&y=1");
        let body = "bad token abc.def.ghi, session 0123-4567, ticket ticket99, 1";
        assert_eq!(redactor.echo("body", body), "bad token ***, session ***, ticket ***, 1");
        assert!(redactor.redacted.contains(&"body".to_owned()));
    }

    #[test]
    fn passwords_are_replaced_by_position() {
        let text = r#"{"method":"OpenDoc","handle":-1,"params":["Sales", "ada" ,"p\"w","",true],"id":1}"#;
        let expected = r#"{"method":"OpenDoc","handle":-1,"params":["Sales", "***" ,"***","",true],"id":1}"#;
        assert_eq!(
            clean(text).unwrap(),
            (expected.to_owned(), vec!["params.1".to_owned(), "params.2".to_owned()])
        );
    }

    #[test]
    fn passwords_are_replaced_by_name_wherever_they_stand() {
        let text = r#"{"params":{"qPassword":"x","qDocName":"a","qSerial":1234,"qUserName":null},"method":"CreateDocEx"}"#;
        let (text, redacted) = clean(text).unwrap();
        assert_eq!(
            text,
            r#"{"params":{"qPassword":"***","qDocName":"a","qSerial":"***","qUserName":null},"method":"CreateDocEx"}"#
        );
        assert_eq!(redacted, ["params.qPassword", "params.qSerial"]);
    }

    #[test]
    fn passwords_are_found_in_odd_spellings() {
        for text in [
            r#"{"method":"\u004fpenDoc","params":["a","","s3cret"]}"#,
            r#"{"method":"OpenDoc","params":{"\u0071Password":"s3cret"}}"#,
            r#"{"method":"OpenDoc","params":[],"params":["a","s3cret"]}"#,
            r#"[{"method":"GetDocList"},{"method":"OpenDoc","params":["a","s3cret"]}]"#,
            "{\n\"method\" : \"OpenDoc\",\n\"params\" : [\"a\",\n\"s3cret\"]}",
            r#"{"method":"OpenDoc","params":["a","s3cret"]"#,
            r#"{"method":"OpenDoc","params":["a",{"b":"s3cret"}]}"#,
        ] {
            assert!(!clean(text).unwrap().0.contains("s3cret"), "{text}");
        }
    }

    #[test]
    fn messages_without_secrets_are_left_alone() {
        for text in [
            r#"{"method":"OpenDoc","params":["Sales"]}"#,
            r#"{"method":"OpenDoc","params":["Sales","","",""]}"#,
            r#"{"method":"OpenDoc"}"#,
            r#"{"method":"Evaluate","params":["OpenDoc","a","b"]}"#,
            r#"{"method":"GetObject","params":["\u00e9","b","c"]}"#,
            "OpenDoc failed",
            r#"{"method":"OpenDoc","params":["a","***"]}"#,
        ] {
            assert_eq!(clean(text), None, "{text}");
        }
    }
}
