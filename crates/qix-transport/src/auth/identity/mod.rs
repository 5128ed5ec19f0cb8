//! A client certificate with its key, as the Qlik Management Console exports them.

mod error;
mod key;
mod pfx;
mod rfc1421;

pub use error::IdentityError;

use std::{fmt, fs, io, path::Path, sync::Arc};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::parse_x509_certificate;
use zeroize::Zeroizing;

use crate::Secret;

/// A certificate chain and its private key; cheap to clone. `Debug` does not show the key.
///
/// Keys may be RSA of at least 2048 bits, ECDSA on P-256 or P-384, or Ed25519; in PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1
/// (`EC PRIVATE KEY`) form; PKCS#8 also encrypted as RFC 8018 PBES2, the others as OpenSSL did before it had PKCS#8.
#[derive(Clone)]
pub struct ClientIdentity {
    key: Arc<CertifiedKey>,
    roots: Arc<[CertificateDer<'static>]>,
}

impl ClientIdentity {
    /// Reads `client.pem`, `client_key.pem` and, if it is there, `root.pem` from a folder, which is how the QMC exports
    /// certificates in PEM format.
    ///
    /// The root becomes a trust root of connections that show this identity, because the engine's own certificate was issued by
    /// it. Reads files, so call it while setting up.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] names the file and what to do.
    pub fn from_pem_dir(dir: impl AsRef<Path>) -> Result<Self, IdentityError> {
        Self::from_dir(dir.as_ref(), None)
    }

    /// Does what [`from_pem_dir`](Self::from_pem_dir) does with a key that was exported under a password.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] names the file and what to do.
    pub fn from_pem_dir_with_password(
        dir: impl AsRef<Path>,
        password: &Secret,
    ) -> Result<Self, IdentityError> {
        Self::from_dir(dir.as_ref(), Some(password))
    }

    /// Reads certificate and key from one PEM file, in any order, with further certificates of the chain if there are any.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] names the file and what to do.
    pub fn from_pem_file(path: impl AsRef<Path>, password: Option<&Secret>) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        let name = path.to_string_lossy();
        let pem = read(path)?;
        Self::from_texts(&pem, &name, &pem, &name, password)
    }

    /// Takes the certificate, with intermediate ones if there are any, and the key from PEM text.
    ///
    /// Both may be the same text.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] says which of the two is wrong.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        Self::from_texts(cert, "the certificate", key, "the key", None)
    }

    /// Does what [`from_pem`](Self::from_pem) does with an encrypted key.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] says which of the two is wrong.
    pub fn from_pem_with_password(cert: &[u8], key: &[u8], password: &Secret) -> Result<Self, IdentityError> {
        Self::from_texts(cert, "the certificate", key, "the key", Some(password))
    }

    /// Reads certificate, key and trust roots from a PKCS#12 (PFX) file, which is how the QMC exports certificates for Windows.
    ///
    /// A file without a password is opened by an empty one. See [`from_pfx`](Self::from_pfx).
    ///
    /// # Errors
    ///
    /// [`IdentityError`] names the file and what to do.
    pub fn from_pfx_file(path: impl AsRef<Path>, password: &Secret) -> Result<Self, IdentityError> {
        let path = path.as_ref();
        Self::from_pfx_named(&read(path)?, password, &path.to_string_lossy())
    }

    /// Takes certificate, key and trust roots from the bytes of a PKCS#12 (PFX) file.
    ///
    /// Certificates in it that are their own issuers become trust roots of connections that show this identity; others are
    /// shown with that of the key.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] says what is wrong.
    pub fn from_pfx(bytes: &[u8], password: &Secret) -> Result<Self, IdentityError> {
        Self::from_pfx_named(bytes, password, "the PFX")
    }

    /// Adds the trust roots in a PEM text.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoCertificate`] if it holds none.
    pub fn with_root_pem(self, root: &[u8]) -> Result<Self, IdentityError> {
        self.root(root, "the root")
    }

    fn from_dir(dir: &Path, password: Option<&Secret>) -> Result<Self, IdentityError> {
        let cert = dir.join("client.pem");
        let key = dir.join("client_key.pem");
        let root = dir.join("root.pem");

        let (cert_pem, key_pem) = (read(&cert)?, read(&key)?);
        let (cert, key) = (cert.to_string_lossy(), key.to_string_lossy());
        let identity = Self::from_texts(&cert_pem, &cert, &key_pem, &key, password)?;
        match fs::read(&root) {
            Ok(pem) => identity.root(&pem, &root.to_string_lossy()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(identity),
            Err(source) => Err(IdentityError::Read { path: root, source }),
        }
    }

    fn from_texts(
        cert: &[u8],
        cert_name: &str,
        key: &[u8],
        key_name: &str,
        password: Option<&Secret>,
    ) -> Result<Self, IdentityError> {
        // The key comes first: that it needs a password is said before what is wrong with the certificate.
        let key = key::private_key(key, password, key_name)?;
        let chain = certificates(cert, cert_name)?;
        Self::new(chain, cert_name, key, key_name)
    }

    fn from_pfx_named(bytes: &[u8], password: &Secret, name: &str) -> Result<Self, IdentityError> {
        let contents = pfx::open(bytes, password.expose(), name)?;
        if contents.certs.is_empty() {
            return Err(IdentityError::NoCertificate { file: name.into() });
        }
        let identity = Self::new(contents.certs, name, contents.key, name)?;
        let (leaf, others) = identity.key.cert.split_at(1);
        let (roots, issuers): (Vec<_>, Vec<_>) = others.iter().cloned().partition(is_self_issued);
        let chain = leaf.iter().cloned().chain(issuers).collect();
        let key = CertifiedKey::new(chain, Arc::clone(&identity.key.key));
        Ok(Self { key: Arc::new(key), roots: roots.into() })
    }

    fn new(
        mut chain: Vec<CertificateDer<'static>>,
        cert_name: &str,
        key: PrivateKeyDer<'static>,
        key_name: &str,
    ) -> Result<Self, IdentityError> {
        let key = ring::sign::any_supported_type(&Zeroizing::new(key))
            .map_err(|_| IdentityError::BadKey { file: key_name.into() })?;
        // Whatever is wrong with the certificate otherwise is the engine's to say: it knows what it issued.
        if let Some(public) = key.public_key() {
            match chain.iter().position(|cert| has_key(cert, &public)) {
                // The key's own certificate must come first, and does not in every export.
                Some(own) => chain[..=own].rotate_right(1),
                None => {
                    return Err(IdentityError::Mismatch { cert: cert_name.into(), key: key_name.into() });
                }
            }
        }
        Ok(Self { key: Arc::new(CertifiedKey::new(chain, key)), roots: Arc::new([]) })
    }

    fn root(self, pem: &[u8], name: &str) -> Result<Self, IdentityError> {
        let mut roots = self.roots.to_vec();
        roots.extend(certificates(pem, name)?);
        Ok(Self { roots: roots.into(), ..self })
    }

    pub(crate) fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    pub(crate) fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }
}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity")
            .field("certificates", &self.key.cert.len())
            .field("key", &"***")
            .field("roots", &self.roots.len())
            .finish()
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, IdentityError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(source) => Err(IdentityError::Read { path: path.to_owned(), source }),
    }
}

fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    if pem.is_empty() {
        return Err(IdentityError::Empty { file: name.into() });
    }
    // Only their own blocks are read: the headers of a key encrypted the old way stop the reader.
    let text = Zeroizing::new(String::from_utf8_lossy(pem).into_owned());
    let found: Result<Vec<_>, _> =
        blocks(&text).map(|block| CertificateDer::from_pem_slice(block.as_bytes())).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(IdentityError::NoCertificate { file: name.into() }),
    }
}

/// Returns the blocks that hold a certificate, with their first and last lines.
fn blocks(pem: &str) -> impl Iterator<Item = &str> {
    const END: &str = "-----END CERTIFICATE-----";
    let starts = pem.match_indices("-----BEGIN CERTIFICATE-----").map(|(at, _)| &pem[at..]);
    starts.map(|rest| rest.find(END).map_or(rest, |end| &rest[..end + END.len()]))
}

fn has_key(cert: &CertificateDer<'_>, key: &[u8]) -> bool {
    parse_x509_certificate(cert).is_ok_and(|(_, cert)| cert.public_key().raw == key)
}

fn is_self_issued(cert: &CertificateDer<'_>) -> bool {
    parse_x509_certificate(cert).is_ok_and(|(_, cert)| cert.subject() == cert.issuer())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec!["client".to_owned()]).unwrap().self_signed(&key).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    #[test]
    fn qmc_export_folder_is_read_with_its_root() {
        let (cert, key) = pair();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("client.pem"), &cert).unwrap();
        fs::write(dir.path().join("client_key.pem"), &key).unwrap();
        assert!(ClientIdentity::from_pem_dir(dir.path()).unwrap().roots().is_empty());
        fs::write(dir.path().join("root.pem"), &cert).unwrap();
        assert_eq!(ClientIdentity::from_pem_dir(dir.path()).unwrap().roots().len(), 1);
    }

    #[test]
    fn missing_file_is_named_with_what_to_do() {
        let (cert, _) = pair();
        let dir = tempfile::tempdir().unwrap();
        let error = ClientIdentity::from_pem_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("client.pem") && error.contains("export"), "{error}");
        fs::write(dir.path().join("client.pem"), &cert).unwrap();
        let error = ClientIdentity::from_pem_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("client_key.pem"), "{error}");
    }

    #[test]
    fn bad_file_is_named() {
        let (cert, key) = pair();
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("client.pem"), &cert).unwrap();
        fs::write(dir.path().join("client_key.pem"), &key).unwrap();
        fs::write(dir.path().join("root.pem"), "no certificate").unwrap();
        let error = ClientIdentity::from_pem_dir(dir.path()).unwrap_err();
        assert!(
            matches!(&error, IdentityError::NoCertificate { file } if file.contains("root.pem")),
            "{error}"
        );
    }

    #[test]
    fn texts_that_are_no_pair_are_refused() {
        let ((cert, key), (_, other_key)) = (pair(), pair());
        let from =
            |cert: &str, key: &str| ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(from(&key, &key), IdentityError::NoCertificate { .. }));
        assert!(matches!(from(&cert, &cert), IdentityError::NoKey { .. }));
        assert!(matches!(from(&cert, &other_key), IdentityError::Mismatch { .. }));
        assert!(matches!(
            from(&cert, "-----BEGIN PRIVATE KEY-----\nMAMCAQA=\n-----END PRIVATE KEY-----\n"),
            IdentityError::BadKey { .. }
        ));
    }

    #[test]
    fn debug_shows_no_key() {
        let (cert, key) = pair();
        let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(format!("{identity:?}"), r#"ClientIdentity { certificates: 1, key: "***", roots: 0 }"#);
    }

    const ROOT: &str = include_str!("../../../tests/certificates/v1_root.pem");
    const CLIENT: &str = include_str!("../../../tests/certificates/client.pem");
    const PKCS1: &str = include_str!("../../../tests/certificates/client_pkcs1.pem");
    const PKCS8: &str = include_str!("../../../tests/certificates/client_pkcs8.pem");
    const ENCRYPTED: &str = include_str!("../../../tests/certificates/client_pbes2_aes.pem");
    const DEK: &str = include_str!("../../../tests/certificates/client_dek_aes256.pem");
    const PFX: &[u8] = include_bytes!("../../../tests/certificates/client_aes.pfx");
    const EC: &str = include_str!("../../../tests/certificates/v3_by_v1_root.pem");
    const SEC1: &str = include_str!("../../../tests/certificates/server_sec1.pem");

    fn first(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn rsa_and_ec_keys_fit_their_certificates_in_every_form() {
        for (cert, key) in [(CLIENT, PKCS1), (CLIENT, PKCS8), (EC, SEC1)] {
            ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        }
    }

    #[test]
    fn folder_with_an_encrypted_key_is_opened_by_its_password() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("client.pem"), CLIENT).unwrap();
        fs::write(dir.path().join("client_key.pem"), ENCRYPTED).unwrap();
        fs::write(dir.path().join("root.pem"), ROOT).unwrap();
        let open = |password| ClientIdentity::from_pem_dir_with_password(dir.path(), &Secret::from(password));
        assert_eq!(open("qlik").unwrap().roots(), [first(ROOT)]);
        let error = open("s3cret").unwrap_err();
        assert!(
            matches!(&error, IdentityError::WrongPassword { file } if file.contains("client_key.pem")),
            "{error}"
        );
        let error = ClientIdentity::from_pem_dir(dir.path()).unwrap_err();
        assert!(matches!(error, IdentityError::EncryptedKey { .. }), "{error}");
    }

    #[test]
    fn certificate_and_key_may_be_in_one_file_in_any_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.pem");
        for text in [[ROOT, CLIENT, ENCRYPTED], [ENCRYPTED, CLIENT, ROOT]] {
            fs::write(&path, text.concat()).unwrap();
            let identity = ClientIdentity::from_pem_file(&path, Some(&Secret::from("qlik"))).unwrap();
            assert_eq!(identity.key.cert, [first(CLIENT), first(ROOT)]);
        }
    }

    #[test]
    fn one_file_with_a_key_encrypted_the_old_way_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("all.pem");
        fs::write(&path, format!("{DEK}{CLIENT}")).unwrap();
        let error = ClientIdentity::from_pem_file(&path, None).unwrap_err();
        assert!(matches!(error, IdentityError::EncryptedKey { .. }), "{error}");
    }

    #[test]
    fn one_file_with_a_key_encrypted_the_old_way_opens_in_any_order() {
        for text in [[DEK, CLIENT, ROOT], [CLIENT, DEK, ROOT], [ROOT, CLIENT, DEK]] {
            let pem = text.concat();
            for pem in [pem.replace('\n', "\r\n"), pem] {
                let pem = pem.as_bytes();
                let identity =
                    ClientIdentity::from_pem_with_password(pem, pem, &Secret::from("qlik")).unwrap();
                assert_eq!(identity.key.cert, [first(CLIENT), first(ROOT)]);
            }
        }
    }

    #[test]
    fn pfx_has_certificate_key_and_root() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("client.pfx");
        fs::write(&path, PFX).unwrap();
        let identity = ClientIdentity::from_pfx_file(&path, &Secret::from("qlik")).unwrap();
        assert_eq!(identity.key.cert, [first(CLIENT)]);
        assert_eq!(identity.roots(), [first(ROOT)]);
        let error = ClientIdentity::from_pfx(PFX, &Secret::from("s3cret")).unwrap_err();
        assert_eq!(error.to_string(), "the password given for the PFX is wrong, or the file is damaged");
    }

    #[test]
    fn empty_file_is_named() {
        let (cert, key) = pair();
        let from =
            |cert: &str, key: &str| ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(from("", &key), IdentityError::Empty { file } if &*file == "the certificate"));
        assert!(matches!(from(&cert, ""), IdentityError::Empty { file } if &*file == "the key"));
    }
}
