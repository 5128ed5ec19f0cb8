//! Why a server's certificate was not accepted, in words.

use std::{
    error::Error,
    fmt, io,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    CertificateError, OtherError,
    pki_types::{CertificateDer, ServerName, UnixTime},
};

use super::CertificateInfo;
use crate::hint::find_tls_error;

/// A message shows this many names of a certificate.
const SHOWN_NAMES: usize = 5;

/// What is wrong with a certificate that a server presented.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotValidYet,
    /// It is for other names.
    WrongName,
    /// It has only a common name, which is not looked at since RFC 6125; no alternative names.
    NoNames,
    /// Nobody trusted here issued it.
    UnknownIssuer,
    /// It names a trusted issuer, but was not signed with the key of that: the issuer was made anew under its old name.
    OtherIssuerKey,
    /// It, or an issuer in the chain that is not trusted itself, is of X.509 version 1.
    Version1,
    /// It is signed over SHA-1 or MD5.
    OldHash,
    /// It has an RSA key of fewer than 2048 bits.
    ShortKey,
    /// It may not be used for servers.
    WrongPurpose,
    /// It is another one than that pinned.
    NotPinned,
    /// It is no X.509 certificate that can be read.
    Unreadable,
    /// Something else, which the source says.
    Other,
}

impl CertificateFault {
    /// Returns a sentence that says what it is and what to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Expired => {
                "the server's certificate has expired: renew it, and check this machine's clock; until then it can be pinned"
            }
            Self::NotValidYet => {
                "the server's certificate is not valid yet: check this machine's clock and the server's"
            }
            Self::WrongName => {
                "the server's certificate is for another name: use that name in the URL or set server_name to it"
            }
            Self::NoNames => {
                "the server's certificate has no alternative names, only a common name, which no longer counts: issue another with names, or pin this one"
            }
            Self::UnknownIssuer => {
                "the server's certificate was issued by nobody trusted here: give the site's root.pem, as the QMC exports it, as CA file"
            }
            Self::OtherIssuerKey => {
                "the issuer of the server's certificate has a trusted name, but another key, as after a site's certificates were made anew: export root.pem from the QMC again"
            }
            Self::Version1 => {
                "a certificate of version 1 can only be a trust root: give the site's root itself as CA file, issue the server another certificate, or pin this one"
            }
            Self::OldHash => {
                "a certificate of the server's chain is signed over a hash no longer thought safe: issue another, or pin the server's"
            }
            Self::ShortKey => {
                "a certificate of the server's chain has an RSA key of fewer than 2048 bits, which is not accepted: issue another with a longer key"
            }
            Self::WrongPurpose => {
                "the server's certificate may not be used for servers: give the server its own certificate, not that of a client"
            }
            Self::NotPinned => {
                "the server's certificate is not the pinned one: if it was renewed, pin the new one; if not, somebody is in between"
            }
            Self::Unreadable | Self::Other => {
                "the server's certificate cannot be used: issue another, or pin this one"
            }
        }
    }
}

/// A server's certificate that was not accepted.
///
/// The source of [`ConnectError::Tls`](crate::ConnectError::Tls) in that case. `Display` shows what the certificate says of
/// itself; [`CertificateFault::hint`] what to do.
#[derive(Clone, Debug)]
pub struct CertificateRefused {
    fault: CertificateFault,
    expected: Box<str>,
    server: Option<CertificateInfo>,
    /// The one with the fault, if it is not the server's own.
    issuer: Option<CertificateInfo>,
    source: Option<Arc<rustls::Error>>,
}

impl CertificateRefused {
    /// Returns what is wrong.
    pub fn fault(&self) -> CertificateFault {
        self.fault
    }

    /// Returns what the server's own certificate says of itself, unless it cannot be read.
    pub fn certificate(&self) -> Option<&CertificateInfo> {
        self.server.as_ref()
    }

    /// Finds out what `error` means for this chain. Errors that are not about the certificate come back as they are.
    pub(super) fn explain(
        error: rustls::Error,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        expected: &ServerName<'_>,
    ) -> rustls::Error {
        let rustls::Error::InvalidCertificate(reason) = &error else { return error };
        let server = CertificateInfo::parse(leaf);
        let issuers: Vec<_> = issuers.iter().filter_map(|der| CertificateInfo::parse(der)).collect();
        let (fault, found) = diagnose(reason, server.as_ref(), &issuers);
        let issuer = found.filter(|found| Some(*found) != server.as_ref()).cloned();
        Self { fault, expected: expected.to_str().into(), server, issuer, source: Some(Arc::new(error)) }
            .into_tls()
    }

    /// Makes the error for a certificate that is not among those pinned.
    pub(super) fn not_pinned(leaf: &CertificateDer<'_>, expected: &ServerName<'_>) -> rustls::Error {
        Self {
            fault: CertificateFault::NotPinned,
            expected: expected.to_str().into(),
            server: CertificateInfo::parse(leaf),
            issuer: None,
            source: None,
        }
        .into_tls()
    }

