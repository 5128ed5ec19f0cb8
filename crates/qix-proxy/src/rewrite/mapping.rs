//! What a URL of ours is called upstream, and the other way round.

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::routes::{Route, Routes};

/// How many URLs inside URLs are opened.
const DEEPEST: u8 = 3;

/// What JavaScript's `encodeURIComponent` escapes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Where a client sees us, and what stands behind that.
#[derive(Debug)]
pub(crate) struct Mapping<'a> {
    ours: Origin,
    theirs: Origin,
    route: &'a Route,
    routes: &'a Routes,
}

/// Scheme, host and port. Sockets belong to the origin of the pages that may open them.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Origin {
    tls: bool,
    /// Host and port as URLs have them, in lower case.
    authority: String,
}

impl Origin {
    fn new(tls: bool, authority: &str) -> Self {
        let authority = authority.to_ascii_lowercase();
        let default = if tls { ":443" } else { ":80" };
        let authority = authority.strip_suffix(default).map(str::to_owned).unwrap_or(authority);
        Self { tls, authority }
    }

    /// Splits an absolute URL into its origin, whether it is one for sockets, and the rest. Without a scheme, it has that of `base`.
    fn split<'t>(url: &'t str, base: &Self) -> Option<(Self, Scheme, &'t str)> {
        let (scheme, after) = match url.strip_prefix("//") {
            Some(after) => (Scheme::None, after),
            None => {
                let (scheme, after) = url.split_once("://")?;
                (Scheme::of(scheme)?, after)
            }
        };
        let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
        let tls = match scheme {
            Scheme::None => base.tls,
            Scheme::Page(tls) | Scheme::Socket(tls) => tls,
        };
        Some((Self::new(tls, &after[..end]), scheme, &after[end..]))
    }

    fn in_scheme(&self, like: Scheme) -> String {
        let scheme = match (like, self.tls) {
            (Scheme::None, _) => "",
            (Scheme::Page(_), true) => "https:",
            (Scheme::Page(_), false) => "http:",
            (Scheme::Socket(_), true) => "wss:",
            (Scheme::Socket(_), false) => "ws:",
        };
        format!("{scheme}//{}", self.authority)
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    None,
    Page(bool),
    Socket(bool),
}

impl Scheme {
    fn of(scheme: &str) -> Option<Self> {
        match scheme.to_ascii_lowercase().as_str() {
            "http" => Some(Self::Page(false)),
            "https" => Some(Self::Page(true)),
            "ws" => Some(Self::Socket(false)),
            "wss" => Some(Self::Socket(true)),
            _ => None,
        }
    }
}

impl<'a> Mapping<'a> {
    /// Maps between the origin of a request with this `host` and the upstream of `route`.
    pub(crate) fn new(
        secure: bool,
        host: Option<&HeaderValue>,
        route: &'a Route,
        routes: &'a Routes,
    ) -> Self {
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let ours = Origin::new(secure, host);
        let theirs = Origin::new(route.endpoint.is_tls(), route.endpoint.authority());
        Self { ours, theirs, route, routes }
    }

    /// Returns whether nothing has another name on the other side.
    pub(crate) fn is_identity(&self) -> bool {
        self.ours == self.theirs && self.route.is_transparent()
    }

    /// Returns whether clients reach us by TLS.
    pub(crate) fn is_secure(&self) -> bool {
        self.ours.tls
    }

    /// Returns path and query for the upstream.
    pub(crate) fn target(&self, target: &str) -> String {
        let target = self.route.target(target);
        if self.is_identity() { target } else { self.nested(&target, 0, &Self::up_at).unwrap_or(target) }
    }

    /// Returns what a URL of ours is upstream; `None` if it is none of ours.
    pub(crate) fn up(&self, url: &str) -> Option<String> {
        self.up_at(url, 0)
    }

    /// Returns what a URL of the upstream, or a path, is to a client; `None` if nothing changes.
    pub(crate) fn down(&self, url: &str) -> Option<String> {
        self.down_at(url, 0)
    }

    /// Returns what a path of the upstream is to a client, if it can be reached by one.
    pub(crate) fn down_path(&self, path: &str) -> Option<String> {
        self.route.back(path).or_else(|| {
            let same = |route: &&Route| {
                Origin::new(route.endpoint.is_tls(), route.endpoint.authority()) == self.theirs
            };
            self.routes.longest_first().filter(same).find_map(|route| route.back(path))
        })
    }

