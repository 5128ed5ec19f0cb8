//! Why a socket could not be had.

use std::{error::Error, fmt, io, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header::LOCATION};

use crate::{AuthError, HeaderError, TlsError, dial::tunnel, hint, printable, redact_url};

/// The steps of connecting, in their order.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Stage {
    /// Getting credentials from another server.
    Auth,
    /// Turning the host name into addresses.
    Resolve,
    /// Opening the TCP connection.
    Tcp,
    /// Having a proxy open a tunnel.
    Tunnel,
    /// The TLS handshake.
    Tls,
    /// The HTTP request that makes a WebSocket of the connection.
    Upgrade,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auth => "authentication",
            Self::Resolve => "name resolution",
            Self::Tcp => "the TCP connection",
            Self::Tunnel => "the proxy's tunnel",
            Self::Tls => "the TLS handshake",
            Self::Upgrade => "the WebSocket upgrade",
        })
    }
}

/// Why connecting failed, sorted by how far it came.
///
/// `peer` is always `host:port`, of the proxy while a tunnel is not open yet. Messages hold no secret and only their own level; [`source`](Error::source) has the cause and
/// [`hint`](Self::hint) what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The credentials for this attempt could not be had.
    #[error("cannot get credentials for {peer}")]
    Auth {
        /// For whom they are; the source says from whom.
        peer: Box<str>,
        /// Why not.
        source: AuthError,
    },
    /// The name has no address.
    #[error("cannot resolve the host name of {peer}")]
    Resolve {
        /// Whom.
        peer: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// None of the addresses took the TCP connection; the source is of the last one tried.
    #[error("cannot open a connection to {peer}")]
    Tcp {
        /// Whom.
        peer: Box<str>,
        /// What the system said.
        source: io::Error,
    },
    /// The proxy answered CONNECT, but with no success.
    #[error("the proxy {peer} refused a tunnel to {target} with {}", refusal.status)]
    TunnelRefused {
        /// The proxy.
        peer: Box<str>,
        /// Where the tunnel should have led, as `host:port`.
        target: Box<str>,
        /// The proxy's answer.
        refusal: Box<Refusal>,
    },
    /// The proxy refused in SOCKS, hung up, or is none of the kind it was taken for.
    #[error("the proxy {peer} opened no tunnel to {target}")]
    Tunnel {
        /// The proxy.
        peer: Box<str>,
        /// Where the tunnel should have led, as `host:port`.
        target: Box<str>,
        /// What it said or did instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// TLS failed: one side did not accept the other's certificate, or the peer speaks no TLS.
    #[error("TLS with {peer} failed")]
    Tls {
        /// Whom.
        peer: Box<str>,
        /// The alert or the certificate error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The peer answered the upgrade with another status than 101.
    #[error("{peer} answered the WebSocket upgrade with {}{}", refusal.status, refusal.leads_to())]
    Upgrade {
        /// Whom.
        peer: Box<str>,
        /// The answer.
        refusal: Box<Refusal>,
    },
    /// The peer is no web server, hung up, or made a WebSocket against the rules.
    #[error("{peer} did not answer the upgrade as a WebSocket server does")]
    NotWebSocket {
        /// Whom.
        peer: Box<str>,
        /// What it did instead.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The peer switched on an extension or subprotocol that was not offered.
    #[error("{peer} switched on {value:?} by {header} without having been offered it")]
    NotOffered {
        /// Whom.
        peer: Box<str>,
        /// The response header.
        header: &'static str,
        /// What it said, at most 80 characters.
        value: Box<str>,
    },
    /// The deadline passed.
    #[error("connecting to {peer} took longer than {limit:?}, in {stage}")]
    Timeout {
        /// Whom.
        peer: Box<str>,
        /// What was going on then.
        stage: Stage,
        /// The limit that passed: that of the stage, or
        /// [`Limits::connect_timeout`](crate::Limits::connect_timeout) for all of them.
        limit: Duration,
    },
}

impl ConnectError {
    /// Returns the stage that failed.
    pub fn stage(&self) -> Stage {
        match self {
            Self::Auth { .. } => Stage::Auth,
            Self::Resolve { .. } => Stage::Resolve,
            Self::Tcp { .. } => Stage::Tcp,
            Self::TunnelRefused { .. } | Self::Tunnel { .. } => Stage::Tunnel,
            Self::Tls { .. } => Stage::Tls,
            Self::Upgrade { .. } | Self::NotWebSocket { .. } | Self::NotOffered { .. } => Stage::Upgrade,
            Self::Timeout { stage, .. } => *stage,
        }
    }

    /// Returns whom it failed with, as `host:port`.
    pub fn peer(&self) -> &str {
        match self {
            Self::Auth { peer, .. }
            | Self::Resolve { peer, .. }
            | Self::Tcp { peer, .. }
            | Self::TunnelRefused { peer, .. }
            | Self::Tunnel { peer, .. }
            | Self::Tls { peer, .. }
            | Self::Upgrade { peer, .. }
            | Self::NotWebSocket { peer, .. }
            | Self::NotOffered { peer, .. }
            | Self::Timeout { peer, .. } => peer,
        }
    }

    /// Returns a sentence on what to do, where there is something to say.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Auth { source, .. } => hint::auth(source),
            Self::Resolve { .. } => Some(hint::RESOLVE),
            Self::Tcp { source, .. } => hint::tcp(source),
            Self::TunnelRefused { refusal, .. } => tunnel::refusal_hint(refusal),
            Self::Tunnel { source, .. } => Some(tunnel::hint(&**source)),
            Self::Tls { source, .. } => hint::tls(&**source),
            Self::Upgrade { refusal, .. } => hint::refusal(refusal),
            Self::NotWebSocket { .. } => Some(hint::NOT_WEB_SOCKET),
            Self::NotOffered { .. } => Some(hint::NOT_OFFERED),
            Self::Timeout { stage, .. } => Some(hint::timeout(*stage)),
        }
    }

    /// Returns the answer, if the engine's side refused the upgrade with one. That of a proxy is in
    /// [`TunnelRefused`](Self::TunnelRefused): no credential for the engine mends it.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Upgrade { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// The HTTP answer of a peer that did not upgrade.
///
/// The fields are as they came, so that a program can follow a `Location` or read a body; they may hold tickets and cookies.
/// `Debug` hides those.
#[derive(Clone)]
#[non_exhaustive]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The start of the body, at most 1 KiB.
    pub body: Bytes,
}

impl Refusal {
    pub(crate) const MAX_BODY: usize = 1024;

    /// Takes an answer apart from how it came; of `body` the start.
    pub fn new(status: StatusCode, headers: HeaderMap, body: Bytes) -> Self {
        Self { status, headers, body: body.slice(..body.len().min(Self::MAX_BODY)) }
    }

    /// Returns where the peer sends its clients, without secrets: the target of a redirect. It is not followed.
    pub fn redirect(&self) -> Option<String> {
        let location = self.headers.get(LOCATION).filter(|_| self.status.is_redirection())?;
        Some(redact_url(&String::from_utf8_lossy(location.as_bytes())))
    }

    /// Returns the end of an error's message.
    fn leads_to(&self) -> String {
        match self.redirect() {
            // A login page may be asked for with a page of parameters.
            Some(target) => format!(" to {}", printable(&target, 200)),
            None => String::new(),
        }
    }

    /// Returns whether the server says that a CSRF token is missing or stale, as Qlik Cloud does by the code `CSRF-TOKEN-2`.
    ///
    /// Pages that speak of such tokens, as those of firewalls may, do not count.
    pub fn is_csrf(&self) -> bool {
        let is_page = self.body.trim_ascii_start().starts_with(b"<");
        self.status == StatusCode::FORBIDDEN
            && !is_page
            && self.body.windows(4).any(|window| window.eq_ignore_ascii_case(b"csrf"))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let location = self.headers.get(LOCATION);
        let location = location.map(|value| redact_url(&String::from_utf8_lossy(value.as_bytes())));
        f.debug_struct("Refusal")
            .field("status", &self.status)
            .field("headers", &self.headers.keys().map(http::HeaderName::as_str).collect::<Vec<_>>())
            .field("location", &location)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why a connector could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A header, or the credential that goes into one, cannot be sent.
    #[error("a header of the upgrade request cannot be sent")]
    Header(#[from] HeaderError),
    /// The TLS settings do not hold together.
    #[error("the TLS settings cannot be used")]
    Tls(#[from] TlsError),
    /// There is a client certificate, but the connection would not be encrypted: the user that it stands for would be sent in
    /// the clear, and believed by nobody.
    #[error("a client certificate needs an encrypted connection; begin the URL with wss://")]
    CertificateWithoutTls,
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn page_that_speaks_of_csrf_is_no_csrf_refusal() {
        let refusal = |body: &'static str| Refusal {
            status: StatusCode::FORBIDDEN,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        };
        assert!(refusal(r#"{"errors":[{"code":"CSRF-TOKEN-2"}]}"#).is_csrf());
        assert!(refusal("CSRF token missing").is_csrf());
        assert!(!refusal("\n<html><meta name=\"csrf-param\">").is_csrf());
    }

    #[test]
    fn refusal_hides_cookies_tickets_and_body_in_debug() {
        let mut headers = HeaderMap::new();
        headers.insert("set-cookie", HeaderValue::from_static("X-Qlik-Session=s3cret"));
        headers.insert("location", HeaderValue::from_static("https://h/hub?qlikTicket=s3cret&x=1"));
        let refusal = Refusal { status: StatusCode::FOUND, headers, body: Bytes::from_static(b"s3cret") };
        let error = ConnectError::Upgrade { peer: "h:443".into(), refusal: Box::new(refusal) };
        let shown = format!("{error:?} {error} {:?}", error.hint());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("qlikTicket=***&x=1"), "{shown}");
        assert_eq!(error.stage(), Stage::Upgrade);
    }
}
