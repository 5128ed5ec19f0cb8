//! Which pages may use credentials that were given to the recorder.

use http::{HeaderMap, header::ORIGIN};
use qix_transport::Endpoint;

/// The origins of pages that may use what the recorder injects.
#[derive(Debug)]
pub(crate) struct Origins {
    /// Whether there is anything to misuse.
    pub(crate) guarded: bool,
    pub(crate) allowed: Vec<String>,
}

impl Origins {
    /// Returns whether a page asks that must not use the credentials that are added here.
    ///
    /// A page of any site can open a WebSocket to this machine, and without this check would be let in by them.
    pub(crate) fn is_misuse(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN).filter(|_| self.guarded) else { return false };
        let Ok(origin) = origin.to_str() else { return true };
        let host = url::Url::parse(origin).ok().and_then(|url| url.host().map(|host| host.to_owned()));
        let local = match host {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        !local && !self.is_allowed(origin)
    }

    /// As [`is_misuse`](Self::is_misuse), for the host at `own` that the recorder stands in for: a browser that came to it by its own
    /// name may use the credentials from its own pages, and from no others, be they of this machine.
    pub(crate) fn is_misuse_of(&self, headers: &HeaderMap, own: &Endpoint) -> bool {
        if !self.guarded {
            return false;
        }
        match headers.get(ORIGIN) {
            Some(origin) => {
                !origin.to_str().is_ok_and(|origin| origin == own.origin() || self.is_allowed(origin))
            }
            // Browsers send no origin with images and scripts, but say that another site wants them.
            None => {
                headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site")
                    && headers.get("sec-fetch-mode").is_none_or(|mode| mode != "navigate")
            }
        }
    }

    fn is_allowed(&self, origin: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_origins_may_not_use_injected_credentials() {
        let misused = |guarded, allowed: &[&str], origin: &'static str| {
            let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static(origin))]);
            let allowed = allowed.iter().map(|origin| (*origin).to_owned()).collect();
            Origins { guarded, allowed }.is_misuse(&headers)
        };
        for origin in
            ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://localhost.example"]
        {
            assert!(misused(true, &[], origin), "{origin}");
            assert!(!misused(false, &[], origin), "without credentials there is nothing to misuse");
        }
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert!(!misused(true, &[], origin), "{origin}");
        }
        assert!(!misused(true, &["https://intranet.example"], "https://intranet.example"));
    }

    #[test]
    fn only_pages_of_the_host_itself_may_use_credentials_for_it() {
        let own = Endpoint::parse("wss://tenant.example").unwrap();
        let misused = |guarded, headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            let allowed = vec!["https://portal.example".to_owned()];
            Origins { guarded, allowed }.is_misuse_of(&HeaderMap::from_iter(headers), &own)
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
