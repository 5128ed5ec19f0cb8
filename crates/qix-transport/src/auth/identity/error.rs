//! Why a client certificate cannot be used.

use std::{io, path::PathBuf};

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
    /// A file or text is empty.
    #[error("{file} is empty; export the certificates again")]
    Empty {
        /// The file or text.
        file: Box<str>,
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
    /// A PFX file is none, or is damaged.
    #[error("{file} is no PKCS#12 (PFX) file; if it has -----BEGIN lines, read it as PEM")]
    NotPfx {
        /// The file.
        file: Box<str>,
    },
    /// A PFX file has a certificate, but no private key.
    #[error("{file} holds no private key; export the certificate again together with its secret key")]
    NoKeyInPfx {
        /// The file.
        file: Box<str>,
    },
    /// The private key is protected by a password, and none was given.
    #[error(
        "the private key in {file} is encrypted; give its password, or export the certificates without one"
    )]
    EncryptedKey {
        /// The file or text.
        file: Box<str>,
    },
    /// The password does not open the file.
    #[error("the password given for {file} is wrong, or the file is damaged")]
    WrongPassword {
        /// The file or text.
        file: Box<str>,
    },
    /// A key or a PFX file is encrypted in a way that is not known here.
    #[error(
        "{file} is encrypted in a way not supported here; encrypt it with AES, as `openssl pkcs8 -topk8` or `openssl pkcs12 -export` do"
    )]
    UnknownEncryption {
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
