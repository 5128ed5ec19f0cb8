//! Which pages may use credentials that were given to the recorder.

use http::{
    HeaderMap, Method,
    header::{HOST, ORIGIN, REFERER},
    request,
};
use qix_transport::Endpoint;
use url::{Host, Url};

/// The origins of pages that may use what the recorder injects.
#[derive(Debug)]
pub(crate) struct Origins {
    /// Whether there is anything to misuse.
    pub(crate) guarded: bool,
    pub(crate) allowed: Vec<String>,
}

/// Why a request may not use the credentials that are added here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Misuse {
    /// It comes from a page that may not.
    Page,
    /// It came to a name that anybody's page could have been given.
    Host,
}

impl Origins {
    /// Returns why a request must not use the credentials that are added here, if it must not.
    ///
    /// A page of any site can open a WebSocket to this machine, load and post to it, and without this check would be let in by them. A
    /// site can also have its own name lead to this machine, and then its pages are of the same origin as ours.
    pub(crate) fn misuse(&self, request: &request::Parts) -> Option<Misuse> {
        if !self.guarded {
            return None;
        }
        let headers = &request.headers;
        // No site can have a page at an address, but for what really is there.
        let host = headers.get(HOST).map(|host| host.to_str().unwrap_or_default());
        if host.is_some_and(|host| !self.is_ours(host)) {
            return Some(Misuse::Host);
        }
        if let Some(origin) = headers.get(ORIGIN) {
            let is_allowed = origin.to_str().is_ok_and(|origin| self.is_allowed(origin, host));
            return (!is_allowed).then_some(Misuse::Page);
        }
        let says = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
        let is_visit = request.method == Method::GET
            && says("sec-fetch-mode", "navigate")
            && says("sec-fetch-dest", "document");
        if says("sec-fetch-site", "cross-site") && !is_visit && !self.is_referred(headers, host) {
            return Some(Misuse::Page);
        }
        None
    }

    fn is_ours(&self, host: &str) -> bool {
        let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
        let allowed = || {
            let of_allowed = |origin: &String| Url::parse(origin).ok()?.host_str().map(str::to_owned);
            self.allowed.iter().filter_map(of_allowed).any(|name| Some(&*name) == url.host_str())
        };
        match url.host() {
            Some(Host::Domain(name)) => is_local(name) || allowed(),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => true,
            None => false,
        }
    }

