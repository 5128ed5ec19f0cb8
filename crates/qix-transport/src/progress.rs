//! What is found out on the way to a socket.

use std::{fmt, net::SocketAddr};

use http::StatusCode;

use crate::CertificateInfo;

/// Something that went well on the way to a socket, told as it happens by
/// [`WsConnect::connect_watched`](crate::WsConnect::connect_watched).
///
/// They come in this order, and once more from the start if the credentials had to be repaired. Holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Progress {
    /// The credentials are there.
    Credentials {
        /// What goes with the attempt: `header authorization`, `query qlikTicket`, `cookie X-Qlik-Session`.
        sent: Vec<String>,
    },
    /// The host name has addresses: that of the proxy, if there is one on the way.
    Resolved {
        /// The host, as `host:port`.
        host: Box<str>,
        /// In the order in which they are tried; the first that answers is taken.
        addresses: Vec<SocketAddr>,
    },
    /// The TCP connection is open.
    Connected {
        /// The address that answered.
        address: SocketAddr,
    },
    /// A proxy has opened a tunnel.
    Tunnelled {
        /// The proxy, without credentials.
        proxy: Box<str>,
        /// Where the tunnel leads, as `host:port`.
        target: Box<str>,
    },
    /// The server has shown its certificates. They are told whether they are accepted or not; in the second case nothing but the
    /// error comes after them.
    Certificates(ServerCertificates),
    /// The TLS handshake is complete. A server that speaks TLS 1.3 may still turn the client's certificate down: that comes as
    /// an error of the stage [`Tls`](crate::Stage::Tls) while the upgrade is under way.
    Encrypted {
        /// The version, `TLS 1.3`.
        version: &'static str,
        /// The cipher suite, in the words of the standard.
        cipher: &'static str,
    },
    /// The server has made a WebSocket of the connection.
    Upgraded {
        /// What the server calls itself in the header `Server`, if it says so.
        server: Option<Box<str>>,
    },
    /// The server refused the credentials, which could be repaired: another attempt begins.
    Again {
        /// How it refused.
        status: StatusCode,
    },
}

/// What a server shows and wants in a TLS handshake.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ServerCertificates {
    /// The server's certificate and those of its issuers, as the server sent them; those that can be read.
    pub chain: Vec<CertificateInfo>,
    /// Whether the server asked for a client certificate. If its own is not accepted, a server that speaks TLS 1.2 was not
    /// heard on that.
    pub wants_client_certificate: bool,
    /// By whom that certificate should be issued, such as `CN=sense-CA`; empty if the server does not say. At most 20.
    pub accepted_issuers: Vec<Box<str>>,
    /// Whether there was one to show.
    pub client_certificate_shown: bool,
}

/// Who hears of progress; most of the time nobody.
#[derive(Clone, Copy, Default)]
pub(crate) struct Watch<'a>(Option<&'a (dyn Fn(Progress) + Sync)>);

impl<'a> Watch<'a> {
    pub(crate) fn by(watcher: &'a (dyn Fn(Progress) + Sync)) -> Self {
        Self(Some(watcher))
    }

    pub(crate) fn is_on(self) -> bool {
        self.0.is_some()
    }

    /// Tells what `progress` makes, if anybody wants to know.
    pub(crate) fn tell(self, progress: impl FnOnce() -> Progress) {
        if let Some(watcher) = self.0 {
            watcher(progress());
        }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watch").field(&self.is_on()).finish()
    }
}