    /// Returns whether a path of the upstream is one from which all that we lead to hangs.
    pub(crate) fn is_above(&self, path: &str) -> bool {
        let own = self.route.endpoint.path_and_query();
        own.strip_prefix(path.trim_end_matches('/')).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the path under which clients find the upstream.
    pub(crate) fn top(&self) -> &str {
        self.route.top()
    }

    /// Returns our origin in place of the upstream's in a list of sources, such as `https://host:443` or `host`; `None` if it is another.
    pub(crate) fn source(&self, source: &str) -> Option<String> {
        if self.ours.authority.is_empty() {
            return None;
        }
        let bare = !source.contains("://");
        let (origin, scheme, rest) = if bare {
            let end = source.find('/').unwrap_or(source.len());
            (Origin::new(self.theirs.tls, &source[..end]), Scheme::None, &source[end..])
        } else {
            Origin::split(source, &self.theirs)?
        };
        if origin != self.theirs {
            return None;
        }
        let path = if rest.is_empty() { Some(String::new()) } else { self.down_path(rest) };
        let ours = if bare { self.ours.authority.clone() } else { self.ours.in_scheme(scheme) };
        // What is not under a path of ours is not reached by us, but leaving it out is not for us to decide.
        Some(ours + &path.unwrap_or_default())
    }

    fn up_at(&self, url: &str, depth: u8) -> Option<String> {
        if self.ours.authority.is_empty() || self.is_identity() {
            return None;
        }
        let (origin, scheme, rest) = Origin::split(url, &self.ours)?;
        if origin != self.ours {
            return None;
        }
        if rest.is_empty() {
            return Some(self.theirs.in_scheme(scheme));
        }
        let route = self.routes.find(rest).unwrap_or(self.route);
        let theirs = Origin::new(route.endpoint.is_tls(), route.endpoint.authority());
        let target = route.target(rest);
        let target = self.nested(&target, depth, &Self::up_at).unwrap_or(target);
        Some(theirs.in_scheme(scheme) + &target)
    }

    fn down_at(&self, url: &str, depth: u8) -> Option<String> {
        if self.ours.authority.is_empty() || self.is_identity() {
            return None;
        }
        if let Some((origin, scheme, rest)) = Origin::split(url, &self.theirs) {
            if origin != self.theirs {
                return None;
            }
            let path = if rest.is_empty() { String::new() } else { self.down_path(rest)? };
            let path = self.nested(&path, depth, &Self::down_at).unwrap_or(path);
            return Some(self.ours.in_scheme(scheme) + &path);
        }
        if url.split(['?', '#']).next().is_some_and(|start| start.contains("://")) {
            return None;
        }
        let path = if url.starts_with('/') { self.down_path(url) } else { None };
        let nested = self.nested(path.as_deref().unwrap_or(url), depth, &Self::down_at);
        nested.or(path).filter(|new| new != url)
    }

    /// Maps what is a URL in the values of a query.
    fn nested(
        &self,
        url: &str,
        depth: u8,
        map: &dyn Fn(&Self, &str, u8) -> Option<String>,
    ) -> Option<String> {
        let (path, query) = url.split_once('?')?;
        if depth == DEEPEST
            || !["://", "%3A%2F%2F", "%3a%2f%2f", "%253A"].iter().any(|sign| query.contains(sign))
        {
            return None;
        }
        let mut changed = false;
        let pairs: Vec<String> = query
            .split('&')
            .map(|pair| {
                let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
                let plain = percent_decode_str(value).decode_utf8_lossy();
                // A path in a value is anything; only whole URLs are known for what they are.
                let Some(new) = plain.contains("://").then(|| map(self, &plain, depth + 1)).flatten() else {
                    return pair.to_owned();
                };
                changed = true;
                let new = if value.contains("://") {
                    new
                } else {
                    utf8_percent_encode(&new, COMPONENT).to_string()
                };
                format!("{name}={new}")
            })
            .collect();
        changed.then(|| format!("{path}?{}", pairs.join("&")))
    }
}

#[cfg(test)]
mod tests {
    use qix_transport::Endpoint;

    use super::*;

    fn routes(default: Option<&str>, maps: &[(&str, &str)]) -> Routes {
        let parse = |url| Endpoint::parse(url).unwrap();
        let maps: Vec<_> = maps.iter().map(|(prefix, url)| ((*prefix).to_owned(), parse(url))).collect();
        Routes::new(default.map(parse).as_ref(), &maps).unwrap()
    }

    fn check(routes: &Routes, path: &str, down: &[(&str, Option<&str>)], up: &[(&str, Option<&str>)]) {
        let host = HeaderValue::from_static("LocalHost:9077");
        let mapping = Mapping::new(false, Some(&host), routes.find(path).unwrap(), routes);
        for (url, expected) in down {
            assert_eq!(mapping.down(url).as_deref(), *expected, "down {url}");
        }
        for (url, expected) in up {
            assert_eq!(mapping.up(url).as_deref(), *expected, "up {url}");
        }
    }

