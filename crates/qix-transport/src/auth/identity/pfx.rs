//! A certificate with its key in one PKCS#12 file, as Windows exports it.

use p12_keystore::{Pkcs12Archive, error::Error};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::IdentityError;

/// What a PFX file holds that matters here.
pub(super) struct Contents {
    pub(super) certs: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Opens a PFX file. Of several private keys it takes the first.
pub(super) fn open(bytes: &[u8], password: &str, name: &str) -> Result<Contents, IdentityError> {
    if bytes.is_empty() {
        return Err(IdentityError::Empty { file: name.into() });
    }
    let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| sort(&error, name))?;
    let key = archive.keys.first().ok_or_else(|| IdentityError::NoKeyInPfx { file: name.into() })?;
    let key = PrivatePkcs8KeyDer::from(key.key.as_der().to_vec()).into();
    let certs = archive.certs.iter().map(|bag| CertificateDer::from(bag.cert.as_der().to_vec())).collect();
    Ok(Contents { certs, key })
}

fn sort(error: &Error, name: &str) -> IdentityError {
    let file = name.into();
    match error {
        // The first if the file has a checksum, the others if it has none.
        Error::MacError(_) | Error::UnpadError | Error::Pkcs5Error(_) | Error::InvalidPrivateKey => {
            IdentityError::WrongPassword { file }
        }
        Error::UnsupportedEncryptionScheme
        | Error::UnsupportedMacAlgorithm
        | Error::UnsupportedContentType
        | Error::InvalidParameters => IdentityError::UnknownEncryption { file },
        _ => IdentityError::NotPfx { file },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AES: &[u8] = include_bytes!("../../../tests/certificates/client_aes.pfx");
    const TRIPLE_DES: &[u8] = include_bytes!("../../../tests/certificates/client_3des.pfx");
    const NO_KEY: &[u8] = include_bytes!("../../../tests/certificates/no_key.pfx");

    fn error(bytes: &[u8], password: &str) -> IdentityError {
        open(bytes, password, "client.pfx").map(drop).unwrap_err()
    }

    #[test]
    fn pfx_is_opened_whether_new_or_as_old_windows_writes_it() {
        for bytes in [AES, TRIPLE_DES] {
            let contents = open(bytes, "qlik", "client.pfx").unwrap();
            assert_eq!(contents.certs.len(), 2);
        }
    }

    #[test]
    fn wrong_password_of_a_pfx_is_told_apart() {
        for bytes in [AES, TRIPLE_DES] {
            for password in ["s3cret", ""] {
                let error = error(bytes, password);
                assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error:?}");
                assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
            }
        }
    }

    #[test]
    fn pfx_without_key_is_told_apart() {
        assert!(matches!(error(NO_KEY, "qlik"), IdentityError::NoKeyInPfx { .. }));
    }

    #[test]
    fn what_is_no_pfx_is_told_apart() {
        assert!(matches!(error(b"", "qlik"), IdentityError::Empty { .. }));
        assert!(matches!(error(b"-----BEGIN CERTIFICATE-----", "qlik"), IdentityError::NotPfx { .. }));
        assert!(matches!(error(&AES[..AES.len() / 2], "qlik"), IdentityError::NotPfx { .. }));
    }
}
