//! What to do about a failed connection, one sentence each.
//!
//! The meanings of statuses are those that Qlik deployments give them.

use std::{error::Error, io};

use http::{StatusCode, header::LOCATION};
use rustls::{AlertDescription, InvalidMessage};

use crate::{AuthError, CertificateFault, CertificateRefused, Refusal, Stage};

pub(crate) const RESOLVE: &str = "check the host name in the URL and whether this machine can look it up";
pub(crate) const NOT_WEB_SOCKET: &str = "check the port, and whether the URL begins as it should: ws:// for plain, wss:// for encrypted connections";
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

/// Says what to do about a refused upgrade.
pub(crate) fn refusal(refusal: &Refusal) -> Option<&'static str> {
    if refusal.is_csrf() {
        return Some(
            "the CSRF token is missing or stale: use CloudSession or ProxySession, which send one, and no Authorization besides",
        );
    }
    let location = refusal.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    if refusal.status.is_redirection() && location.is_some_and(is_login) {
        return Some(
            "the server sends clients to a login page: give credentials, and check that the virtual proxy takes such ones",
        );
    }
    status(refusal.status)
}

/// Says what to do about credentials that could not be had.
pub(crate) fn auth(error: &AuthError) -> Option<&'static str> {
    match error {
        AuthError::Connect { source, .. } => source.hint(),
        AuthError::Http { .. } => Some("check host and port of the server that gives the credentials"),
        AuthError::Refused { refusal, .. } => Some(match (error.code(), refusal.status.as_u16()) {
            (Some("invalid_client"), _) => {
                "check client id and client secret, and that the client belongs to this tenant"
            }
            (Some("invalid_scope"), _) => "check that the OAuth client may ask for this scope",
            (Some("unauthorized_client" | "unsupported_grant_type" | "access_denied"), _) => {
                "check that the OAuth client allows this kind of grant, machine to machine or impersonation, and is published"
            }
            (Some("invalid_grant"), _) => "check that the user to impersonate exists in this tenant",
            (_, 300..=399) => {
                "the server sends clients to another page: check host and virtual proxy, and that it takes these credentials"
            }
            (_, status @ (401 | 403)) => match status {
                401 => {
                    "check that the token, key or certificate is meant for this server and has not expired"
                }
                _ => {
                    "check that user and certificate are allowed to, and that the web integration lists the origin"
                }
            },
            (_, 404) => "check the host, and the prefix of the virtual proxy",
            (_, status) => return self::status(StatusCode::from_u16(status).ok()?),
        }),
        AuthError::Answer { .. } => {
            Some("check that the URL belongs to the service, and not to a page in front of it")
        }
        AuthError::Header(_) | AuthError::Url(_) | AuthError::Own(_) => None,
    }
}

/// Returns whether a redirect goes to one of the pages by which Qlik deployments have people log in.
fn is_login(location: &str) -> bool {
    let location = location.to_ascii_lowercase();
    ["login", "_authentication", "/form/", "saml", "oidc", "authorize"]
        .iter()
        .any(|part| location.contains(part))
}

fn status(status: StatusCode) -> Option<&'static str> {
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
        Stage::Auth => "the server that gives the credentials does not answer: check its URL",
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
        AlertDescription::CertificateExpired | AlertDescription::CertificateRevoked => Some(
            "the server no longer takes the client certificate that was shown: export a new one from the QMC",
        ),
        AlertDescription::HandshakeFailure => Some(
            "the server found nothing in common, or wants a client certificate: an engine's port 4747 takes those the QMC exports",
        ),
        AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateUnknown
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
