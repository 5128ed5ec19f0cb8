//! Looking on at one TLS handshake.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
};
use x509_parser::{prelude::FromDer, x509::X509Name};

use super::certificate::shown;
use crate::{CertificateInfo, ServerCertificates};

/// A report shows fewer; this bounds memory.
const MAX_ISSUERS: usize = 20;

/// What TLS connections share: the library's configuration, and who judges the certificates.
#[derive(Clone)]
pub(crate) struct TlsClient {
    config: Arc<ClientConfig>,
    verifier: Arc<dyn ServerCertVerifier>,
}

/// What was seen of one handshake so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Arc<Mutex<ServerCertificates>>);

impl TlsClient {
    pub(super) fn new(config: ClientConfig, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self { config: Arc::new(config), verifier }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// Returns a configuration for one handshake, and where to see afterwards what the server showed in it.
    pub(crate) fn watched(&self) -> (Arc<ClientConfig>, Seen) {
        let seen = Seen::default();
        let mut config = (*self.config).clone();
        // A resumed session shows no certificates.
        config.resumption = Resumption::disabled();
        let inner = Arc::clone(&self.verifier);
        config.dangerous().set_certificate_verifier(Arc::new(WatchedVerifier { inner, seen: seen.clone() }));
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        config.client_auth_cert_resolver = Arc::new(WatchedResolver { inner, seen: seen.clone() });
        (Arc::new(config), seen)
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("verifier", &self.verifier).finish_non_exhaustive()
    }
}

impl Seen {
    /// Returns what the server showed, unless it did not come to that.
    pub(crate) fn take(&self) -> Option<ServerCertificates> {
        let seen = std::mem::take(&mut *self.lock());
        (!seen.chain.is_empty() || seen.wants_client_certificate).then_some(seen)
    }

    fn lock(&self) -> MutexGuard<'_, ServerCertificates> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct WatchedVerifier {
    inner: Arc<dyn ServerCertVerifier>,
    seen: Seen,
}

impl ServerCertVerifier for WatchedVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        issuers: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain = std::iter::once(leaf).chain(issuers);
        self.seen.lock().chain = chain.filter_map(|der| CertificateInfo::parse(der)).collect();
        self.inner.verify_server_cert(leaf, issuers, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[derive(Debug)]
struct WatchedResolver {
    inner: Arc<dyn ResolvesClientCert>,
    seen: Seen,
}

impl ResolvesClientCert for WatchedResolver {
    fn resolve(&self, issuers: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let found = self.inner.resolve(issuers, schemes);
        let mut seen = self.seen.lock();
        seen.wants_client_certificate = true;
        seen.client_certificate_shown = found.is_some();
        let names = issuers.iter().filter_map(|der| X509Name::from_der(der).ok());
        seen.accepted_issuers = names.take(MAX_ISSUERS).map(|(_, name)| shown(&name.to_string())).collect();
        found
    }

    fn only_raw_public_keys(&self) -> bool {
        self.inner.only_raw_public_keys()
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
