//! Why TLS cannot be set up.

use std::{io, path::PathBuf};

/// Why TLS settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A CA file cannot be read.
    #[error("cannot read the CA file {}", path.display())]
    ReadRoots {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A CA file or text holds no certificate.
    #[error("{file} holds no readable certificate; it should have a -----BEGIN CERTIFICATE----- block")]
    BadRoots {
        /// The file or text.
        file: Box<str>,
    },
    /// A certificate given as trust root cannot be one.
    #[error("a certificate cannot be used as trust root")]
    UnusableRoot(#[source] rustls::Error),
    /// There are no trust roots: the system has none, or only those given were wanted and there are none.
    #[error("there are no trusted root certificates; give a CA file, or use the bundled ones")]
    NoRoots,
    /// The expected name is neither a host name nor an address.
    #[error("{name:?} cannot be a server name; it must be a host name or an IP address")]
    ServerName {
        /// The name.
        name: Box<str>,
    },
    /// A pin is not the SHA-256 of a certificate.
    #[error(
        "{pin:?} cannot be a certificate's SHA-256; it must be 64 hexadecimal digits, with colons or without"
    )]
    Pin {
        /// What was given, at most 100 characters.
        pin: Box<str>,
    },
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up")]
    Unusable(#[source] rustls::Error),
}
