//! Reads what a path says: prefix, app, identity, time to live.

use std::borrow::Cow;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::{is_secret_parameter, redact::COMPONENT};

/// Words in the place of an app that mean none: the usual one, and that of qsocks and `@qlik/api` for a fresh session.
const NO_APP: &[&str] = &["engineData", "?transient="];

/// Query parameters that Qlik deployments know and that are no secrets, in lower case.
const PARAMETERS: &[&str] =
    &["forceauthentication", "from", "qlik-web-integration-id", "reloaduri", "workloadtype"];

/// The parts of a path, still percent-encoded: a Desktop path holds `%5C`, an identity may hold `%2F`.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Target<'a> {
    /// Without the slashes at its ends.
    pub(super) prefix: &'a str,
    pub(super) app: Option<&'a str>,
    pub(super) identity: Option<&'a str>,
    pub(super) ttl: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// Reads from the end, where the words are in places of their own: a prefix, app or identity may be called `app` too.
    pub(super) fn read(path: &'a str) -> Self {
        let mut rest = path.trim_end_matches('/');
        let mut take = |word| match last_two(rest) {
            Some((before, found, value)) if found == word => {
                rest = before;
                Some(value)
            }
            _ => None,
        };
        let (ttl, identity, app) = (take("ttl"), take("identity"), take("app"));
        let (prefix, app) = if app.is_some() {
            (rest, app)
        } else if let Some(prefix) = rest.strip_suffix("/app") {
            (prefix, None)
        } else if let Some((prefix, tail)) = path.split_once("/app/") {
            // Something nobody knows follows the app.
            (prefix, tail.split('/').next())
        } else {
            (rest, None)
        };
        Self { prefix: prefix.trim_matches('/'), app: app.filter(|app| !app.is_empty()), identity, ttl }
    }

    /// Returns the app's name or id, unless it is a word for none.
    pub(super) fn app(&self) -> Option<Cow<'a, str>> {
        self.app.map(decode).filter(|app| !NO_APP.contains(&app.as_ref()))
    }
}

/// Splits path and query, also where the query is glued to the path with `&`; the separator belongs to neither.
pub(super) fn split_query(text: &str) -> (&str, Option<&str>) {
    match text.find('?').or_else(|| glued_query(text)) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// Returns where a query begins that is glued to the path, by the known names of parameters.
pub(super) fn glued_query(text: &str) -> Option<usize> {
    let path = &text[..text.find('?').unwrap_or(text.len())];
    path.match_indices('&').map(|(at, _)| at).find(|at| {
        let name = path[at + 1..].split(['&', '/']).next().and_then(|pair| pair.split_once('='));
        name.is_some_and(|(name, _)| is_known_parameter(name))
    })
}

/// Returns the raw `name=value` pairs of a query.
pub(super) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// Returns path and query with a parameter more, encoded, in the place of one of the same name; the others stay as written.
pub(crate) fn with_parameter(path_and_query: &str, name: &str, value: &str) -> String {
    let (path, query) = split_query(path_and_query);
    let mut text = path.to_owned();
    let mut separator = '?';
    let query = query.unwrap_or_default().split('&').filter(|pair| {
        let kept = pair.split_once('=').map_or(*pair, |(name, _)| name);
        !pair.is_empty() && !is_parameter(kept, name)
    });
    for pair in query {
        text.extend([separator.encode_utf8(&mut [0; 4]), pair]);
        separator = '&';
    }
    let [name, value] = [name, value].map(|part| utf8_percent_encode(part, COMPONENT));
    format!("{text}{separator}{name}={value}")
}

/// Decodes one part; bytes that are no UTF-8 become replacement characters.
pub(super) fn decode(raw: &str) -> Cow<'_, str> {
    percent_decode_str(raw).decode_utf8_lossy()
}

/// Returns whether a raw name means the parameter `name`: documents spell `qlikTicket` and `QlikTicket`.
pub(super) fn is_parameter(raw: &str, name: &str) -> bool {
    decode(raw).eq_ignore_ascii_case(name)
}

fn is_known_parameter(name: &str) -> bool {
    is_secret_parameter(name) || PARAMETERS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Splits `before/word/value`.
fn last_two(path: &str) -> Option<(&str, &str, &str)> {
    let (head, value) = path.rsplit_once('/')?;
    let (before, word) = head.rsplit_once('/')?;
    Some((before, word, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_by_their_place() {
        for (path, prefix, app, identity, ttl) in [
            ("/app/x", "", Some("x"), None, None),
            ("/app/x/identity/y/ttl/0", "", Some("x"), Some("y"), Some("0")),
            ("/a/b/app/x/ttl/5", "a/b", Some("x"), None, Some("5")),
            ("/app/app/app", "app", Some("app"), None, None),
            ("/app/identity/identity/ttl/ttl/5", "", Some("identity"), Some("ttl"), Some("5")),
            ("/app/x/identity/app/", "", Some("x"), Some("app"), None),
            ("/vp/app/", "vp", None, None, None),
            ("/app/ttl/5", "", None, None, Some("5")),
            ("/vp/app/x/more/of/it", "vp", Some("x"), None, None),
            ("/vp/", "vp", None, None, None),
            ("//app/x", "", Some("x"), None, None),
            ("/", "", None, None, None),
        ] {
            assert_eq!(Target::read(path), Target { prefix, app, identity, ttl }, "{path}");
        }
    }

    #[test]
    fn segments_are_taken_before_decoding() {
        let target = Target::read("/app/C%3A%5CUsers%5Cme%5CSales.qvf/identity/a%2Fapp%2Fb");
        assert_eq!(target.app().as_deref(), Some(r"C:\Users\me\Sales.qvf"));
        assert_eq!(target.identity.map(decode).as_deref(), Some("a/app/b"));
    }

    #[test]
    fn words_for_no_app_are_no_app() {
        for path in ["/app/engineData", "/app/%3Ftransient%3D/identity/1", "/app/", "/app", "/"] {
            assert_eq!(Target::read(path).app(), None, "{path}");
        }
    }

    #[test]
    fn glued_query_is_found_by_a_known_name_only() {
        assert_eq!(split_query("/app/x&QlikTicket=1&y=2"), ("/app/x", Some("QlikTicket=1&y=2")));
        assert_eq!(split_query("/app/R&D&reloadUri=1"), ("/app/R&D", Some("reloadUri=1")));
        assert_eq!(split_query("/app/R&D=1"), ("/app/R&D=1", None));
        assert_eq!(split_query("/app/x?a&qlikTicket=1"), ("/app/x", Some("a&qlikTicket=1")));
    }
}