    /// Returns whether a page of this origin may; `host` is where the request came to.
    fn is_allowed(&self, origin: &str, host: Option<&str>) -> bool {
        let url = Url::parse(origin).ok();
        let local = match url.as_ref().and_then(Url::host) {
            Some(Host::Domain(name)) => is_local(name),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let own = || origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
        local || own() || self.is_named(origin)
    }

    /// As [`misuse`](Self::misuse), for the host at `own` that the recorder stands in for: a browser that came to it by its own
    /// name may use the credentials from its own pages, and from no others, be they of this machine.
    pub(crate) fn misuse_of(&self, headers: &HeaderMap, own: &Endpoint) -> Option<Misuse> {
        if !self.guarded {
            return None;
        }
        let is_misuse = match headers.get(ORIGIN) {
            Some(origin) => {
                !origin.to_str().is_ok_and(|origin| origin == own.origin() || self.is_named(origin))
            }
            // Browsers send no origin with images and scripts, but say that another site wants them.
            None => {
                headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
                    && headers.get("sec-fetch-mode").is_none_or(|mode| mode != "navigate")
                    && !page_of(headers).is_some_and(|page| self.is_named(&page))
            }
        };
        is_misuse.then_some(Misuse::Page)
    }

    fn is_named(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// Returns whether a page that may is what has a script or an image loaded, which happens without an `Origin`.
    fn is_referred(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        page_of(headers).is_some_and(|page| self.is_allowed(&page, host))
    }
}

/// Returns the origin of the page that a `Referer` names.
fn page_of(headers: &HeaderMap) -> Option<String> {
    let page = Url::parse(headers.get(REFERER)?.to_str().ok()?).ok()?;
    Some(page.origin().ascii_serialization())
}

fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn misuse(guarded: bool, allowed: &[&str], method: &str, headers: &[(&str, &str)]) -> Option<Misuse> {
        let mut request = Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let allowed = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        Origins { guarded, allowed }.misuse(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn pages_of_other_origins_may_not_use_injected_credentials() {
        let of = |guarded, allowed: &[&str], origin| misuse(guarded, allowed, "GET", &[("origin", origin)]);
        for origin in
            ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://localhost.example"]
        {
            assert_eq!(of(true, &[], origin), Some(Misuse::Page), "{origin}");
            assert_eq!(of(false, &[], origin), None, "without credentials there is nothing to misuse");
        }
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert_eq!(of(true, &[], origin), None, "{origin}");
        }
        assert_eq!(of(true, &["https://intranet.example"], "https://intranet.example"), None);
    }

    #[test]
    fn pages_of_our_own_origin_may() {
        let at = |host| misuse(true, &[], "POST", &[("host", host), ("origin", "http://10.0.0.5:9077")]);
        assert_eq!(at("10.0.0.5:9077"), None);
        assert_eq!(at("10.0.0.6:9077"), Some(Misuse::Page));
    }

    #[test]
    fn names_that_may_lead_here_from_anywhere_are_refused() {
        let at = |host| misuse(true, &["https://proxy.example:9077"], "GET", &[("host", host)]);
        for host in
            ["evil.example", "evil.example:9077", "localhost.evil.example", "proxy.example.evil", "a b"]
        {
            assert_eq!(at(host), Some(Misuse::Host), "{host}");
        }
        for host in [
            "localhost:9077",
            "LOCALHOST",
            "x.localhost",
            "127.0.0.1:1",
            "[::1]:9077",
            "10.0.0.5",
            "proxy.example",
        ] {
            assert_eq!(at(host), None, "{host}");
        }
        assert_eq!(misuse(false, &[], "GET", &[("host", "evil.example")]), None);
    }

    #[test]
    fn cross_site_requests_are_refused_but_for_visits_and_what_allowed_pages_load() {
        let of = |method, headers: &[(&str, &str)]| {
            let all = [&[("host", "localhost"), ("sec-fetch-site", "cross-site")], headers].concat();
            misuse(true, &["https://intranet.example"], method, &all)
        };
        let visit = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
        assert_eq!(of("GET", &visit), None);
        assert_eq!(of("POST", &visit), Some(Misuse::Page));
        let frame = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
        assert_eq!(of("GET", &frame), Some(Misuse::Page));
        assert_eq!(of("GET", &[("sec-fetch-mode", "no-cors")]), Some(Misuse::Page));
        assert_eq!(
            of("GET", &[("referer", "https://evil.example/https://intranet.example/")]),
            Some(Misuse::Page)
        );
        assert_eq!(of("GET", &[("referer", "https://intranet.example/mashup.html")]), None);
        assert_eq!(misuse(true, &[], "GET", &[("sec-fetch-site", "same-origin")]), None);
    }

    #[test]
    fn only_pages_of_the_host_itself_may_use_credentials_for_it() {
        let own = Endpoint::parse("wss://tenant.example").unwrap();
        let misused = |guarded, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            let allowed = vec!["https://portal.example".to_owned()];
            Origins { guarded, allowed }.misuse_of(&HeaderMap::from_iter(headers), &own).is_some()
        };
        for origin in ["https://evil.example", "http://localhost:3000", "http://tenant.example", "null"] {
            assert!(misused(true, &[("origin", origin)]), "{origin}");
            assert!(!misused(false, &[("origin", origin)]));
        }
        for origin in ["https://tenant.example", "https://portal.example"] {
            assert!(!misused(true, &[("origin", origin)]), "{origin}");
        }
        assert!(misused(true, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")]));
        assert!(!misused(true, &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")]));
        assert!(!misused(true, &[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")]));
        assert!(!misused(true, &[]));
    }
}
