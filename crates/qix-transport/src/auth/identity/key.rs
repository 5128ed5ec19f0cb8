//! Private keys in PEM text, plain and encrypted.

use base64::{Engine, prelude::BASE64_STANDARD};
use pkcs8::{EncryptedPrivateKeyInfoRef, pkcs5};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use zeroize::Zeroizing;

use super::{IdentityError, rfc1421};
use crate::Secret;

const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";

/// Reads the first private key of a PEM text. A password that is not needed is not looked at.
pub(super) fn private_key(
    pem: &[u8],
    password: Option<&Secret>,
    name: &str,
) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let file = || Box::<str>::from(name);
    if pem.is_empty() {
        return Err(IdentityError::Empty { file: file() });
    }
    // Both forms of an encrypted key have the word in clear: the label `ENCRYPTED PRIVATE KEY` and the older
    // `Proc-Type: 4,ENCRYPTED` (RFC 1421).
    if !pem.windows(9).any(|window| window == b"ENCRYPTED") {
        return PrivateKeyDer::from_pem_slice(pem).map_err(|_| IdentityError::NoKey { file: file() });
    }
    let Some(password) = password else { return Err(IdentityError::EncryptedKey { file: file() }) };
    let text = std::str::from_utf8(pem).map_err(|_| IdentityError::NoKey { file: file() })?;
    if !text.contains(ENCRYPTED) {
        return rfc1421::private_key(text, password, name);
    }
    let der = encrypted_block(text).ok_or_else(|| IdentityError::NoKey { file: file() })?;
    // Ways of encrypting that RFC 8018 does not know look like damage here.
    let info = EncryptedPrivateKeyInfoRef::try_from(der.as_slice())
        .map_err(|_| IdentityError::UnknownEncryption { file: file() })?;
    match info.decrypt(password.expose()) {
        Ok(key) => Ok(PrivatePkcs8KeyDer::from(key.as_bytes().to_vec()).into()),
        Err(pkcs8::Error::EncryptedPrivateKey(
            pkcs5::Error::NoPbes1CryptSupport
            | pkcs5::Error::UnsupportedAlgorithm { .. }
            | pkcs5::Error::AlgorithmParametersInvalid { .. },
        )) => Err(IdentityError::UnknownEncryption { file: file() }),
        // A wrong password is seen by its padding, or by what comes out being no key.
        Err(_) => Err(IdentityError::WrongPassword { file: file() }),
    }
}

/// Returns what is in the first encrypted block.
fn encrypted_block(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (_, rest) = text.split_once(ENCRYPTED)?;
    let (body, _) = rest.split_once("-----END ENCRYPTED PRIVATE KEY-----")?;
    let body: String = body.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PKCS8: &str = include_str!("../../../tests/certificates/client_pkcs8.pem");
    const PBES2_AES: &str = include_str!("../../../tests/certificates/client_pbes2_aes.pem");
    const PBES2_3DES: &str = include_str!("../../../tests/certificates/client_pbes2_3des.pem");
    const PBES1: &str = include_str!("../../../tests/certificates/client_pbes1.pem");
    const DEK: &str = include_str!("../../../tests/certificates/client_dek_aes256.pem");

    fn open(pem: &str, password: &str) -> Result<PrivateKeyDer<'static>, IdentityError> {
        private_key(pem.as_bytes(), Some(&Secret::from(password)), "key.pem")
    }

    fn block(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    #[test]
    fn keys_may_be_pkcs1_pkcs8_or_sec1() {
        let der = |label| private_key(block(label, "MAMCAQA=").as_bytes(), None, "key").unwrap();
        assert!(matches!(der("PRIVATE KEY"), PrivateKeyDer::Pkcs8(_)));
        assert!(matches!(der("RSA PRIVATE KEY"), PrivateKeyDer::Pkcs1(_)));
        assert!(matches!(der("EC PRIVATE KEY"), PrivateKeyDer::Sec1(_)));
    }

    #[test]
    fn encrypted_key_is_opened_by_its_password() {
        let plain = private_key(PKCS8.as_bytes(), None, "key.pem").unwrap();
        assert_eq!(open(PBES2_AES, "qlik").unwrap(), plain);
        assert_eq!(open(PBES2_3DES, "qlik").unwrap(), plain);
        assert_eq!(open(&PBES2_AES.replace('\n', "\r\n"), "qlik").unwrap(), plain);
    }

    #[test]
    fn password_of_a_plain_key_is_not_needed() {
        assert!(open(PKCS8, "qlik").is_ok());
    }

    #[test]
    fn wrong_password_is_told_apart_and_not_repeated() {
        for pem in [PBES2_AES, PBES2_3DES] {
            for password in ["s3cret", ""] {
                let error = open(pem, password).unwrap_err();
                assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error:?}");
                assert!(!format!("{error:?} {error}").contains("s3cret"), "{error:?}");
            }
        }
    }

    #[test]
    fn missing_password_is_told_apart() {
        for pem in [PBES2_AES, PBES1, DEK] {
            let error = private_key(pem.as_bytes(), None, "key.pem").unwrap_err();
            assert!(matches!(error, IdentityError::EncryptedKey { .. }), "{error:?}");
        }
    }

    #[test]
    fn old_way_of_encrypting_says_which_are_known() {
        let error = open(PBES1, "qlik").unwrap_err();
        assert!(matches!(error, IdentityError::UnknownEncryption { .. }), "{error:?}");
        assert!(error.to_string().contains("openssl pkcs8 -topk8"), "{error}");
    }

    #[test]
    fn damaged_block_is_no_key() {
        for pem in [PBES2_AES.replace("END", "ENT"), block("ENCRYPTED PRIVATE KEY", "%%%")] {
            let error = open(&pem, "qlik").unwrap_err();
            assert!(matches!(error, IdentityError::NoKey { .. }), "{error:?}");
        }
        assert!(matches!(open("", "qlik"), Err(IdentityError::Empty { .. })));
    }
}
