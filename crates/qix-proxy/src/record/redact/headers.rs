//! Takes secrets out of the upgrade of a connection: URLs, headers, and what is repeated of them.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::{MASK, Redaction, names};
use crate::record::Injected;

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
    "x-qlik-xrfkey",
    "qlik-csrf-token",
];
const SECRET_PREFIX: &str = "x-qlik-session";

/// Headers whose values are URLs, which may hold tickets.
const URL_HEADERS: &[&str] = &["location", "content-location", "referer"];

/// Secrets shorter than this are not looked for in other texts: they would be found everywhere.
const SHORTEST_ECHO: usize = 6;
/// As above, in whole bodies, for what the client has sent: cookies have words like `default` in them.
const SHORTEST_IN_BODY: usize = 16;

/// Removes secrets from headers and URLs, and remembers what it removed.
#[derive(Debug)]
pub(crate) struct Redactor<'a> {
    pub(super) redaction: &'a Redaction,
    /// Further headers whose values are secrets.
    more: &'a [HeaderName],
    /// Those of this upgrade.
    injected: Vec<HeaderName>,
    /// What was replaced, as the entry lists it.
    pub(crate) redacted: Vec<String>,
    /// The secrets themselves.
    found: Vec<String>,
    /// Those of them that are the proxy's own.
    own: Vec<String>,
}

impl<'a> Redactor<'a> {
    pub(crate) fn new(redaction: &'a Redaction, more: &'a [HeaderName]) -> Self {
        Self {
            redaction,
            more,
            injected: Vec::new(),
            redacted: Vec::new(),
            found: Vec::new(),
            own: Vec::new(),
        }
    }

    /// Learns what a proxy has added to the client's request.
    pub(crate) fn know(&mut self, injected: &Injected) {
        self.injected.extend_from_slice(&injected.headers);
        for secret in &injected.secrets {
            self.remember(secret.expose());
        }
        self.own.clone_from(&self.found);
    }

    /// Returns `url` without its secrets; `name` says in the list what it is.
    pub(crate) fn url(&mut self, name: &str, url: &str) -> String {
        let clean = self.redaction.url(url);
        if clean != url {
            self.list(name.to_owned());
            let values = url.split(['?', '&', '=', '#']);
            let values = values.filter(|part| part.len() >= SHORTEST_ECHO && !clean.contains(part));
            self.found.extend(values.map(str::to_owned));
        }
        clean
    }

    /// Returns `headers` without their secrets; `part` is `request` or `response`.
    pub(crate) fn headers(&mut self, part: &str, headers: &HeaderMap) -> Vec<(String, String)> {
        let clean = |(name, value): (&HeaderName, &http::HeaderValue)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            (name.as_str().to_owned(), self.header(part, name.as_str(), &text))
        };
        headers.iter().map(clean).collect()
    }

    /// Returns the value of a header without its secrets.
    pub(crate) fn header(&mut self, part: &str, name: &str, text: &str) -> String {
        let name = name.to_ascii_lowercase();
        let listed = format!("{part}.{name}");
        if self.is_secret(&name) && !text.is_empty() && text != MASK {
            self.remember(text);
            self.list(listed);
            return MASK.to_owned();
        }
        if URL_HEADERS.contains(&&*name) {
            let clean = self.url(&listed, text);
            return self.echo(&listed, &clean).into_owned();
        }
        if part == "response" {
            return self.echo(&listed, text).into_owned();
        }
        let clean = self.redaction.text(text).into_owned();
        if clean != text {
            self.list(listed);
        }
        clean
    }

    /// Returns `text` without the secrets that were found so far, for a server may repeat them in what it says.
    pub(crate) fn echo<'t>(&mut self, name: &str, text: &'t str) -> Cow<'t, str> {
        let mut clean = self.redaction.text(text);
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

    /// Returns the secrets that are looked for in bodies, the longest first.
    pub(super) fn in_bodies(&self) -> Vec<String> {
        let is_one = |secret: &&String| secret.len() >= SHORTEST_IN_BODY || self.own.contains(secret);
        self.found.iter().filter(is_one).cloned().collect()
    }

    fn is_secret(&self, name: &str) -> bool {
        let known = SECRET_HEADERS.contains(&name)
            || name.starts_with(SECRET_PREFIX)
            || names::is_secret_word(name)
            || self.redaction.0.rules.headers.iter().any(|own| own.as_str() == name);
        // What the proxy was told to send is its own, and stays out of every recording.
        let mut own = self.more.iter().chain(&self.injected);
        known && self.redaction.is_on() || own.any(|own| own.as_str() == name)
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

    pub(super) fn list(&mut self, name: String) {
        if !self.redacted.contains(&name) {
            self.redacted.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn every_secret_header_is_replaced_and_listed() {
        let more = [HeaderName::from_static("x-my-key")];
        let mut headers = HeaderMap::new();
        for name in SECRET_HEADERS.iter().chain(&["x-qlik-session", "x-qlik-session-sales", "x-my-key"]) {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("s3cret-value"));
        }
        headers.append("user-agent", HeaderValue::from_static("test"));
        headers.append("location", HeaderValue::from_static("https://h/?qlikTicket=s3cret-value&x=1"));
        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &more);
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
        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &[]);
        assert_eq!(redactor.headers("request", &headers), [("x-qlik-user".to_owned(), String::new())]);
        assert!(redactor.redacted.is_empty());
    }

    #[test]
    fn headers_of_any_server_are_secret_by_what_they_are_called() {
        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &[]);
        for name in [
            "x-api-key",
            "api-key",
            "x-csrf-token",
            "X-XSRF-TOKEN",
            "x-auth-token",
            "x-amzn-oidc-accesstoken",
        ] {
            assert_eq!(redactor.header("request", name, "s3cret-value"), MASK, "{name}");
        }
        for name in ["content-type", "x-token-type", "sec-websocket-key", "www-authenticate", "etag"] {
            assert_eq!(redactor.header("request", name, "shown"), "shown", "{name}");
        }
    }

    #[test]
    fn short_values_in_a_url_are_not_looked_for_in_what_is_answered() {
        let mut headers = HeaderMap::new();
        headers.append("content-length", HeaderValue::from_static("1024"));
        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &[]);
        assert_eq!(redactor.url("url", "/app?code=1&state=24"), "/app?code=***&state=***");
        assert_eq!(redactor.headers("response", &headers)[0].1, "1024");
    }

    #[test]
    fn secrets_repeated_in_a_body_are_replaced() {
        let mut headers = HeaderMap::new();
        headers.append("authorization", HeaderValue::from_static("Bearer abc.def.ghi"));
        headers.append("cookie", HeaderValue::from_static("a=1; X-Qlik-Session=0123-4567"));
        let redaction = Redaction::standard();
        let mut redactor = Redactor::new(&redaction, &[]);
        redactor.headers("request", &headers);
        redactor.url("url", "/app/x?qlikTicket=ticket99&y=1");
        let body = "bad token abc.def.ghi, session 0123-4567, ticket ticket99, 1";
        assert_eq!(redactor.echo("body", body), "bad token ***, session ***, ticket ***, 1");
        assert!(redactor.redacted.contains(&"body".to_owned()));
    }
}
