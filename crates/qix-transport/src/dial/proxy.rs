//! One proxy on the way out.

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::Secret;

/// What a user name and a password may each take in SOCKS5, in bytes (RFC 1929).
const MAX_SOCKS_CREDENTIAL: usize = 255;

/// A proxy that opens tunnels: an HTTP proxy that takes CONNECT, or a SOCKS5 proxy.
///
/// Either looks the engine's host name up itself; for SOCKS5 it does not matter whether the URL says `socks5` or `socks5h`.
/// The way to the proxy is not encrypted, and neither are its credentials on it. What goes through the tunnel is, if the
/// endpoint says so. `Debug` and `Display` hide the credentials.
///
/// ```
/// use qix_transport::Proxy;
///
/// let proxy = Proxy::parse("http://ada:secret@proxy.example.com:3128")?;
/// assert_eq!(proxy.to_string(), "http://***@proxy.example.com:3128");
/// # Ok::<(), qix_transport::ProxyError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Proxy {
    kind: ProxyKind,
    host: Box<str>,
    port: u16,
    credentials: Option<Credentials>,
}

/// How a proxy is spoken to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ProxyKind {
    Http,
    Socks5,
}

#[derive(Clone, Eq, PartialEq)]
pub(super) struct Credentials {
    pub(super) user: Box<str>,
    pub(super) password: Secret,
}

impl Proxy {
    /// Reads a URL with the scheme `http`, `socks5` or `socks5h`, or without any, which means `http`.
    ///
    /// Ports default to 80 and 1080. User name and password may stand before the host, percent-encoded.
    ///
    /// # Errors
    ///
    /// [`ProxyError`] says what is wrong. It never repeats the URL, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let url = url.trim();
        let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        let url = Url::parse(&with_scheme).map_err(|_| ProxyError::Host)?;
        // A password with one of these in it would otherwise end the host's name, and go to another.
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Path);
        }
        let (kind, default_port) = match url.scheme() {
            "http" => (ProxyKind::Http, 80),
            "socks5" | "socks5h" => (ProxyKind::Socks5, 1080),
            "https" => return Err(ProxyError::Encrypted),
            _ => return Err(ProxyError::Scheme),
        };
        // The parser knows hosts of web schemes only.
        let host = url.host_str().and_then(|host| Host::parse(host).ok()).ok_or(ProxyError::Host)?;
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let port = url.port().unwrap_or(default_port);
        if port == 0 {
            return Err(ProxyError::Host);
        }
        let proxy = Self { kind, host: host.into(), port, credentials: None };
        if url.username().is_empty() && url.password().is_none() {
            return Ok(proxy);
        }
        let decode = |text| percent_decode_str(text).decode_utf8().map_err(|_| ProxyError::Credentials);
        let password = decode(url.password().unwrap_or_default())?;
        proxy.credentials(&decode(url.username())?, password.into_owned())
    }

    /// Sets user name and password, in the place of those in the URL.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Credentials`] if the proxy cannot be told them: for HTTP a user name with a colon, for SOCKS5 a user name or
    /// password that is empty or longer than 255 bytes.
    pub fn credentials(mut self, user: &str, password: impl Into<Secret>) -> Result<Self, ProxyError> {
        let password = password.into();
        let can_be_sent = match self.kind {
            ProxyKind::Http => !user.contains(':'),
            ProxyKind::Socks5 => {
                [user, password.expose()].iter().all(|part| (1..=MAX_SOCKS_CREDENTIAL).contains(&part.len()))
            }
        };
        if !can_be_sent {
            return Err(ProxyError::Credentials);
        }
        self.credentials = Some(Credentials { user: user.into(), password });
        Ok(self)
    }

    /// Returns the proxy's host, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the proxy's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn kind(&self) -> ProxyKind {
        self.kind
    }

    pub(super) fn login(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks5h",
        };
        let login = if self.credentials.is_some() { "***@" } else { "" };
        write!(f, "{scheme}://{login}{}", super::Target::from(self))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::parse(url)
    }
}

