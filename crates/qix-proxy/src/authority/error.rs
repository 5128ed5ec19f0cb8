//! What can be wrong with an authority.

use std::{io, path::PathBuf};

/// Why there is no authority, or no certificate by it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// There is one already.
    #[error("{} is there already, and an authority is never overwritten; choose another folder, or move it away", path.display())]
    Exists {
        /// The file that is in the way.
        path: PathBuf,
    },
    /// There is none.
    #[error("there is no authority in {}; make one with `qix-proxy ca create`", dir.display())]
    Missing {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Others can read the key.
    #[error("others can read the key of the authority, and whoever has it can stand in for any host that you trust it for; \
             if nobody has, take that back with: chmod 600 {}", path.display())]
    Open {
        /// The file with the key.
        path: PathBuf,
    },
    /// A file has something else in it.
    #[error("{} is damaged or something else than an authority's; make a new one in another folder with `qix-proxy ca create`", path.display())]
    Garbage {
        /// The file.
        path: PathBuf,
    },
    /// The certificate is no authority's.
    #[error("{} is the certificate of a server, not of an authority; make one with `qix-proxy ca create`", path.display())]
    NoAuthority {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key are of two authorities.
    #[error("the key beside {} belongs to another certificate; put back the one that was made with it", path.display())]
    Mismatch {
        /// The file with the certificate.
        path: PathBuf,
    },
    /// It has expired.
    #[error("the authority {} has expired; move it away and make a new one with `qix-proxy ca create`", path.display())]
    Expired {
        /// The file with the certificate.
        path: PathBuf,
    },
    /// What it should be restricted to is no host.
    #[error(
        "{constraint:?} is no host to restrict an authority to; write a name, an address or a network such as 10.1.0.0/16"
    )]
    Constraint {
        /// What was given.
        constraint: String,
    },
    /// It may not make a certificate for this host.
    #[error(
        "the authority was made for {permitted} only, and {host} is none of these; \
             make another one with `qix-proxy ca create --name-constraint`"
    )]
    Outside {
        /// The host.
        host: String,
        /// The hosts it was made for.
        permitted: String,
    },
    /// There are no certificates for such a host.
    #[error("{host:?} is no host that a certificate can be made for")]
    Host {
        /// What was given.
        host: String,
    },
    /// It would be valid for a time that no certificate can say.
    #[error(
        "an authority cannot be valid for such a time; choose a second at least, and at most a hundred years"
    )]
    Validity,
    /// TLS itself cannot be set up.
    #[error("cannot speak TLS")]
    Tls(#[source] rustls::Error),
    /// Making keys or certificates failed.
    #[error("cannot make a certificate")]
    Make(#[source] rcgen::Error),
}
