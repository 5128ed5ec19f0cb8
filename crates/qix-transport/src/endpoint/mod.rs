//! Where an engine is: a URL, made of parts or parsed.

mod builder;
mod error;
mod page;
mod target;
mod url;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, str::FromStr};

use ::url::Host;
use http::{Uri, uri::PathAndQuery};

pub(crate) use self::target::with_parameter;
pub use self::{builder::EndpointBuilder, error::EndpointError};
use self::{
    target::{Target, decode, glued_query, is_parameter, pairs, split_query},
    url::{Parts, UNWRITABLE, UNWRITABLE_BY_HAND, path_and_query},
};
use crate::redact_url;

/// The URL of an engine's WebSocket.
///
/// The constructors named after deployments start an [`EndpointBuilder`], which encodes what it is given;
/// [`parse`](Self::parse) takes a whole URL.
///
/// Path and query of a parsed URL stay exactly as written, because routers in front of an engine read them before decoding: a
/// Desktop path holds `%5C`, an identity may hold `%2F`. Only characters that no request may hold (blanks, quotes, angle and
/// curly brackets, backslashes, anything beyond ASCII) are percent-encoded.
///
/// `Display` and `Debug` show the URL with credentials replaced, see [`redact_url`]; [`expose_url`](Self::expose_url) has them.
///
/// ```
/// use qix_transport::Endpoint;
///
/// let built = Endpoint::enterprise("sense.example.com/sales").app("Q3/2024").ticket("abc").build()?;
/// assert_eq!(built.to_string(), "wss://sense.example.com/sales/app/Q3%2F2024?qlikTicket=***");
///
/// let parsed = Endpoint::parse("https://sense.example.com/sales/app/Q3%2F2024?qlikTicket=abc")?;
/// assert_eq!(parsed, built);
/// assert_eq!((parsed.port(), parsed.prefix(), parsed.app().as_deref()), (443, "sales", Some("Q3/2024")));
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
    /// Ports default to 80 and 443, an empty path to `/`. Blanks around the URL are ignored. With `http` or `https` it may also
    /// be that of a page in a browser: `/sense/app/ID`, `/single/?appid=ID` and `/hub`, each behind a prefix or not, become the
    /// path of the engine behind the page.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] says what is wrong and what to write instead. It never repeats the URL, which may hold secrets.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        let Parts { scheme, host, port, rest } = Parts::split(url)?;
        let page = if scheme.is_http() { page::engine_path(rest) } else { None };
        let rest = page.as_deref().unwrap_or(rest);
        if glued_query(rest).is_some() {
            return Err(EndpointError::Ampersand);
        }
        let path = path_and_query(rest, UNWRITABLE_BY_HAND)?;
        Ok(Self::new(scheme.is_tls(), &host, port, path))
    }

    fn new(tls: bool, host: &Host, port: Option<u16>, path_and_query: PathAndQuery) -> Self {
        let default_port = if tls { 443 } else { 80 };
        let port = port.unwrap_or(default_port);
        let authority = if port == default_port { host.to_string() } else { format!("{host}:{port}") };
        let host = match host {
            Host::Ipv6(address) => address.to_string(),
            host => host.to_string(),
        };
        Self { tls, host: host.into(), authority: authority.into(), port, path_and_query }
    }

    /// Returns the same place with another path and query, both as they should stand on the wire.
    ///
    /// The old path is replaced whole, also the prefix of a virtual proxy. A missing `/` in front is added. A query glued to
    /// the path by `&` is let through, so that a proxy can pass on what a client sent.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Fragment`], [`EndpointError::Control`] or [`EndpointError::Path`].
    pub fn with_path(&self, path_and_query: &str) -> Result<Self, EndpointError> {
        Ok(Self { path_and_query: self::path_and_query(path_and_query, UNWRITABLE)?, ..self.clone() })
    }

    /// Returns the same URL with a query parameter more; one of the same name, whatever its case, is replaced.
    ///
    /// Name and value are plain text and encoded here; the other parameters stay as written.
    ///
    /// # Errors
    ///
    /// [`EndpointError::Parameter`] if the name is empty, [`EndpointError::Path`] if the URL gets too long.
    pub fn with_parameter(&self, name: &str, value: &str) -> Result<Self, EndpointError> {
        if name.is_empty() {
            return Err(EndpointError::Parameter);
        }
        self.with_path(&with_parameter(self.path_and_query(), name, value))
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

    /// Returns the whole URL, with the secrets in it; do not print it.
    pub fn expose_url(&self) -> String {
        format!("{}://{}{}", self.scheme(), self.authority, self.path_and_query())
    }

    /// Returns the path of the virtual proxy, as written and without slashes at its ends; empty if there is none.
    ///
    /// It is what stands before the last `/app/` that makes sense, or the whole path if there is no such word.
    pub fn prefix(&self) -> &str {
        self.target().prefix
    }

    /// Returns the app's id, name or file that the path names, decoded; nothing for `engineData`, which means none.
    ///
    /// Routers read it, the engine does not: `OpenDoc` has to name the app again. For an engine without a router in front it
    /// may be any word, which is a part of the session's key.
    pub fn app(&self) -> Option<Cow<'_, str>> {
        self.target().app()
    }

    /// Returns the identity in the path, decoded. Sockets of one user with the same app and identity share a session.
    pub fn identity(&self) -> Option<Cow<'_, str>> {
        self.target().identity.map(decode)
    }

    /// Returns the seconds that the engine is asked to keep the session after its last socket.
    pub fn ttl(&self) -> Option<u32> {
        self.target().ttl?.parse().ok()
    }

    /// Returns the decoded value of a query parameter; the case of the name does not matter. May be a secret.
    pub fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let (_, query) = split_query(self.path_and_query());
        pairs(query).find(|(found, _)| is_parameter(found, name)).map(|(_, value)| decode(value))
    }

    fn target(&self) -> Target<'_> {
        Target::read(split_query(self.path_and_query()).0)
    }

    fn scheme(&self) -> &'static str {
        if self.tls { "wss" } else { "ws" }
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
        write!(f, "{}://{}{}", self.scheme(), self.authority, redact_url(self.path_and_query()))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

impl TryFrom<&str> for Endpoint {
    type Error = EndpointError;

    fn try_from(url: &str) -> Result<Self, EndpointError> {
        Self::parse(url)
    }
}

impl TryFrom<EndpointBuilder> for Endpoint {
    type Error = EndpointError;

    fn try_from(builder: EndpointBuilder) -> Result<Self, EndpointError> {
        builder.build()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        Self::parse(url)
    }
}
