//! What a request asks for, in a form in which equal requests are equal texts.

use percent_encoding::percent_decode_str;
use qix_transport::is_secret_parameter;

use crate::record::MASK;

/// How many URLs inside URLs are opened.
const DEEPEST: u8 = 3;
/// What stands for the origin that a client knows this end by.
const HERE: &str = "{here}";
/// What stands for a time.
const TIME: &str = "{time}";

/// How requests are read.
pub(super) struct Reading<'a> {
    /// The host, and the port if there is one, that the client knows this end by.
    pub(super) host: &'a str,
    /// Which query parameters make no difference, beside the usual ones.
    pub(super) ignored: &'a dyn Fn(&str) -> bool,
}

impl Reading<'_> {
    /// Returns path and query so that equal ones are equal texts: parameters in order, without secrets and what defeats caches.
    pub(super) fn target(&self, url: &str) -> String {
        self.url(url, 0)
    }

    /// Returns the parameters of a query, or of a form, in order.
    pub(super) fn parameters(&self, query: &str) -> String {
        self.query(query, 0)
    }

    /// Returns `text` without the origin that the client knows this end by.
    pub(super) fn anywhere(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("://") {
            let (before, after) = (&rest[..at], &rest[at + 3..]);
            let scheme = ["https", "http", "wss", "ws"].iter().find(|scheme| before.ends_with(**scheme));
            match scheme.zip(self.behind_host(after)) {
                Some((scheme, behind)) => {
                    out.extend([&before[..at - scheme.len()], HERE]);
                    rest = behind;
                }
                None => {
                    out.push_str(&rest[..at + 3]);
                    rest = after;
                }
            }
        }
        out + rest
    }

    fn behind_host<'t>(&self, text: &'t str) -> Option<&'t str> {
        let start = text.get(..self.host.len()).filter(|start| start.eq_ignore_ascii_case(self.host))?;
        let behind = &text[start.len()..];
        let ends =
            !behind.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '@'));
        (ends && !start.is_empty()).then_some(behind)
    }

    fn url(&self, url: &str, depth: u8) -> String {
        match url.split_once('?') {
            None => url.to_owned(),
            Some((path, query)) => match self.query(query, depth) {
                query if query.is_empty() => path.to_owned(),
                query => format!("{path}?{query}"),
            },
        }
    }

    fn query(&self, query: &str, depth: u8) -> String {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decoded(name);
            if is_secret_parameter(&name) || name == "_" || (self.ignored)(&name) {
                return None;
            }
            let value = decoded(value);
            let value = match is_time(&value) {
                true => TIME.to_owned(),
                false if depth < DEEPEST => self.url(&self.anywhere(&value), depth + 1),
                false => value,
            };
            Some(match is_time(&name) {
                true => TIME.to_owned(),
                // What was encoded stays apart from what divides parameters.
                false => format!("{name}={value}").replace('%', "%25").replace('&', "%26"),
            })
        });
        let mut pairs: Vec<String> = pairs.collect();
        pairs.sort_unstable();
        pairs.join("&")
    }
}

/// Returns the names of the parameters whose values somebody has replaced as secrets.
pub(super) fn masked(url: &str) -> impl Iterator<Item = String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(_, value)| *value == MASK).map(|(name, _)| decoded(name))
}

/// Returns whether the query has a parameter with a secret.
pub(super) fn has_secret(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|pair| pair.split_once('=')).any(|(name, _)| is_secret_parameter(name))
}

fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// Returns whether this is a time in milliseconds, between 2001 and 2033.
fn is_time(text: &str) -> bool {
    text.len() == 13 && text.starts_with('1') && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(host: &str, url: &str) -> String {
        Reading { host, ignored: &|name| name == "sid" }.target(url)
    }

    #[test]
    fn order_secrets_and_cache_busters_make_no_difference() {
        for url in [
            "/a?x=1&y=a%20b",
            "/a?y=a+b&x=1",
            "/a?x=1&y=a%20b&qlikTicket=t&qlik-csrf-token=c&Xrfkey=0123456789abcdef",
            "/a?_=17&x=1&&y=a%20b&sid=3",
        ] {
            assert_eq!(target("h", url), "/a?x=1&y=a b", "{url}");
        }
        assert_eq!(target("h", "/a?1700000000000"), target("h", "/a?1700000000001"));
        assert_eq!(target("h", "/a?v=1700000000000"), target("h", "/a?v=1800000000000"));
        assert_eq!(target("h", "/a?_=1"), "/a");
        for (one, other) in
            [("/a?x=1", "/a?x=2"), ("/a?x=1", "/a"), ("/a?x=1%26y=2", "/a?x=1&y=2"), ("/a?x=12", "/a?x=13")]
        {
            assert_ne!(target("h", one), target("h", other));
        }
    }

    #[test]
    fn urls_inside_urls_name_this_end_however_it_was_called_and_lose_their_secrets() {
        let recorded = target(
            "127.0.0.1:9077",
            "/x?reloadUri=http%3A%2F%2F127.0.0.1%3A9077%2Fhub%3Fa%3D1%26qlikTicket%3D***",
        );
        let live = target("localhost:1", "/x?reloadUri=https%3A%2F%2Flocalhost%3A1%2Fhub%3Fa%3D1");
        assert_eq!(recorded, live);
        let other = target("localhost:1", "/x?reloadUri=https%3A%2F%2Flocalhost%3A12%2Fhub%3Fa%3D1");
        assert_ne!(recorded, other);
        assert_ne!(target("h", "/x?u=http://h.evil/"), target("h", "/x?u=http://h/"));
        assert_eq!(target("", "/x?u=http:///a"), "/x?u=http:///a");
    }

    #[test]
    fn names_of_masked_parameters_are_found() {
        assert_eq!(masked("/a?x=***&y=1&z%20=***").collect::<Vec<_>>(), ["x", "z "]);
        assert!(has_secret("/a?b=1&qlikTicket=***") && !has_secret("/a?b=1"));
    }

    proptest::proptest! {
        #[test]
        fn any_url_is_survived_and_the_order_of_parameters_never_matters(
            pairs in proptest::collection::vec("[a-z%0-9+:/?.é-]{0,12}", 0..6)
        ) {
            let reversed: Vec<_> = pairs.iter().rev().cloned().collect();
            let one = target("h:1", &format!("/p?{}", pairs.join("&")));
            proptest::prop_assert_eq!(one, target("h:1", &format!("/p?{}", reversed.join("&"))));
        }
    }
}
