//! TLS settings: whom to trust, whom to expect, what to show.

use std::{fmt, fs, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::WebPkiServerVerifier,
    client::danger::ServerCertVerifier,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    sign::SingleCertAndKey,
};

use super::{
    TlsClient, TlsError,
    verify::{AcceptAny, Explaining, Pinned},
};
use crate::ClientIdentity;

/// Settings for TLS connections. The default trusts what the system trusts and shows no certificate.
///
/// TLS 1.2 and 1.3 are spoken, with the `ring` provider, whatever provider the program may have installed.
///
/// | The server's certificate was issued by | Setting |
/// |---|---|
/// | a public CA, or one the system knows | none, or [`bundled_roots`](Self::bundled_roots) where the system knows none |
/// | the site's own CA, as Qlik makes one | [`ca_file`](Self::ca_file) with its `root.pem`, or [`given_roots_only`](Self::given_roots_only) if that came with the client's certificate |
/// | the company's CA, some servers by a public one | [`extra_ca_file`](Self::extra_ca_file) |
/// | itself, or so long ago that nothing else helps | [`pin_certificate`](Self::pin_certificate) |
///
/// ```
/// use qix_transport::TlsSettings;
///
/// let settings = TlsSettings::default().server_name("sense.internal");
/// # let _ = settings;
/// ```
#[derive(Clone, Default)]
pub struct TlsSettings {
    given: Vec<CertificateDer<'static>>,
    given_only: bool,
    bundled: bool,
    pins: Vec<[u8; 32]>,
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
        Ok(self.extra_ca_file(path)?.given_roots_only())
    }

    /// Trusts the certificates in a PEM text, and no longer those of the system. Can be called more than once.
    ///
    /// # Errors
    ///
    /// [`TlsError::BadRoots`] if there is no certificate in it.
    pub fn ca_pem(self, pem: &[u8]) -> Result<Self, TlsError> {
        Ok(self.extra_ca_pem(pem)?.given_roots_only())
    }

    /// Trusts the certificates in a PEM file besides all others. Can be called more than once.
    ///
    /// Reads the file at once.
    ///
    /// # Errors
    ///
    /// [`TlsError::ReadRoots`] or [`TlsError::BadRoots`], which name the file.
    pub fn extra_ca_file(self, path: impl AsRef<Path>) -> Result<Self, TlsError> {
        let path = path.as_ref();
        let pem = fs::read(path).map_err(|source| TlsError::ReadRoots { path: path.to_owned(), source })?;
        self.give(&pem, &path.to_string_lossy())
    }

    /// Trusts the certificates in a PEM text besides all others. Can be called more than once.
    ///
    /// # Errors
    ///
    /// [`TlsError::BadRoots`] if there is no certificate in it.
    pub fn extra_ca_pem(self, pem: &[u8]) -> Result<Self, TlsError> {
        self.give(pem, "the CA text")
    }

    /// Trusts the public roots that Mozilla trusts, as they were when this was built, in the place of those of the system.
    ///
    /// For containers without roots, and for the same answer everywhere.
    #[must_use]
    pub fn bundled_roots(mut self) -> Self {
        self.bundled = true;
        self
    }

    /// Returns whether a client certificate is shown.
    pub fn has_identity(&self) -> bool {
        self.identity.is_some()
    }

    /// Trusts only roots that were given, here or with the [`identity`](Self::identity): neither the system's nor the bundled.
    ///
    /// With the certificates that the QMC exports, exactly the site's own root is trusted.
    #[must_use]
    pub fn given_roots_only(mut self) -> Self {
        self.given_only = true;
        self
    }

    /// Accepts exactly the server certificate with this SHA-256, whoever issued it, for whatever name and time.
    ///
    /// That the server has its key is checked. Roots and names no longer count. Takes 64 hexadecimal digits, with colons or
    /// without, as `openssl x509 -fingerprint -sha256` prints them. Can be called more than once, for a certificate that is
    /// about to be renewed.
    ///
    /// # Errors
    ///
    /// [`TlsError::Pin`] if it is something else.
    pub fn pin_certificate(mut self, sha256: &str) -> Result<Self, TlsError> {
        let pin =
            parse_pin(sha256).ok_or_else(|| TlsError::Pin { pin: sha256.chars().take(100).collect() })?;
        self.pins.push(pin);
        Ok(self)
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

    /// Accepts any certificate of the server, whatever else is set, also if neither names nor signatures are right.
    ///
    /// Whoever can intercept the connection can then read and change everything, tokens included. For tests.
    #[must_use]
    pub fn danger_accept_any_server_certificate(mut self) -> Self {
        self.accept_any = true;
        self
    }

    /// Returns what these settings are for servers other than the one they were made for: the same trust, and nothing that is meant
    /// for that one.
    pub(crate) fn roots_only(&self) -> Self {
        let mut given = self.given.clone();
        given.extend_from_slice(self.identity.as_ref().map_or(&[], ClientIdentity::roots));
        Self { given, given_only: self.given_only, bundled: self.bundled, ..Self::default() }
    }

    fn give(mut self, pem: &[u8], file: &str) -> Result<Self, TlsError> {
        let bad = || TlsError::BadRoots { file: file.into() };
        let found: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| bad())?;
        if found.is_empty() {
            return Err(bad());
        }
        self.given.extend(found);
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

    /// Makes what all connections with these settings share. Reads the system's roots if they are wanted.
    pub(crate) fn client(&self) -> Result<TlsClient, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?;
        let verifier = self.verifier(provider)?;
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::clone(&verifier));
        let config = match &self.identity {
            Some(identity) => {
                let key = SingleCertAndKey::from(Arc::clone(identity.certified_key()));
                builder.with_client_cert_resolver(Arc::new(key))
            }
            None => builder.with_no_client_auth(),
        };
        Ok(TlsClient::new(config, verifier))
    }

    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, TlsError> {
        if self.accept_any {
            return Ok(Arc::new(AcceptAny::new(&provider)));
        }
        if !self.pins.is_empty() {
            return Ok(Arc::new(Pinned::new(self.pins.clone(), &provider)));
        }
        let roots = Arc::new(self.root_store()?);
        match WebPkiServerVerifier::builder_with_provider(roots, provider).build() {
            Ok(verifier) => Ok(Arc::new(Explaining::new(verifier))),
            Err(_) => Err(TlsError::NoRoots),
        }
    }

    fn root_store(&self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        let site = self.identity.as_ref().map_or(&[][..], ClientIdentity::roots);
        for root in self.given.iter().chain(site) {
            store.add(root.clone()).map_err(TlsError::UnusableRoot)?;
        }
        match (self.given_only, self.bundled) {
            (true, _) => {}
            (false, true) => store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            // Systems carry roots that webpki cannot read; those that it can are enough.
            (false, false) => {
                store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        if store.is_empty() { Err(TlsError::NoRoots) } else { Ok(store) }
    }
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("given_roots", &self.given.len())
            .field("given_roots_only", &self.given_only)
            .field("bundled_roots", &self.bundled)
            .field("pins", &self.pins.len())
            .field("server_name", &self.server_name)
            .field("identity", &self.identity)
            .field("accept_any", &self.accept_any)
            .finish()
    }
}

