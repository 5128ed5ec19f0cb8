//! Where a stage leads.

use std::fmt;

use super::Proxy;
use crate::Endpoint;

/// A host and a port: of the engine, or of the proxy before it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    /// As DNS wants it: IPv6 without brackets.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
}

impl<'a> From<&'a Endpoint> for Target<'a> {
    fn from(endpoint: &'a Endpoint) -> Self {
        Self { host: endpoint.host(), port: endpoint.port() }
    }
}

impl<'a> From<&'a Proxy> for Target<'a> {
    fn from(proxy: &'a Proxy) -> Self {
        Self { host: proxy.host(), port: proxy.port() }
    }
}

/// Shows `host:port`, an IPv6 address in brackets, as it stands in errors and in a CONNECT request.
impl fmt::Display for Target<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