/// Why a proxy cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The scheme is another.
    #[error("the URL of a proxy must start with http://, socks5:// or socks5h://")]
    Scheme,
    /// The URL asks for TLS on the way to the proxy.
    #[error("a proxy that itself speaks TLS (https://) is not supported; most of them take http:// as well")]
    Encrypted,
    /// The host is missing or is none, or the port is no number from 1 to 65535.
    #[error("the URL of a proxy needs a host and, if not the usual one, a port from 1 to 65535")]
    Host,
    /// There is more than a host and a port.
    #[error("the URL of a proxy ends with host and port; write /, ? and # in a password as %2F, %3F and %23")]
    Path,
    /// User name or password cannot be sent.
    #[error(
        "the proxy's user name and password must be UTF-8 without a colon in the name, and for SOCKS5 have 1 to 255 bytes each"
    )]
    Credentials,
    /// A variable of the environment does not name a proxy.
    #[error("the variable {name} does not name a proxy that can be used")]
    Variable {
        /// Which.
        name: &'static str,
        /// What is wrong with it.
        source: Box<ProxyError>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Proxy {
        Proxy::parse(url).unwrap()
    }

    #[test]
    fn schemes_and_default_ports_are_those_of_other_programs() {
        for (url, expected) in [
            ("http://proxy", "http://proxy:80"),
            ("proxy:3128", "http://proxy:3128"),
            ("proxy", "http://proxy:80"),
            ("http://PROXY:8080/", "http://proxy:8080"),
            ("socks5://proxy", "socks5h://proxy:1080"),
            ("socks5h://proxy:80", "socks5h://proxy:80"),
            ("http://[::1]:3128", "http://[::1]:3128"),
            ("socks5://[::1]", "socks5h://[::1]:1080"),
        ] {
            assert_eq!(parse(url).to_string(), expected, "{url}");
        }
        assert_eq!(parse("http://[::1]:3128").host(), "::1");
    }

    #[test]
    fn credentials_are_percent_decoded() {
        let proxy = parse("http://a%40b:p%3Aw%2F@proxy");
        let login = proxy.login().unwrap();
        assert_eq!((&*login.user, login.password.expose()), ("a@b", "p:w/"));
        assert_eq!(parse("ada@proxy").login().unwrap().password.expose(), "");
    }

    #[test]
    fn proxies_that_cannot_be_used_say_why() {
        let long = format!("socks5://ada:{}@proxy", "x".repeat(256));
        for (url, expected) in [
            ("ftp://proxy", ProxyError::Scheme),
            ("socks4://proxy", ProxyError::Scheme),
            ("https://proxy", ProxyError::Encrypted),
            ("", ProxyError::Host),
            ("http://", ProxyError::Host),
            ("socks5://", ProxyError::Host),
            ("http://proxy:0", ProxyError::Host),
            ("http://proxy:70000", ProxyError::Host),
            ("http://a%3Ab:s3cret@proxy", ProxyError::Credentials),
            ("http://a%ffb:s3cret@proxy", ProxyError::Credentials),
            ("socks5://ada@proxy", ProxyError::Credentials),
            ("http://ada:12/s3cret@proxy:3128", ProxyError::Path),
            ("http://ada:p@ss#s3cret@proxy:3128", ProxyError::Path),
            ("http://ada:p@ss?s3cret@proxy:3128", ProxyError::Path),
            (long.as_str(), ProxyError::Credentials),
        ] {
            let error = Proxy::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url:.30}");
            assert!(!format!("{error} {error:?}").contains("s3cret"));
        }
    }

    #[test]
    fn debug_and_display_hide_user_and_password() {
        let proxy = parse("socks5://s3cret:s3cret@proxy");
        let shown = format!("{proxy} {proxy:?} {proxy:#?}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
