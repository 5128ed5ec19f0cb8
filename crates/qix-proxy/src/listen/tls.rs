//! TLS in front of the recorder.

use std::{
    fmt, fs,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use qix_transport::CertificateInfo;
use rustls::{
    AlertDescription, InconsistentKeys, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache},
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{AnyStream, ListenOn, plain};
use crate::{
    authority::{self, Authority, AuthorityError},
    private::is_open_to_others,
};

/// How long a certificate that vouches for itself is valid. It is made anew at each start.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How many clients can resume a session.
const SESSIONS: usize = 64;
/// The first byte of whatever speaks TLS.
const HANDSHAKE: u8 = 0x16;

/// With what certificate clients are spoken to.
#[derive(Clone)]
pub struct FrontTls {
    source: Source,
    names: Vec<String>,
}

#[derive(Clone)]
enum Source {
    Given(Arc<CertifiedKey>),
    Made(Option<Arc<Authority>>),
}

/// Why a certificate cannot be shown to clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrontTlsError {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is no certificate in the file.
    #[error("{} has no certificate in PEM form in it; it must begin with -----BEGIN CERTIFICATE-----", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error("{} has no private key in PEM form in it; a key with a password must be decrypted first, with: openssl pkey -in KEY -out NEW", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are not of each other.
    #[error("the key in {} is not that of the certificate in {}; the certificate of the server must be the first in its file", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// They are of a kind that is not spoken.
    #[error("the certificate in {} cannot be used", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// No certificate can be made.
    #[error("cannot make a certificate for this port")]
    Make(#[from] AuthorityError),
    /// TLS itself cannot be set up.
    #[error("cannot speak TLS")]
    Tls(#[source] rustls::Error),
}

impl FrontTls {
    /// Shows a certificate that was issued for this machine. Both files are PEM: the certificate with those that vouch for it behind it,
    /// and its key in PKCS#8, PKCS#1 or SEC1 form, without a password.
    ///
    /// Reads the files at once, and warns of a certificate that has expired and of a key that others can read.
    ///
    /// # Errors
    ///
    /// [`FrontTlsError`] says what is wrong with which file.
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, FrontTlsError> {
        let (certificate, key_path) = (certificate.as_ref(), key.as_ref());
        let pem = fs::read(certificate)
            .map_err(|source| FrontTlsError::Read { path: certificate.to_owned(), source })?;
        let no_certificate = || FrontTlsError::NoCertificate { path: certificate.to_owned() };
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| no_certificate())?;
        let info = chain.first().and_then(|der| CertificateInfo::parse(der)).ok_or_else(no_certificate)?;
        warn_of_time(certificate, &info, SystemTime::now());
        let key = read_key(key_path)?;
        let certified =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    FrontTlsError::Mismatch { certificate: certificate.to_owned(), key: key_path.to_owned() }
                }
                source => FrontTlsError::Unusable { path: certificate.to_owned(), source },
            })?;
        Ok(Self { source: Source::Given(Arc::new(certified)), names: Vec::new() })
    }

    /// Shows a certificate that is made when the proxy starts, for `localhost`, the addresses of the loopback, those that are listened
    /// on, and [`names`](Self::name). Nobody vouches for it, so that clients must be told its
    /// [fingerprint](crate::Proxy::fingerprint).
    pub fn self_signed() -> Self {
        Self { source: Source::Made(None), names: Vec::new() }
    }

    /// As [`self_signed`](Self::self_signed), but vouched for by `authority`, and made anew before it expires. If the authority may not
    /// do that, because of its name constraints, nobody does.
    pub fn signed_by(authority: Arc<Authority>) -> Self {
        Self { source: Source::Made(Some(authority)), names: Vec::new() }
    }

    /// Adds a name or address of this machine, for certificates that are made.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Makes what connections share.
    pub(crate) fn guard(&self, places: &[ListenOn]) -> Result<Guard, FrontTlsError> {
        let (resolver, fingerprint): (Arc<dyn ResolvesServerCert>, _) = match &self.source {
            Source::Given(certified) => (Arc::new(SingleCertAndKey::from(Arc::clone(certified))), None),
            Source::Made(authority) => self.made(authority.as_ref(), places)?,
        };
        let acceptor = TlsAcceptor::from(server_config(resolver).map_err(FrontTlsError::Tls)?);
        Ok(Guard { acceptor, fingerprint, warned: AtomicBool::new(false) })
    }

    fn made(
        &self,
        authority: Option<&Arc<Authority>>,
        places: &[ListenOn],
    ) -> Result<(Arc<dyn ResolvesServerCert>, Option<String>), FrontTlsError> {
        let hosts = self.hosts(places);
        if let Some(authority) = authority {
            match authority.leaf_for(&hosts, SystemTime::now()) {
                Ok(_) => return Ok((Arc::new(Renewed { authority: Arc::clone(authority), hosts }), None)),
                Err(error) => {
                    tracing::warn!("nobody vouches for the certificate of this port: {error}");
                }
            }
        }
        let (certificate, key) = authority::self_signed(&hosts, VALIDITY, SystemTime::now())?;
        let fingerprint = CertificateInfo::parse(certificate.der()).map(|info| info.sha256());
        let certified = authority::certified(certificate.der().clone(), &key);
        Ok((Arc::new(SingleCertAndKey::from(Arc::new(certified))), fingerprint))
    }

    fn hosts(&self, places: &[ListenOn]) -> Vec<String> {
        let mut hosts = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
        let addresses = places.iter().filter_map(ListenOn::tcp).map(|address| address.ip());
        let addresses = addresses.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string());
        for host in addresses.chain(self.names.iter().cloned()) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        hosts
    }
}

