//! Takes URLs apart and brings paths into a form that can be sent.

use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Host;

use super::EndpointError;

/// What cannot stand in the first line of a request and is therefore written percent-encoded, as browsers do.
pub(super) const UNWRITABLE: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'{').add(b'}');

/// The same for a path that a person wrote: a backslash is one of a Desktop path, and would be read as a slash by some.
pub(super) const UNWRITABLE_BY_HAND: &AsciiSet = &UNWRITABLE.add(b'\\');

/// A URL, taken apart but for its path.
pub(super) struct Parts<'a> {
    pub(super) scheme: Scheme,
    pub(super) host: Host,
    pub(super) port: Option<u16>,
    /// Path, query and fragment as written; may be empty.
    pub(super) rest: &'a str,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Scheme {
    Ws,
    Wss,
    Http,
    Https,
}

impl Scheme {
    pub(super) fn is_tls(self) -> bool {
        matches!(self, Self::Wss | Self::Https)
    }

    /// Returns whether the URL may be one of a page in a browser.
    pub(super) fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }
}

impl<'a> Parts<'a> {
    pub(super) fn split(url: &'a str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(EndpointError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "ws" => Scheme::Ws,
            "wss" => Scheme::Wss,
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(EndpointError::Scheme),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let host = Host::parse(host).map_err(|_| EndpointError::Host)?;
        Ok(Self { scheme, host, port, rest })
    }
}

/// Checks path and query and encodes the characters of `set` and those beyond ASCII.
pub(super) fn path_and_query(text: &str, set: &'static AsciiSet) -> Result<PathAndQuery, EndpointError> {
    if text.contains('#') {
        return Err(EndpointError::Fragment);
    }
    // Encoding a line break silently would hide that the URL was cut out of something wrongly.
    if let Some(at) = text.bytes().position(|byte| byte.is_ascii_control()) {
        return Err(EndpointError::Control { at });
    }
    let slash = if text.starts_with('/') { "" } else { "/" };
    let text = format!("{slash}{}", utf8_percent_encode(text, set));
    // `http` counts offsets in 16 bits.
    if text.len() >= usize::from(u16::MAX) {
        return Err(EndpointError::Path);
    }
    PathAndQuery::try_from(text).map_err(|_| EndpointError::Path)
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
