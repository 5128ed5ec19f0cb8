//! TLS: whom to trust, whom to expect, what to show.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
    sign::SingleCertAndKey,
};

use crate::ClientIdentity;

/// Settings for TLS connections. The default trusts what the system trusts and shows no certificate.
///
/// TLS 1.2 and 1.3 are spoken, with the `ring` provider, whatever provider the program may have installed.
///
/// ```
/// use qix_transport::TlsSettings;
///
/// let settings = TlsSettings::default().server_name("sense.internal");
/// # let _ = settings;
/// ```
#[derive(Clone, Default)]
pub struct TlsSettings {
    roots: Vec<CertificateDer<'static>>,
    own_roots_only: bool,
    server_name: Option<Box<str>>,
    identity: Option<ClientIdentity>,
    accept_any: bool,
}

impl TlsSettings {
    /// Trusts the certificates in a PEM file, and no longer those of the system. Can be called more than once.
    ///
    /// Reads the file at once.
    ///
    /// # Errors
    ///
    /// [`TlsError::ReadRoots`] or [`TlsError::BadRoots`], which name the file.
    pub fn ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let pem = fs::read(path).map_err(|source| TlsError::ReadRoots { path: path.to_owned(), source })?;
        self.roots(&pem, &path.to_string_lossy())
    }

    /// Trusts the certificates in a PEM text, and no longer those of the system. Can be called more than once.
    ///
    /// # Errors
    ///
    /// [`TlsError::BadRoots`] if there is no certificate in it.
    pub fn ca_pem(self, pem: &[u8]) -> Result<Self, TlsError> {
        self.roots(pem, "the CA text")
    }

    /// Expects, and asks the server for, the certificate of `name` instead of the URL's host.
    ///
    /// For engines reached by an address or alias that is not in their certificate. May be an IP address.
    #[must_use]
    pub fn server_name(mut self, name: impl Into<Box<str>>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Shows a client certificate, and trusts the roots that came with it besides the others.
    #[must_use]
    pub fn identity(mut self, identity: ClientIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Accepts any certificate of the server, also none of the names in it and none of its signatures being right.
    ///
    /// Whoever can intercept the connection can then read and change everything, tokens included. For tests.
    #[must_use]
    pub fn danger_accept_any_server_certificate(mut self) -> Self {
        self.accept_any = true;
        self
    }

    fn roots(mut self, pem: &[u8], file: &str) -> Result<Self, TlsError> {
        let bad = || TlsError::BadRoots { file: file.into() };
        let found: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| bad())?;
        if found.is_empty() {
            return Err(bad());
        }
        self.roots.extend(found);
        self.own_roots_only = true;
        Ok(self)
    }

    /// Returns the name to expect instead of the URL's host.
    pub(crate) fn expected_name(&self) -> Result<Option<ServerName<'static>>, TlsError> {
        let Some(name) = &self.server_name else { return Ok(None) };
        match ServerName::try_from(name.to_string()) {
            Ok(name) => Ok(Some(name)),
            Err(_) => Err(TlsError::ServerName { name: name.clone() }),
        }
    }

    /// Makes the configuration that all connections with these settings share. Reads the system's roots if they are wanted.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let builder = if self.accept_any {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny { provider }))
        } else {
            builder.with_root_certificates(self.root_store()?)
        };
        let config = match &self.identity {
            Some(identity) => {
                let key = SingleCertAndKey::from(Arc::clone(identity.certified_key()));
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    fn root_store(&self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        let site = self.identity.as_ref().map_or(&[][..], ClientIdentity::roots);
        for root in self.roots.iter().chain(site) {
            store.add(root.clone()).map_err(TlsError::UnusableRoot)?;
        }
        if !self.own_roots_only {
            // Systems carry roots that webpki cannot read; those that it can are enough.
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        if store.is_empty() { Err(TlsError::NoRoots) } else { Ok(store) }
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("roots", &self.roots.len())
            .field("system_roots", &!self.own_roots_only)
            .field("server_name", &self.server_name)
            .field("identity", &self.identity)
            .field("accept_any", &self.accept_any)
            .finish()
    }
}

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
    /// The system has no trust roots and none were given.
    #[error("this system has no trusted root certificates; give a CA file")]
    NoRoots,
    /// The expected name is neither a host name nor an address.
    #[error("{name:?} cannot be a server name; it must be a host name or an IP address")]
    ServerName {
        /// The name.
        name: Box<str>,
    },
    /// The TLS library refused the settings.
    #[error("TLS cannot be set up")]
    Unusable(#[source] rustls::Error),
}

/// Accepts whatever certificate comes.
#[derive(Debug)]
struct AcceptAny {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    // A signature made with the key of a certificate that anyone may have written proves nothing; checking it would only refuse
    // certificates too old for webpki to read, which are what this setting is used for.
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ca_file_errors_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let error = TlsSettings::default().ca_file(&path).unwrap_err();
        assert!(error.to_string().contains("ca.pem"), "{error}");
        fs::write(&path, "nothing").unwrap();
        let error = TlsSettings::default().ca_file(&path).unwrap_err();
        assert!(matches!(&error, TlsError::BadRoots { file } if file.contains("ca.pem")), "{error}");
    }

    #[test]
    fn text_that_is_no_certificate_is_refused_as_root() {
        let pem = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let error = TlsSettings::default().ca_pem(pem).unwrap().client_config().unwrap_err();
        assert!(matches!(error, TlsError::UnusableRoot(_)), "{error}");
    }

    #[test]
    fn server_name_is_checked() {
        let name = |name: &str| TlsSettings::default().server_name(name).expected_name();
        assert!(name("sense.internal").unwrap().is_some());
        assert!(name("::1").unwrap().is_some());
        assert!(matches!(name("no name"), Err(TlsError::ServerName { .. })));
    }
}