/// Shows no key.
impl fmt::Debug for FrontTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Given(_) => "given",
            Source::Made(None) => "self-signed",
            Source::Made(Some(_)) => "signed by an authority",
        };
        f.debug_struct("FrontTls").field("source", &source).field("names", &self.names).finish()
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, FrontTlsError> {
    let failed = |source| FrontTlsError::Read { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    if is_open_to_others(&file).map_err(failed)? {
        tracing::warn!("others can read the key {0}; take that back with: chmod 600 {0}", path.display());
    }
    let mut pem = Vec::new();
    file.read_to_end(&mut pem).map_err(failed)?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|_| FrontTlsError::NoKey { path: path.to_owned() })
}

fn warn_of_time(path: &Path, info: &CertificateInfo, now: SystemTime) {
    if now > info.not_after() {
        tracing::warn!("the certificate in {} has expired; clients will refuse it", path.display());
    } else if now < info.not_before() {
        tracing::warn!("the certificate in {} is not valid yet; clients will refuse it", path.display());
    }
}

/// What a server says in TLS: versions 1.2 and 1.3, and HTTP/1.1 behind it.
pub(crate) fn server_config(
    resolver: Arc<dyn ResolvesServerCert>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    Ok(Arc::new(config))
}

/// Shows a certificate of an authority, which is another one once that is about to expire.
#[derive(Debug)]
struct Renewed {
    authority: Arc<Authority>,
    hosts: Vec<String>,
}

impl ResolvesServerCert for Renewed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        match self.authority.leaf_for(&self.hosts, SystemTime::now()) {
            Ok(leaf) => Some(Arc::clone(leaf.certified())),
            Err(error) => {
                tracing::warn!("this port has no certificate any more: {error}");
                None
            }
        }
    }
}

/// TLS with clients that have connected.
pub(crate) struct Guard {
    acceptor: TlsAcceptor,
    /// The SHA-256 of a certificate that vouches for itself.
    pub(crate) fingerprint: Option<String>,
    /// Whether it was said that clients do not trust the certificate.
    warned: AtomicBool,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

impl Guard {
    /// Makes a TLS connection of a TCP connection, within `limit`; nothing if none comes about. Who speaks plain HTTP is answered.
    pub(crate) async fn enter(&self, stream: TcpStream, limit: Duration) -> Option<AnyStream> {
        let mut first = [0];
        match timeout(limit, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first[0] == HANDSHAKE => {}
            Ok(Ok(1)) => {
                plain::turn_away(stream, limit).await;
                return None;
            }
            _ => return None,
        }
        match timeout(limit, self.acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Some(Box::new(stream)),
            Ok(Err(error)) => {
                if is_distrust(&error) && !self.warned.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "a client does not trust the certificate of this port ({error}); have it trust the certificate or its authority"
                    );
                } else {
                    tracing::debug!("no TLS with a client: {error}");
                }
                None
            }
            Err(_) => {
                tracing::debug!("a client did not finish the TLS handshake within {limit:?}");
                None
            }
        }
    }
}

/// Returns whether a client has said that it does not like the certificate it was shown.
pub(crate) fn is_distrust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(
        inner,
        Some(rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
                | AlertDescription::CertificateUnknown
                | AlertDescription::BadCertificate
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateExpired
                | AlertDescription::AccessDenied
        ))
    )
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn files(dir: &Path, certificate: &str, key: &str) -> (PathBuf, PathBuf) {
        let paths = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&paths.0, certificate).unwrap();
        fs::write(&paths.1, key).unwrap();
        paths
    }

    fn error(certificate: &str, key: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let (certificate, key) = files(dir.path(), certificate, key);
        FrontTls::from_pem_files(certificate, key).unwrap_err().to_string()
    }

    #[test]
    fn what_is_wrong_with_certificate_and_key_is_one_sentence() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let certificate = CertificateParams::default().self_signed(&key).unwrap().pem();
        assert!(
            error(&certificate, &other.serialize_pem()).contains("key.pem is not that of the certificate")
        );
        assert!(error("nothing", &key.serialize_pem()).contains("cert.pem has no certificate"));
        assert!(error(&certificate, "nothing").contains("key.pem has no private key"));
        let encrypted = key.serialize_pem().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        assert!(error(&certificate, &encrypted).contains("openssl pkey"));
        let dir = tempfile::tempdir().unwrap();
        let (certificate, _) = files(dir.path(), &certificate, "");
        let missing = FrontTls::from_pem_files(certificate, dir.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("cannot read") && missing.to_string().contains("none"));
    }

    #[test]
    fn made_certificate_is_for_the_loopback_what_is_listened_on_and_names() {
        let tls = FrontTls::self_signed().name("recorder.example");
        let places =
            ["0.0.0.0:1", "10.0.0.1:2", "127.0.0.1:3", "unix:/x"].map(|place| place.parse().unwrap());
        let hosts = ["localhost", "127.0.0.1", "::1", "10.0.0.1", "recorder.example"];
        assert_eq!(tls.hosts(&places), hosts);
        assert!(tls.guard(&places).unwrap().fingerprint.is_some());
    }

    #[test]
    fn authority_that_may_not_vouch_for_this_port_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let settings = crate::AuthoritySettings::default().name_constraint("*.qlikcloud.com");
        let narrow = Arc::new(Authority::create(dir.path().join("a"), &settings).unwrap());
        assert!(FrontTls::signed_by(narrow).guard(&[]).unwrap().fingerprint.is_some());
        let wide = Arc::new(Authority::create(dir.path().join("b"), &Default::default()).unwrap());
        assert!(FrontTls::signed_by(wide).guard(&[]).unwrap().fingerprint.is_none());
    }
}
