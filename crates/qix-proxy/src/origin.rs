//! Which pages may use credentials that were given to the recorder.

use http::{HeaderMap, header::ORIGIN};

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
        !local && !self.allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
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
}
