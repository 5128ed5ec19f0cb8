//! What becomes of an upstream's headers on their way to the client, so that a page works through us as it does without.

use http::{
    HeaderMap,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ALT_SVC, CONTENT_LOCATION, CONTENT_SECURITY_POLICY,
        CONTENT_SECURITY_POLICY_REPORT_ONLY, LOCATION, REFRESH, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
        TRAILER, TRANSFER_ENCODING,
    },
};

use super::{Mapping, change, passed_on};

/// Cookies whose names browsers take only from TLS, and what they are called where there is none.
const BOUND: [(&str, &str); 2] = [("__Host-", "Qix-Host-"), ("__Secure-", "Qix-Secure-")];

/// Returns the headers for the client.
pub(crate) fn for_client(upstream: &HeaderMap, mapping: &Mapping<'_>) -> HeaderMap {
    let mut headers = passed_on(upstream, &[ALT_SVC]);
    if upstream.contains_key(TRANSFER_ENCODING) {
        headers.extend(upstream.get_all(TRAILER).iter().map(|names| (TRAILER, names.clone())));
    }
    if mapping.is_identity() {
        return headers;
    }
    // Browsers would go on to ask for TLS of whatever else this host has.
    headers.remove(STRICT_TRANSPORT_SECURITY);
    change(&mut headers, LOCATION, |url| mapping.down(url));
    change(&mut headers, CONTENT_LOCATION, |url| mapping.down(url));
    change(&mut headers, REFRESH, |text| refresh(text, mapping));
    change(&mut headers, ACCESS_CONTROL_ALLOW_ORIGIN, |origin| mapping.down(origin));
    change(&mut headers, SET_COOKIE, |cookie| Some(set_cookie(cookie, mapping)));
    change(&mut headers, CONTENT_SECURITY_POLICY, |policy| Some(content_policy(policy, mapping)));
    change(&mut headers, CONTENT_SECURITY_POLICY_REPORT_ONLY, |policy| Some(content_policy(policy, mapping)));
    headers
}

/// Gives cookies the names back that the upstream knows them by.
pub(super) fn cookies_up(cookies: &str) -> Option<String> {
    let mut changed = false;
    let names = cookies.split("; ").map(|cookie| {
        let found = BOUND.iter().find_map(|(theirs, ours)| Some((theirs, cookie.strip_prefix(ours)?)));
        changed |= found.is_some();
        found.map_or_else(|| cookie.to_owned(), |(theirs, rest)| format!("{theirs}{rest}"))
    });
    let names = names.collect::<Vec<_>>().join("; ");
    changed.then_some(names)
}

/// `5; url=https://…`
fn refresh(text: &str, mapping: &Mapping<'_>) -> Option<String> {
    let (before, url) = text.split_once('=')?;
    let quotes = ['"', '\''];
    let new = mapping.down(url.trim().trim_matches(quotes))?;
    before.trim_end().to_ascii_lowercase().ends_with("url").then(|| format!("{before}={new}"))
}

fn set_cookie(cookie: &str, mapping: &Mapping<'_>) -> String {
    let mut parts = cookie.split(';');
    let pair = parts.next().unwrap_or_default();
    let secure = mapping.is_secure();
    let is_host_bound = pair.trim_start().starts_with("__Host-");
    let renamed = BOUND.iter().filter(|_| !secure).find_map(|(theirs, ours)| {
        let rest = pair.trim_start().strip_prefix(theirs)?;
        Some(format!("{ours}{rest}"))
    });
    let mut out = renamed.unwrap_or_else(|| pair.to_owned());
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let new = match &*name {
            "domain" => continue,
            "secure" | "partitioned" if !secure => continue,
            "samesite" if !secure && value.eq_ignore_ascii_case("none") => Some("SameSite=Lax".to_owned()),
            // Browsers take such cookies with this path only.
            "path" if is_host_bound && secure => None,
            "path" => path(value, mapping).map(|path| format!("Path={path}")),
            _ => None,
        };
        out.push(';');
        match new {
            Some(new) => out.extend([" ", &new]),
            None => out.push_str(part),
        }
    }
    out
}

fn path(path: &str, mapping: &Mapping<'_>) -> Option<String> {
    let whole = |path: String| if path.is_empty() { "/".to_owned() } else { path };
    if mapping.is_above(path) {
        return Some(whole(mapping.top().to_owned()));
    }
    mapping.down_path(path).map(whole)
}

