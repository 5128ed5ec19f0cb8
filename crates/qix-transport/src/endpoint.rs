//! Where an engine is: a parsed URL.

use std::{fmt, str::FromStr};

use http::{Uri, uri::PathAndQuery};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Host;

use crate::redact_url;

/// What cannot stand in the first line of a request and is therefore written percent-encoded, as browsers do.
const UNWRITABLE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// The URL of an engine's WebSocket.
///
/// Path and query stay exactly as written, because routers in front of an engine read them before decoding: a Desktop path
/// holds `%5C`, an identity may hold `%2F`. Only characters that no request may hold (blanks, quotes, angle and curly brackets,
/// anything beyond ASCII) are percent-encoded.
///
/// `Display` and `Debug` show the URL with credentials replaced, see [`redact_url`].
///
/// ```
/// use qix_transport::Endpoint;
///
/// let endpoint = Endpoint::parse("https://sense.example.com/sales/app/engineData?qlikTicket=abc")?;
/// assert_eq!(endpoint.to_string(), "wss://sense.example.com/sales/app/engineData?qlikTicket=***");
/// assert_eq!(endpoint.port(), 443);
/// # Ok::<(), qix_transport::EndpointError>(())
/// ```
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct Endpoint {
    tls: bool,
    host: Box<str>,
    authority: Box<str>,
    port: u16,
    path_and_query: PathAndQuery,
}

impl Endpoint {
    /// Reads a URL with the scheme `ws`, `wss`, `http` (taken as `ws`) or `https` (taken as `wss`).
    ///
    /// Ports default to 80 and 443, an empty path to `/`. Blanks around the URL are ignored.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is wrong and what to write instead. It never repeats the URL, which may hold secrets.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(EndpointError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" | "http" => false,
            "wss" | "https" => true,
            _ => return Err(EndpointError::Scheme),
        };
        let (authority, path_and_query) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let default_port = if tls { 443 } else { 80 };
        let port = port.unwrap_or(default_port);

        let host = Host::parse(host).map_err(|_| EndpointError::Host)?;
        let authority = if port == default_port { host.to_string() } else { format!("{host}:{port}") };
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        let path_and_query = parse_path_and_query(path_and_query)?;
        Ok(Self { tls, host: host.into(), authority: authority.into(), port, path_and_query })
    }

    /// Returns the same place with another path and query, both as they should stand on the wire.
    ///
    /// The old path is replaced whole, also the prefix of a virtual proxy. A missing `/` in front is added.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Fragment`], [`EndpointError::Control`] or [`EndpointError::Path`].
    pub fn with_path(&self, path_and_query: &str) -> Result<Self, EndpointError> {
        Ok(Self { path_and_query: parse_path_and_query(path_and_query)?, ..self.clone() })
    }

    /// Returns the host as DNS and TLS want it: lower case, international names in their ASCII form, IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, the scheme's own if the URL had none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns whether the connection is to be encrypted.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// Returns the value of a `Host` header: the host, IPv6 in brackets, and the port if it is not the scheme's own.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns path and query as they go on the wire. May hold secrets; show [`redact_url`] of it to people.
    pub fn path_and_query(&self) -> &str {
        self.path_and_query.as_str()
    }

    /// Returns the origin of a page on this host, as an `Origin` header has it: `https://host` or `http://host:port`.
    pub fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }

    /// Returns path and query in the form of a request's target.
    pub(crate) fn to_uri(&self) -> Uri {
        Uri::from(self.path_and_query.clone())
    }

    /// Returns `host:port`, which names the peer in errors and logs.
    pub(crate) fn peer(&self) -> Box<str> {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port).into()
        } else {
            format!("{}:{}", self.host, self.port).into()
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, redact_url(self.path_and_query()))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::parse(url)
    }
}

