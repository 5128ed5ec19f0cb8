//! Private keys encrypted as OpenSSL did before PKCS#8: headers of RFC 1421 in the PEM block.
//!
//! The key is derived as `EVP_BytesToKey` does with MD5 and one round, salted with the first 8 bytes of the initial vector
//! (OpenSSL's manual page `PEM_read_PrivateKey`, section on the encryption format).

use aes::{Aes128, Aes192, Aes256};
use base64::{Engine, prelude::BASE64_STANDARD};
use cbc::{
    Decryptor,
    cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7},
};
use des::TdesEde3;
use md5::{Digest, Md5};
use pkcs8::der::{Decode, asn1::AnyRef};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivateSec1KeyDer};
use zeroize::Zeroizing;

use super::IdentityError;
use crate::Secret;

/// Opens the first RSA or EC key in `text`.
pub(super) fn private_key(
    text: &str,
    password: &Secret,
    name: &str,
) -> Result<PrivateKeyDer<'static>, IdentityError> {
    let no_key = || IdentityError::NoKey { file: name.into() };
    let (is_rsa, block) = match (block(text, "RSA PRIVATE KEY"), block(text, "EC PRIVATE KEY")) {
        (Some(block), _) => (true, block),
        (None, Some(block)) => (false, block),
        (None, None) => return Err(no_key()),
    };
    let (cipher, iv, body) = parts(block).ok_or_else(no_key)?;
    let decrypt = match cipher {
        "AES-128-CBC" => decrypt::<Aes128>,
        "AES-192-CBC" => decrypt::<Aes192>,
        "AES-256-CBC" => decrypt::<Aes256>,
        "DES-EDE3-CBC" => decrypt::<TdesEde3>,
        _ => return Err(IdentityError::UnknownEncryption { file: name.into() }),
    };
    // A wrong password is seen by its padding, or by what comes out being no single DER value.
    let key = decrypt(&body, password.expose().as_bytes(), &iv)
        .filter(|key| AnyRef::from_der(key).is_ok())
        .ok_or_else(|| IdentityError::WrongPassword { file: name.into() })?;
    Ok(if is_rsa { PrivatePkcs1KeyDer::from(key).into() } else { PrivateSec1KeyDer::from(key).into() })
}

fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    rest.split_once(&format!("-----END {label}-----")).map(|(block, _)| block)
}

/// Returns the cipher's name, the initial vector and what is encrypted.
fn parts(block: &str) -> Option<(&str, Vec<u8>, Vec<u8>)> {
    let info = block.lines().find_map(|line| line.strip_prefix("DEK-Info:"))?;
    let (cipher, iv) = info.trim().split_once(',')?;
    let iv = (0..iv.len()).step_by(2).map(|at| u8::from_str_radix(iv.get(at..at + 2)?, 16).ok());
    let body: String = block.lines().filter(|line| !line.contains(':')).map(str::trim).collect();
    Some((cipher, iv.collect::<Option<_>>()?, BASE64_STANDARD.decode(body).ok()?))
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(body: &[u8], password: &[u8], iv: &[u8]) -> Option<Vec<u8>> {
    let salt = iv.get(..8)?;
    let mut key = Zeroizing::new(Vec::new());
    let mut last = Zeroizing::new(Vec::new());
    while key.len() < C::key_size() {
        let digest = Md5::new().chain_update(&*last).chain_update(password).chain_update(salt).finalize();
        *last = digest.to_vec();
        key.extend_from_slice(&last);
    }
    let cipher = Decryptor::<C>::new_from_slices(key.get(..C::key_size())?, iv).ok()?;
    cipher.decrypt_padded_vec::<Pkcs7>(body).ok()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    const PLAIN: &str = include_str!("../../../tests/certificates/client_pkcs1.pem");
    const AES_256: &str = include_str!("../../../tests/certificates/client_dek_aes256.pem");
    const AES_128: &str = include_str!("../../../tests/certificates/client_dek_aes128.pem");
    const TRIPLE_DES: &str = include_str!("../../../tests/certificates/client_dek_3des.pem");

    fn open(text: &str, password: &str) -> Result<PrivateKeyDer<'static>, IdentityError> {
        private_key(text, &Secret::from(password), "key.pem")
    }

    #[test]
    fn key_encrypted_the_old_way_is_opened_by_its_password() {
        let plain = PrivateKeyDer::from_pem_slice(PLAIN.as_bytes()).unwrap();
        for text in [AES_256, AES_128, TRIPLE_DES] {
            assert_eq!(open(text, "qlik").unwrap(), plain);
            assert_eq!(open(&text.replace('\n', "\r\n"), "qlik").unwrap(), plain);
        }
    }

    #[test]
    fn wrong_password_of_the_old_way_is_told_apart_also_if_the_padding_happens_to_fit() {
        // One in 256 fits.
        for attempt in 0..600 {
            let error = open(AES_128, &attempt.to_string()).unwrap_err();
            assert!(matches!(error, IdentityError::WrongPassword { .. }), "{error:?}");
        }
    }

    #[test]
    fn unknown_cipher_of_the_old_way_is_told_apart() {
        let error = open(&AES_256.replace("AES-256-CBC", "IDEA-CBC"), "qlik").unwrap_err();
        assert!(matches!(error, IdentityError::UnknownEncryption { .. }), "{error:?}");
    }

    #[test]
    fn damaged_headers_are_no_key_and_a_cut_vector_opens_nothing() {
        for text in [AES_256.replace("DEK-Info", "Info"), AES_256.replace("-CBC,", "-CBC,\u{e9}")] {
            assert!(matches!(open(&text, "qlik"), Err(IdentityError::NoKey { .. })), "{text}");
        }
        let cut = AES_256.replace("AES-256-CBC,", "AES-256-CBC,00");
        assert!(matches!(open(&cut, "qlik"), Err(IdentityError::WrongPassword { .. })));
        assert!(matches!(open("ENCRYPTED", "qlik"), Err(IdentityError::NoKey { .. })));
    }
}
