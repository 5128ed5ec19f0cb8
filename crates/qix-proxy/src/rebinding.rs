//! Keeps pages of other sites from reading what only the user of this machine may see.

use std::net::IpAddr;

use http::{
    HeaderMap, StatusCode, Uri,
    header::{HOST, ORIGIN},
    uri::Authority,
};

const HOST_REFUSED: &str = "this port is asked for under a name that it does not go by; use its address, such as \
                            http://127.0.0.1, or localhost\n";
const ORIGIN_REFUSED: &str = "pages of other sites may not read this\n";

/// Checks that a request to a port on `bound` was meant for it.
///
/// A page of any site can have its own name resolve to this machine, and the browser takes what is read here for that site's own; but
/// it says in `Host` by which name it asks. Addresses cannot be misused so.
///
/// # Errors
///
/// How to refuse the request.
pub(crate) fn check(uri: &Uri, headers: &HeaderMap, bound: IpAddr) -> Result<(), (StatusCode, &'static str)> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| Authority::try_from(host.as_bytes()).ok());
    let is_ours = |authority: &Authority| is_own(authority.host(), bound);
    if hosts.next().is_some() || !host.as_ref().is_some_and(is_ours) || !uri.authority().is_none_or(is_ours) {
        return Err((StatusCode::MISDIRECTED_REQUEST, HOST_REFUSED));
    }
    let is_foreign = |origin: &http::HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| url::Url::parse(origin).ok());
        !origin.as_ref().and_then(url::Url::host_str).is_some_and(|host| is_own(host, bound))
    };
    let crosses = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if crosses || headers.get_all(ORIGIN).iter().any(is_foreign) {
        return Err((StatusCode::FORBIDDEN, ORIGIN_REFUSED));
    }
    Ok(())
}

/// Returns whether a host names this machine's loopback, or the address that is listened on.
fn is_own(host: &str, bound: IpAddr) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        // Who listens everywhere is asked by any of this machine's addresses.
        Ok(address) => address.is_loopback() || address == bound || bound.is_unspecified(),
        Err(_) => {
            let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn status(uri: &str, headers: &[(&'static str, &'static str)], bound: &str) -> u16 {
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect::<Vec<_>>();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name, value);
        }
        check(&uri.parse().unwrap(), &map, bound.parse().unwrap())
            .map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn port_is_asked_by_its_address_or_a_loopback_name_and_by_no_other() {
        for host in
            ["localhost", "LOCALHOST:9464", "x.localhost", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464"]
        {
            assert_eq!(status("/metrics", &[("host", host)], "127.0.0.1"), 200, "{host}");
        }
        for host in
            ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.5", "", "a b"]
        {
            assert_eq!(status("/metrics", &[("host", host)], "127.0.0.1"), 421, "{host}");
        }
        assert_eq!(status("/metrics", &[("host", "10.0.0.5")], "10.0.0.5"), 200);
        assert_eq!(status("/metrics", &[("host", "10.0.0.5")], "0.0.0.0"), 200);
        assert_eq!(status("/metrics", &[("host", "evil.example")], "0.0.0.0"), 421);
    }

    #[test]
    fn requests_that_name_no_host_or_two_are_refused() {
        assert_eq!(status("/metrics", &[], "127.0.0.1"), 421);
        assert_eq!(status("/metrics", &[("host", "localhost"), ("host", "evil.example")], "127.0.0.1"), 421);
        assert_eq!(status("http://evil.example/metrics", &[("host", "localhost")], "127.0.0.1"), 421);
    }

    #[test]
    fn pages_of_other_origins_are_refused() {
        for origin in ["https://evil.example", "null", "http://localhost.evil.example", "nonsense"] {
            assert_eq!(
                status("/", &[("host", "localhost"), ("origin", origin)], "127.0.0.1"),
                403,
                "{origin}"
            );
        }
        assert_eq!(status("/", &[("host", "localhost"), ("origin", "http://localhost:1")], "127.0.0.1"), 200);
        assert_eq!(status("/", &[("host", "localhost"), ("sec-fetch-site", "cross-site")], "127.0.0.1"), 403);
    }
}