/// Why a text is not the URL of an engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// There is no scheme, or one that is neither `ws`, `wss`, `http` nor `https`.
    #[error("the URL must start with ws:// or wss:// (http:// and https:// are taken as these)")]
    Scheme,
    /// The host is missing or is no name, IPv4 address or IPv6 address in brackets.
    #[error("the URL needs a host name, an IPv4 address or an IPv6 address in brackets after ://")]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port in the URL must be a number from 1 to 65535")]
    Port,
    /// There is a user name or password before the host.
    #[error("a user name or password in the URL is not used by any engine; give credentials by Auth")]
    UserInfo,
    /// There is a `#`.
    #[error("a WebSocket URL has no fragment; write # as %23 if it belongs to a name")]
    Fragment,
    /// There is a control character, such as a line break.
    #[error("the path of the URL holds a control character, such as a line break, at byte {at}")]
    Control {
        /// Where in path and query, counted from 0.
        at: usize,
    },
    /// Path and query are longer than 64 KiB or hold something else no request may hold.
    #[error("the path of the URL is too long or holds a character that must be percent-encoded")]
    Path,
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), EndpointError> {
    let (host, port) = match authority.rfind(']') {
        Some(bracket) => authority.split_at(bracket + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    if host.is_empty() {
        return Err(EndpointError::Host);
    }
    match port.strip_prefix(':') {
        // A colon without a number means the default, as in any URL.
        Some("") => Ok((host, None)),
        // `parse` alone would take a plus sign.
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => match digits.parse() {
            Ok(0) | Err(_) => Err(EndpointError::Port),
            Ok(port) => Ok((host, Some(port))),
        },
        // An IPv6 address without brackets ends up here.
        Some(digits) if digits.contains(':') => Err(EndpointError::Host),
        Some(_) => Err(EndpointError::Port),
        None if port.is_empty() => Ok((host, None)),
        None => Err(EndpointError::Host),
    }
}

fn parse_path_and_query(text: &str) -> Result<PathAndQuery, EndpointError> {
    if text.contains('#') {
        return Err(EndpointError::Fragment);
    }
    // Encoding a line break silently would hide that the URL was cut out of something wrongly.
    if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control()) {
        return Err(EndpointError::Control { at });
    }
    let slash = if text.starts_with('/') { "" } else { "/" };
    let text = format!("{slash}{}", utf8_percent_encode(text, UNWRITABLE));
    // `http` counts offsets in 16 bits.
    if text.len() >= usize::from(u16::MAX) {
        return Err(EndpointError::Path);
    }
    PathAndQuery::try_from(text).map_err(|_| EndpointError::Path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Endpoint {
        Endpoint::parse(url).unwrap()
    }

    #[test]
    fn http_schemes_are_taken_as_web_socket_ones() {
        for (url, expected) in [
            ("ws://h/x", "ws://h/x"),
            ("WSS://h/x", "wss://h/x"),
            ("http://h", "ws://h/"),
            (" https://h ", "wss://h/"),
        ] {
            assert_eq!(parse(url).to_string(), expected);
        }
    }

    #[test]
    fn default_ports_are_filled_in_and_left_out_of_the_authority() {
        assert_eq!((parse("ws://h").port(), parse("wss://h:").port()), (80, 443));
        assert_eq!(parse("wss://h:443/").authority(), "h");
        assert_eq!(parse("wss://h:4747/").authority(), "h:4747");
        assert_eq!(parse("ws://h:443/").authority(), "h:443");
    }

    #[test]
    fn ipv6_literals_keep_their_brackets_in_the_authority_only() {
        let endpoint = parse("wss://[2001:DB8::1]:4747/app/x");
        assert_eq!(endpoint.host(), "2001:db8::1");
        assert_eq!(endpoint.authority(), "[2001:db8::1]:4747");
        assert_eq!(&*endpoint.peer(), "[2001:db8::1]:4747");
        assert_eq!(parse("ws://[::1]").origin(), "http://[::1]");
    }

    #[test]
    fn path_and_query_stay_exactly_as_written() {
        for path in [
            "/app/C%3A%5CUsers%5Cme%5CSales.qvf",
            r"/app/C:\Users\me\Sales.qvf",
            "/app/x/identity/a%2Fb%2fc/ttl/0",
            "//app/engineData",
            "/a/../b/./c",
            "/app/%3Ftransient%3D/identity/1",
            "/app/x?reloadUri=https%3A%2F%2Fh%2F&x=a/b?c",
            "/app/x?",
            "/app/x&qlik-csrf-token=1",
        ] {
            assert_eq!(parse(&format!("ws://h:1{path}")).path_and_query(), path);
        }
        assert_eq!(parse("ws://h?x=1").path_and_query(), "/?x=1");
    }

    #[test]
    fn characters_no_request_may_hold_are_encoded() {
        assert_eq!(parse("ws://h/app/Übersicht 1.qvf").path_and_query(), "/app/%C3%9Cbersicht%201.qvf");
        assert_eq!(parse("ws://müller.example/").host(), "xn--mller-kva.example");
    }

    #[test]
    fn with_path_replaces_path_and_query() {
        let base = parse("wss://h:4747/vp?x=1");
        assert_eq!(base.with_path("app/%5C?y").unwrap().to_string(), "wss://h:4747/app/%5C?y");
        assert_eq!(base.with_path("").unwrap().path_and_query(), "/");
        assert_eq!(base.with_path("/a\r\nX: y").unwrap_err(), EndpointError::Control { at: 2 });
    }

    #[test]
    fn origin_is_that_of_a_page() {
        assert_eq!(parse("wss://h/x").origin(), "https://h");
        assert_eq!(parse("ws://h:4848/x").origin(), "http://h:4848");
    }

    #[test]
    fn bad_urls_say_what_is_wrong() {
        let long = format!("ws://h/{}", "x".repeat(70_000));
        for (url, expected) in [
            ("", EndpointError::Scheme),
            ("host/app", EndpointError::Scheme),
            ("ftp://h", EndpointError::Scheme),
            ("ws://", EndpointError::Host),
            ("ws:///app", EndpointError::Host),
            ("ws://:80/", EndpointError::Host),
            ("ws://::1/", EndpointError::Host),
            ("ws://[::1/", EndpointError::Host),
            ("ws://[::1]x/", EndpointError::Host),
            ("ws://[::1]:0/", EndpointError::Port),
            ("ws://a b/", EndpointError::Host),
            ("ws://h:0/", EndpointError::Port),
            ("ws://h:+80/", EndpointError::Port),
            ("ws://h:70000/", EndpointError::Port),
            ("ws://ada:secret@h/", EndpointError::UserInfo),
            ("ws://h/#x", EndpointError::Fragment),
            ("ws://h/a\nb", EndpointError::Control { at: 2 }),
            (long.as_str(), EndpointError::Path),
        ] {
            let error = Endpoint::parse(url).unwrap_err();
            assert_eq!(error, expected, "{url:.40}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn display_and_debug_hide_credentials() {
        let endpoint =
            parse("wss://h/app/x?qlikTicket=s3cret&reloadUri=https%3A%2F%2Fh%2F%3Fcode%3Ds3cret&ttl=1");
        for shown in [endpoint.to_string(), format!("{endpoint:?}"), format!("{endpoint:#?}")] {
            assert!(!shown.contains("s3cret") && shown.contains("ttl=1"), "{shown}");
        }
    }
}
