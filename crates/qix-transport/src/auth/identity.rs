//! A client certificate with its key, as the Qlik Management Console exports them.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    InconsistentKeys,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

/// A certificate chain and its private key; cheap to clone. `Debug` does not show the key.
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
        let dir = dir.as_ref();
        let cert = dir.join("client.pem");
        let key = dir.join("client_key.pem");
        let root = dir.join("root.pem");

        let cert_pem = read(&cert)?;
        let key_pem = read(&key)?;
        let identity = Self::new(&cert_pem, &cert.to_string_lossy(), &key_pem, &key.to_string_lossy())?;
        match fs::read(&root) {
            Ok(pem) => identity.root(&pem, &root.to_string_lossy()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(identity),
            Err(source) => Err(IdentityError::Read { path: root, source }),
        }
    }

    /// Takes the certificate, followed by intermediate ones if there are any, and the key from PEM text.
    ///
    /// The key may be PKCS#8, PKCS#1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`), and must not be encrypted.
    ///
    /// # Errors
    ///
    /// [`IdentityError`] says which of the two is wrong.
    pub fn from_pem(cert: &[u8], key: &[u8]) -> Result<Self, IdentityError> {
        Self::new(cert, "the certificate", key, "the key")
    }

    /// Adds the trust roots in a PEM text.
    ///
    /// # Errors
    ///
    /// [`IdentityError::NoCertificate`] if it holds none.
    pub fn with_root_pem(self, root: &[u8]) -> Result<Self, IdentityError> {
        self.root(root, "the root")
    }

    fn new(cert: &[u8], cert_name: &str, key: &[u8], key_name: &str) -> Result<Self, IdentityError> {
        let chain = certificates(cert, cert_name)?;
        let key = private_key(key, key_name)?;
        let key = (ring::default_provider().key_provider)
            .load_private_key(key)
            .map_err(|_| IdentityError::BadKey { file: key_name.into() })?;
        let key = CertifiedKey::new(chain, key);
        // Other complaints about the certificate are the engine's to make: it knows what it issued.
        if matches!(key.keys_match(), Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch))) {
            return Err(IdentityError::Mismatch { cert: cert_name.into(), key: key_name.into() });
        }
        Ok(Self { key: Arc::new(key), roots: Arc::new([]) })
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

/// Why a client certificate cannot be used. None of these shows what is in a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A file cannot be read.
    #[error("cannot read {}; export the certificates from the QMC in PEM format into that folder", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or text has no certificate in it.
    #[error("{file} holds no readable certificate; it should have a -----BEGIN CERTIFICATE----- block")]
    NoCertificate {
        /// The file or text.
        file: Box<str>,
    },
    /// A file or text has no private key in it.
    #[error(
        "{file} holds no readable private key; it should have a -----BEGIN PRIVATE KEY----- block or its RSA or EC form"
    )]
    NoKey {
        /// The file or text.
        file: Box<str>,
    },
    /// The private key is protected by a password.
    #[error("the private key in {file} is encrypted; export the certificates again without a password")]
    EncryptedKey {
        /// The file or text.
        file: Box<str>,
    },
    /// The private key is of a kind that TLS cannot use here.
    #[error(
        "the private key in {file} cannot be used; it must be RSA of at least 2048 bits, ECDSA or Ed25519"
    )]
    BadKey {
        /// The file or text.
        file: Box<str>,
    },
    /// Certificate and key are not a pair.
    #[error("{key} is not the key of {cert}; take both from the same export")]
    Mismatch {
        /// The certificate's file or text.
        cert: Box<str>,
        /// The key's file or text.
        key: Box<str>,
    },
}

fn read(path: &Path) -> Result<Vec<u8>, IdentityError> {
    fs::read(path).map_err(|source| IdentityError::Read { path: path.to_owned(), source })
}

fn certificates(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(IdentityError::NoCertificate { file: name.into() }),
    }
}

fn private_key(pem: &[u8], name: &str) -> Result<PrivateKeyDer<'static>, IdentityError> {
    // Both forms of an encrypted key have the word in clear: `ENCRYPTED PRIVATE KEY` and `Proc-Type: 4,ENCRYPTED`.
    if pem.windows(9).any(|window| window == b"ENCRYPTED") {
        return Err(IdentityError::EncryptedKey { file: name.into() });
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityError::NoKey { file: name.into() })
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

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn keys_may_be_pkcs1_pkcs8_or_sec1() {
        let der = |label| private_key(block(label, "MAMCAQA=").as_bytes(), "key").unwrap();
        assert!(matches!(der("PRIVATE KEY"), PrivateKeyDer::Pkcs8(_)));
        assert!(matches!(der("RSA PRIVATE KEY"), PrivateKeyDer::Pkcs1(_)));
        assert!(matches!(der("EC PRIVATE KEY"), PrivateKeyDer::Sec1(_)));
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
        assert!(matches!(from(&cert, &block("PRIVATE KEY", "MAMCAQA=")), IdentityError::BadKey { .. }));
        let encrypted = block("ENCRYPTED PRIVATE KEY", "MAMCAQA=");
        assert!(matches!(from(&cert, &encrypted), IdentityError::EncryptedKey { .. }));
    }

    #[test]
    fn debug_shows_no_key() {
        let (cert, key) = pair();
        let identity = ClientIdentity::from_pem(cert.as_bytes(), key.as_bytes()).unwrap();
        assert_eq!(format!("{identity:?}"), r#"ClientIdentity { certificates: 1, key: "***", roots: 0 }"#);
    }
}