fn parse_pin(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> =
        text.chars().filter(|c| *c != ':').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    let mut pin = [0; 32];
    for (byte, pair) in pin.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::try_from(pair[0] << 4 | pair[1]).ok()?;
    }
    Some(pin)
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
        let error = TlsSettings::default().ca_pem(pem).unwrap().client().unwrap_err();
        assert!(matches!(error, TlsError::UnusableRoot(_)), "{error}");
    }

    #[test]
    fn server_name_is_checked() {
        let name = |name: &str| TlsSettings::default().server_name(name).expected_name();
        assert!(name("sense.internal").unwrap().is_some());
        assert!(name("::1").unwrap().is_some());
        assert!(matches!(name("no name"), Err(TlsError::ServerName { .. })));
    }

    #[test]
    fn pin_may_have_colons_and_capitals_and_nothing_else() {
        let colons = ["AB"; 32].join(":");
        assert_eq!(parse_pin(&colons), Some([0xab; 32]));
        assert_eq!(parse_pin(&"ab".repeat(32)), Some([0xab; 32]));
        for bad in ["", "ab", &"ab".repeat(33), &"ag".repeat(32), &"é".repeat(64)] {
            assert!(
                matches!(TlsSettings::default().pin_certificate(bad), Err(TlsError::Pin { .. })),
                "{bad}"
            );
        }
    }

    #[test]
    fn bundled_roots_are_enough_without_a_system() {
        let bundled = TlsSettings::default().bundled_roots();
        assert_eq!(bundled.root_store().unwrap().len(), webpki_roots::TLS_SERVER_ROOTS.len());
    }

    #[test]
    fn given_roots_only_leaves_out_system_and_bundled() {
        let none = TlsSettings::default().bundled_roots().given_roots_only();
        assert!(matches!(none.client(), Err(TlsError::NoRoots)));
    }

    #[test]
    fn extra_roots_are_trusted_besides_the_others() {
        let key = rcgen::KeyPair::generate().unwrap();
        let cert = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let extra = TlsSettings::default().bundled_roots().extra_ca_pem(cert.pem().as_bytes()).unwrap();
        assert_eq!(extra.root_store().unwrap().len(), webpki_roots::TLS_SERVER_ROOTS.len() + 1);
        let only = extra.ca_pem(cert.pem().as_bytes()).unwrap();
        assert!(only.root_store().unwrap().len() <= 2);
    }
}
