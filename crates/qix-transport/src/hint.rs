//! What to do about a failed connection, one sentence each.
//!
//! The meanings of statuses are those that Qlik deployments give them.

use std::{error::Error, io};

use http::StatusCode;
use rustls::{AlertDescription, InvalidMessage};

use crate::{CertificateFault, CertificateRefused, Stage};

pub(crate) const RESOLVE: &str = "check the host name in the URL and whether this machine can look it up";
pub(crate) const NOT_WEB_SOCKET: &str =
    "check the port, and whether the URL should start with wss:// instead of ws://";
pub(crate) const NOT_OFFERED: &str =
    "something on the way changes the handshake: connect past it, or switch its compression off";

pub(crate) fn tcp(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Some("nothing listens there: check the port, and that the engine or proxy service runs")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Some("no answer from there: check the host, the port and the firewalls between")
        }
        _ => None,
    }
}

pub(crate) fn status(status: StatusCode) -> Option<&'static str> {
    Some(match status.as_u16() {
        200..=299 => {
            "a web server answered, but not an engine: check the path and the virtual proxy's prefix"
        }
        300..=399 => {
            "the server sends clients elsewhere, mostly to a login page: check the virtual proxy's prefix and give credentials"
        }
        400 => {
            "the server did not accept the request: check that the virtual proxy is linked to this proxy node"
        }
        401 => {
            "the credentials were not accepted: check that the token is meant for this server and has not expired"
        }
        403 => {
            "access was denied: check permissions, the host allow list of the virtual proxy or web integration, and the CSRF token"
        }
        404 => "nothing is at this path: check the virtual proxy's prefix and the app id",
        429 => "too many connections in a short time: wait before the next attempt",
        502..=504 => "the services behind the server are not ready: try again in a while",
        _ => return None,
    })
}

pub(crate) fn timeout(stage: Stage) -> &'static str {
    match stage {
        Stage::Resolve => "the name service does not answer",
        Stage::Tcp => "no answer from there: check the host, the port and the firewalls between",
        Stage::Tunnel => {
            "the proxy does not answer, or does not reach the engine: check its URL, or raise Limits::tunnel_timeout"
        }
        Stage::Tls => "something took the connection but does not speak TLS: check the port, or use ws://",
        Stage::Upgrade => {
            "something took the connection but does not answer: check the port, or raise Limits::upgrade_timeout"
        }
    }
}

pub(crate) fn tls(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(refused) = error.downcast_ref::<CertificateRefused>() {
        return Some(refused.fault().hint());
    }
    match find_tls_error(error)? {
        rustls::Error::InvalidCertificate(_) => Some(CertificateFault::Other.hint()),
        rustls::Error::AlertReceived(alert) => self::alert(*alert),
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Some("the server does not speak TLS on this port: use ws:// or another port")
        }
        rustls::Error::PeerIncompatible(_) => {
            Some("the server offers nothing newer than TLS 1.1, or only ciphers no longer thought safe")
        }
        _ => None,
    }
}

/// Returns the TLS error that is somewhere behind `error`.
pub(crate) fn find_tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut error = Some(error);
    while let Some(level) = error {
        if let Some(found) = level.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An `io::Error` hands out the source of what it wraps, but not that itself.
        error = match level.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => level.source(),
        };
    }
    None
}

fn alert(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::HandshakeFailure
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied => Some(
            "the server wants a client certificate of its own site: an engine's port 4747 takes those the QMC exports",
        ),
        AlertDescription::UnrecognisedName => Some(
            "the server does not know the host name: use the one it is configured for, or set server_name",
        ),
        _ => None,
    }
}