    fn into_tls(self) -> rustls::Error {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(self))))
    }
}

impl fmt::Display for CertificateRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(server) = &self.server else {
            return f.write_str("the server's certificate cannot be read");
        };
        match &self.issuer {
            None => write!(f, "the server's certificate {:?}", server.subject())?,
            Some(issuer) => write!(f, "an issuer of the server's certificate, {:?},", issuer.subject())?,
        }
        let faulty = self.issuer.as_ref().unwrap_or(server);
        let pin = || format!("; its SHA-256 is {}", server.sha256());
        match self.fault {
            CertificateFault::Expired => write!(f, " expired on {}", faulty.expires()),
            CertificateFault::NotValidYet => write!(f, " is not valid before {}", faulty.begins()),
            CertificateFault::WrongName => {
                write!(f, " is not for {}, but for ", self.expected)?;
                write_names(f, server)
            }
            CertificateFault::NoNames => write!(f, " has no alternative names{}", pin()),
            CertificateFault::UnknownIssuer if server.is_self_issued() => {
                write!(f, " was issued by itself and is not trusted{}", pin())
            }
            CertificateFault::UnknownIssuer => {
                write!(f, " was issued by {:?}, which is not trusted", server.issuer())
            }
            CertificateFault::OtherIssuerKey => {
                write!(f, " is not signed with the key known of {:?}", server.issuer())
            }
            CertificateFault::Version1 => write!(f, " is of version 1{}", pin()),
            CertificateFault::OldHash => {
                write!(f, " is signed over {}{}", faulty.old_hash().unwrap_or("an old hash"), pin())
            }
            CertificateFault::ShortKey => f.write_str(" has an RSA key of fewer than 2048 bits"),
            CertificateFault::WrongPurpose => f.write_str(" may not be used for servers"),
            CertificateFault::NotPinned => write!(f, " is not the pinned one{}", pin()),
            CertificateFault::Unreadable | CertificateFault::Other => write!(f, " cannot be used{}", pin()),
        }
    }
}

impl Error for CertificateRefused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}

/// Takes the refusal out of what the TLS library and the system wrapped around it.
pub(crate) fn explained(error: io::Error) -> Box<dyn Error + Send + Sync> {
    let refused = match find_tls_error(&error) {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) => {
            inner.downcast_ref::<CertificateRefused>().cloned()
        }
        _ => None,
    };
    match refused {
        Some(refused) => Box::new(refused),
        None => Box::new(error),
    }
}

/// Returns what is wrong, and with which certificate if that is known.
fn diagnose<'a>(
    reason: &CertificateError,
    server: Option<&'a CertificateInfo>,
    issuers: &'a [CertificateInfo],
) -> (CertificateFault, Option<&'a CertificateInfo>) {
    let Some(server) = server else { return (CertificateFault::Unreadable, None) };
    let find = |wanted: &dyn Fn(&CertificateInfo) -> bool| {
        std::iter::once(server).chain(issuers).find(|cert| wanted(cert))
    };
    match reason {
        CertificateError::Expired => (CertificateFault::Expired, None),
        CertificateError::ExpiredContext { not_after, .. } => {
            (CertificateFault::Expired, find(&|cert| cert.not_after() == system_time(*not_after)))
        }
        CertificateError::NotValidYet => (CertificateFault::NotValidYet, None),
        CertificateError::NotValidYetContext { not_before, .. } => {
            (CertificateFault::NotValidYet, find(&|cert| cert.not_before() == system_time(*not_before)))
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            let none = server.names().next().is_none();
            (if none { CertificateFault::NoNames } else { CertificateFault::WrongName }, None)
        }
        CertificateError::UnknownIssuer => (CertificateFault::UnknownIssuer, None),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            (CertificateFault::WrongPurpose, None)
        }
        // `ring` calls a signature by a short key a bad one.
        CertificateError::BadSignature => match find(&CertificateInfo::has_short_key) {
            Some(short) => (CertificateFault::ShortKey, Some(short)),
            None => (CertificateFault::OtherIssuerKey, None),
        },
        // webpki says that it cannot read or check a certificate, the chain which one and why.
        _ => {
            if let Some(old) = find(&|cert| cert.version() < 3) {
                (CertificateFault::Version1, Some(old))
            } else if let Some(old) = find(&|cert| cert.old_hash().is_some()) {
                (CertificateFault::OldHash, Some(old))
            } else {
                (CertificateFault::Other, None)
            }
        }
    }
}

fn system_time(time: UnixTime) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_secs(time.as_secs())).unwrap_or(UNIX_EPOCH)
}

fn write_names(f: &mut fmt::Formatter<'_>, cert: &CertificateInfo) -> fmt::Result {
    for (index, name) in cert.names().enumerate() {
        match index {
            0 => {}
            SHOWN_NAMES => return write!(f, " and {} more", cert.names().count() - SHOWN_NAMES),
            _ => f.write_str(", ")?,
        }
        f.write_str(name)?;
    }
    Ok(())
}