fn content_policy(policy: &str, mapping: &Mapping<'_>) -> String {
    let directives = policy.split(';').filter(|directive| {
        // There is nothing to upgrade to.
        let name = directive.trim().to_ascii_lowercase();
        mapping.is_secure() || !matches!(&*name, "upgrade-insecure-requests" | "block-all-mixed-content")
    });
    let mapped = directives.map(|directive| {
        let sources =
            directive.split(' ').map(|source| mapping.source(source).unwrap_or_else(|| source.to_owned()));
        sources.collect::<Vec<_>>().join(" ")
    });
    mapped.collect::<Vec<_>>().join(";")
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use qix_transport::Endpoint;

    use super::*;
    use crate::routes::Routes;

    fn with<T>(secure: bool, prefix: &str, url: &str, check: impl FnOnce(&Mapping<'_>) -> T) -> T {
        let endpoint = Endpoint::parse(url).unwrap();
        let routes = Routes::new(None, &[(prefix.to_owned(), endpoint)]).unwrap();
        let host = HeaderValue::from_static("localhost:9077");
        check(&Mapping::new(secure, Some(&host), routes.find(prefix).unwrap(), &routes))
    }

    #[test]
    fn cookies_are_made_fit_for_where_we_are() {
        for (secure, prefix, url, cookie, expected) in [
            (
                false,
                "/",
                "wss://h.example",
                "sid=1; Domain=.h.example; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
                "sid=1; Path=/; HttpOnly; SameSite=Lax",
            ),
            (
                true,
                "/",
                "wss://h.example",
                "a=b; Secure; SameSite=None; domain=h.example",
                "a=b; Secure; SameSite=None",
            ),
            (
                false,
                "/",
                "wss://h.example",
                "a=b; SameSite=Strict; Max-Age=5",
                "a=b; SameSite=Strict; Max-Age=5",
            ),
            (false, "/", "wss://h.example", "__Host-x=1; Secure; Path=/", "Qix-Host-x=1; Path=/"),
            (false, "/", "wss://h.example", "__Secure-x=1; Secure", "Qix-Secure-x=1"),
            (true, "/a", "wss://h.example", "__Host-x=1; Secure; Path=/", "__Host-x=1; Secure; Path=/"),
            (false, "/a", "wss://h.example", "x=1; Path=/", "x=1; Path=/a"),
            (false, "/a", "wss://h.example", "x=1; Path=/vp", "x=1; Path=/a/vp"),
            (false, "/a", "wss://h.example/vp", "x=1; Path=/", "x=1; Path=/a"),
            (false, "/a", "wss://h.example/vp", "x=1; path=/vp/sub", "x=1; Path=/a/sub"),
            (false, "/", "wss://h.example/vp", "x=1; path=/vp", "x=1; Path=/"),
        ] {
            with(secure, prefix, url, |mapping| {
                assert_eq!(set_cookie(cookie, mapping), expected, "{cookie}")
            });
        }
    }

    #[test]
    fn renamed_cookies_get_their_names_back() {
        let ours = "a=1; Qix-Host-x=2; Qix-Secure-y=3; b=Qix-Host-";
        assert_eq!(cookies_up(ours).as_deref(), Some("a=1; __Host-x=2; __Secure-y=3; b=Qix-Host-"));
        assert_eq!(cookies_up("a=1; b=2"), None);
    }

    fn answered(headers: &[(&'static str, &str)]) -> HeaderMap {
        let upstream: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        with(false, "/", "wss://h.example", |mapping| for_client(&upstream, mapping))
    }

    #[test]
    fn headers_that_name_the_upstream_name_us() {
        let headers = answered(&[
            ("location", "https://h.example/hub"),
            ("content-location", "https://h.example/x"),
            ("refresh", "0; URL=https://h.example/y"),
            ("access-control-allow-origin", "https://h.example"),
            (
                "content-security-policy",
                "default-src 'self' https://h.example wss://h.example https://cdn.example; upgrade-insecure-requests; img-src *",
            ),
            ("strict-transport-security", "max-age=1"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("x-kept", "https://h.example/"),
        ]);
        for (name, expected) in [
            ("location", Some("http://localhost:9077/hub")),
            ("content-location", Some("http://localhost:9077/x")),
            ("refresh", Some("0; URL=http://localhost:9077/y")),
            ("access-control-allow-origin", Some("http://localhost:9077")),
            (
                "content-security-policy",
                Some(
                    "default-src 'self' http://localhost:9077 ws://localhost:9077 https://cdn.example; img-src *",
                ),
            ),
            ("strict-transport-security", None),
            ("alt-svc", None),
            ("connection", None),
            ("x-hop", None),
            ("x-kept", Some("https://h.example/")),
        ] {
            assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn what_is_the_same_on_both_sides_stays_as_it_is() {
        let routes = Routes::new(Some(&Endpoint::parse("wss://localhost:9077").unwrap()), &[]).unwrap();
        let host = HeaderValue::from_static("localhost:9077");
        let mapping = Mapping::new(true, Some(&host), routes.find("/").unwrap(), &routes);
        let upstream: HeaderMap = [
            ("strict-transport-security", "max-age=1"),
            ("set-cookie", "a=b; Domain=x; Secure"),
            ("location", "https://localhost:9077/"),
        ]
        .into_iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
        assert_eq!(for_client(&upstream, &mapping), upstream);
    }
}