    #[test]
    fn origins_are_exchanged_and_others_stay() {
        let routes = routes(Some("wss://sense.example.com"), &[]);
        check(
            &routes,
            "/hub",
            &[
                ("https://sense.example.com/hub?x=1#y", Some("http://localhost:9077/hub?x=1#y")),
                ("https://SENSE.example.com:443/hub", Some("http://localhost:9077/hub")),
                ("wss://sense.example.com/app/x", Some("ws://localhost:9077/app/x")),
                ("//sense.example.com/hub", Some("//localhost:9077/hub")),
                ("https://sense.example.com", Some("http://localhost:9077")),
                ("https://sense.example.com:4244/hub", None),
                ("http://sense.example.com/hub", None),
                ("https://login.example.com/?redirect_uri=https%3A%2F%2Fsense.example.com%2F", None),
                ("/hub", None),
                ("form?x=1", None),
                (
                    "/login?returnto=https%3A%2F%2Fsense.example.com%2Fa%3Fb",
                    Some("/login?returnto=http%3A%2F%2Flocalhost%3A9077%2Fa%3Fb"),
                ),
                ("https://sense.example.com.evil.example/", None),
                ("https://me@sense.example.com/", None),
            ],
            &[
                ("http://localhost:9077/a?b", Some("https://sense.example.com/a?b")),
                ("http://localhost:9077", Some("https://sense.example.com")),
                ("ws://localhost:9077/app/x", Some("wss://sense.example.com/app/x")),
                ("http://localhost:3000/a", None),
                ("null", None),
            ],
        );
    }

    #[test]
    fn urls_inside_urls_are_mapped_where_a_value_begins_with_the_origin() {
        let routes = routes(Some("wss://sense.example.com"), &[]);
        let host = HeaderValue::from_static("localhost:9077");
        let mapping = Mapping::new(false, Some(&host), routes.find("/").unwrap(), &routes);
        for (target, expected) in [
            (
                "/x?reloadUri=http%3A%2F%2Flocalhost%3A9077%2Fa&y=%2F",
                "/x?reloadUri=https%3A%2F%2Fsense.example.com%2Fa&y=%2F",
            ),
            ("/x?u=ws%3a%2f%2flocalhost:9077%2fsense", "/x?u=wss%3A%2F%2Fsense.example.com%2Fsense"),
            ("/x?u=http://localhost:9077/a", "/x?u=https://sense.example.com/a"),
            ("/x?u=see%20http%3A%2F%2Flocalhost%3A9077%2Fa", "/x?u=see%20http%3A%2F%2Flocalhost%3A9077%2Fa"),
            ("/x?u=%2Fa", "/x?u=%2Fa"),
        ] {
            assert_eq!(mapping.target(target), expected);
        }
        let twice = "/x?a=http%3A%2F%2Flocalhost%3A9077%2F%3Fb%3Dhttp%253A%252F%252Flocalhost%253A9077%252F";
        assert_eq!(mapping.target(twice).matches("sense.example.com").count(), 2);
    }

    #[test]
    fn paths_of_maps_are_put_back() {
        let routes = routes(
            Some("ws://rest"),
            &[("/a", "wss://one.example.com/vp"), ("/b", "wss://one.example.com"), ("/b/c", "ws://two")],
        );
        check(
            &routes,
            "/a/hub",
            &[
                ("/vp/hub", Some("/a/hub")),
                ("/vp", Some("/a")),
                ("/vpx", Some("/b/vpx")),
                ("https://one.example.com/vp/?x", Some("http://localhost:9077/a/?x")),
                ("https://one.example.com/form", Some("http://localhost:9077/b/form")),
                ("http://two/x", None),
            ],
            &[
                ("http://localhost:9077/a/x", Some("https://one.example.com/vp/x")),
                ("http://localhost:9077/b/c/x", Some("http://two/x")),
                ("http://localhost:9077/y", Some("http://rest/y")),
            ],
        );
    }

    #[test]
    fn what_cannot_be_reached_through_us_stays_where_it_is() {
        let routes = routes(Some("wss://h.example/vp"), &[]);
        check(
            &routes,
            "/",
            &[("/form/?x", None), ("https://h.example/form", None), ("/vp/form", Some("/form"))],
            &[],
        );
    }

    #[test]
    fn sources_of_policies_are_mapped() {
        let routes = routes(Some("wss://h.example:4444"), &[]);
        let host = HeaderValue::from_static("localhost:9077");
        let mapping = Mapping::new(false, Some(&host), routes.find("/").unwrap(), &routes);
        for (source, expected) in [
            ("https://h.example:4444", Some("http://localhost:9077")),
            ("wss://h.example:4444", Some("ws://localhost:9077")),
            ("h.example:4444/js/", Some("localhost:9077/js/")),
            ("https://h.example", None),
            ("'self'", None),
            ("https:", None),
            ("*.example", None),
        ] {
            assert_eq!(mapping.source(source).as_deref(), expected, "{source}");
        }
    }
}
