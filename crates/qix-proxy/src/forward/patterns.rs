//! The hosts to stand in for.

use std::net::IpAddr;

use globset::{GlobBuilder, GlobMatcher};
use qix_transport::Endpoint;

/// The text names no host to stand in for.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "{text:?} is no host to intercept; write a name, in which * is any text, or an address, and maybe a port, such as *.qlikcloud.com or sense.example.com:443"
)]
pub struct InterceptError {
    /// What was given.
    pub text: String,
}

/// Hosts to stand in for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug)]
enum Host {
    Names(Box<GlobMatcher>),
    Address(IpAddr),
}

impl Patterns {
    pub(super) fn add(&mut self, text: &str) -> Result<(), InterceptError> {
        let pattern = Pattern::parse(text).ok_or_else(|| InterceptError { text: text.to_owned() })?;
        self.0.push(pattern);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, endpoint: &Endpoint) -> bool {
        self.matching(endpoint).next().is_some()
    }

    /// Returns whether the port of `endpoint` was named with its host, and is not just one of all.
    pub(super) fn name_port(&self, endpoint: &Endpoint) -> bool {
        self.matching(endpoint).any(|pattern| pattern.port.is_some())
    }

    fn matching(&self, endpoint: &Endpoint) -> impl Iterator<Item = &Pattern> {
        let address = endpoint.host().parse::<IpAddr>().ok();
        self.0.iter().filter(move |pattern| {
            pattern.port.is_none_or(|port| port == endpoint.port())
                && match (&pattern.host, address) {
                    (Host::Address(ours), Some(address)) => *ours == address,
                    (Host::Names(glob), None) => glob.is_match(endpoint.host()),
                    _ => false,
                }
        })
    }

    /// Returns the hosts without their ports, where `*.` in front of one is left out; not those that have a `*` elsewhere.
    pub(super) fn hosts(&self) -> impl Iterator<Item = &str> {
        let hosts = self.0.iter().map(|pattern| {
            let host = if pattern.text.starts_with('[') || pattern.port.is_some() {
                let host = pattern.text.rsplit_once(':').filter(|_| pattern.port.is_some());
                host.map_or(&*pattern.text, |(host, _)| host)
            } else {
                &pattern.text
            };
            let host = host.trim_start_matches('[').trim_end_matches(']');
            host.strip_prefix("*.").unwrap_or(host)
        });
        hosts.filter(|host| !host.contains(['*', '?']))
    }

    /// Returns the hosts as they were given.
    pub(crate) fn describe(&self) -> String {
        self.0.iter().map(|pattern| &*pattern.text).collect::<Vec<_>>().join(", ")
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, after) = rest.split_once(']')?;
                let port = if after.is_empty() { None } else { Some(after.strip_prefix(':')?) };
                (host, port)
            }
            // An IPv6 address without brackets has no port.
            None if text.parse::<IpAddr>().is_ok() => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
            None => None,
        };
        let host = match host.parse() {
            Ok(address) => Host::Address(address),
            Err(_) if text.starts_with('[') => return None,
            Err(_) => Host::Names(Box::new(names(host)?)),
        };
        Some(Self { text: text.to_owned(), host, port })
    }
}

fn names(host: &str) -> Option<GlobMatcher> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.*?".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_plain) {
        return None;
    }
    Some(GlobBuilder::new(host).case_insensitive(true).build().ok()?.compile_matcher())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, host: &str) -> bool {
        let mut patterns = Patterns::default();
        patterns.add(pattern).unwrap();
        patterns.matches(&Endpoint::parse(&format!("wss://{host}")).unwrap())
    }

    #[test]
    fn hosts_are_matched_by_name_glob_address_and_port() {
        for (pattern, host) in [
            ("sense.example", "sense.example"),
            ("Sense.Example", "sense.example:4747"),
            ("sense.example:4747", "sense.example:4747"),
            ("*.qlikcloud.com", "tenant.eu.qlikcloud.com"),
            ("127.0.0.1", "127.0.0.1:9"),
            ("::1", "[::1]:9"),
            ("[::1]:9", "[::1]:9"),
            ("*", "anything.example"),
        ] {
            assert!(matches(pattern, host), "{pattern} {host}");
        }
        for (pattern, host) in [
            ("sense.example:4747", "sense.example"),
            ("*.qlikcloud.com", "qlikcloud.com"),
            ("*.qlikcloud.com", "qlikcloud.com.evil"),
            ("sense.example", "xsense.example"),
            ("[::1]:9", "[::1]:8"),
            ("*", "127.0.0.1"),
        ] {
            assert!(!matches(pattern, host), "{pattern} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", " ", "https://x", "x/y", "x:port", "x:0", "[x]", "[::1]x", "a b", "{a,b}", "a:1:2"] {
            assert!(Patterns::default().add(text).is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_to_check_against_an_authority_have_no_port_and_no_star() {
        let mut patterns = Patterns::default();
        for text in ["*.qlikcloud.com:443", "sense.example", "::1", "[::2]:9", "*", "a*.b"] {
            patterns.add(text).unwrap();
        }
        assert_eq!(patterns.hosts().collect::<Vec<_>>(), ["qlikcloud.com", "sense.example", "::1", "::2"]);
        assert_eq!(patterns.describe(), "*.qlikcloud.com:443, sense.example, ::1, [::2]:9, *, a*.b");
    }
}
