//! A certificate authority of one's own, for the hosts that the recorder stands in for.

mod constraints;
mod error;
mod files;
mod leaf;
mod make;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use constraints::Constraints;
pub use error::AuthorityError;
pub use leaf::Leaf;
pub(crate) use leaf::certified;
pub(crate) use make::self_signed;
use qix_transport::CertificateInfo;
use rcgen::{Issuer, KeyPair};

/// How long an authority is valid unless somebody says otherwise.
const VALIDITY: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A certificate authority of one's own: it makes the certificates by which the recorder stands in for a host.
///
/// Whoever trusts it trusts everybody who has its key, so its key is kept for its owner alone, and it should be made for
/// as few hosts as possible.
///
/// ```no_run
/// use qix_proxy::{Authority, AuthoritySettings};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = AuthoritySettings::default().name_constraint("*.qlikcloud.com");
/// let authority = Authority::create("authority", &settings)?;
/// let leaf = authority.leaf("tenant.eu.qlikcloud.com")?;
/// assert!(authority.leaf("bank.example").is_err());
/// # let _ = leaf;
/// # Ok(())
/// # }
/// ```
pub struct Authority {
    certificate: PathBuf,
    info: CertificateInfo,
    constraints: Constraints,
    issuer: Issuer<'static, KeyPair>,
    /// One key for all leaves, which lives as long as the process.
    leaf_key: KeyPair,
    leaves: Mutex<leaf::Leaves>,
}

/// What an authority is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthoritySettings {
    /// The hosts it can make certificates for: names, with all below them (`qlikcloud.com` and `*.qlikcloud.com` mean the same),
    /// and addresses or networks such as `10.1.0.0/16`. What is in its certificate binds others too, so that a stolen key is of
    /// no use for other hosts.
    ///
    /// Default: none, which means all hosts.
    pub name_constraints: Vec<String>,
    /// How long it is valid.
    ///
    /// Default: 365 days.
    pub validity: Duration,
}

impl Default for AuthoritySettings {
    fn default() -> Self {
        Self { name_constraints: Vec::new(), validity: VALIDITY }
    }
}

impl AuthoritySettings {
    /// Adds to [`name_constraints`](Self::name_constraints).
    #[must_use]
    pub fn name_constraint(mut self, host: impl Into<String>) -> Self {
        self.name_constraints.push(host.into());
        self
    }

    /// Sets [`validity`](Self::validity).
    #[must_use]
    pub fn validity(mut self, validity: Duration) -> Self {
        self.validity = validity;
        self
    }
}

impl Authority {
    /// Makes an authority in a folder, which is created if need be. What is there is never overwritten.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`] says what is in the way. Nothing new is there then.
    pub fn create(dir: impl AsRef<Path>, settings: &AuthoritySettings) -> Result<Self, AuthorityError> {
        Self::create_at(dir.as_ref(), settings, SystemTime::now())
    }

    /// Reads the authority of a folder.
    ///
    /// # Errors
    ///
    /// [`AuthorityError`], also if others can read the key, or if it has expired.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, AuthorityError> {
        Self::open_at(dir.as_ref(), SystemTime::now())
    }

    fn create_at(dir: &Path, settings: &AuthoritySettings, now: SystemTime) -> Result<Self, AuthorityError> {
        let constraints = Constraints::parse(&settings.name_constraints)?;
        let (certificate, key) = make::authority(&constraints, settings.validity, now)?;
        files::write(dir, &certificate.pem(), &key.serialize_pem())?;
        Self::open_at(dir, now)
    }

    fn open_at(dir: &Path, now: SystemTime) -> Result<Self, AuthorityError> {
        let files::Found { path, der, key } = files::read(dir)?;
        let garbage = || AuthorityError::Garbage { path: path.clone() };
        let info = CertificateInfo::parse(&der).ok_or_else(garbage)?;
        let (_, x509) = x509_parser::parse_x509_certificate(&der).map_err(|_| garbage())?;
        if !x509.is_ca() {
            return Err(AuthorityError::NoAuthority { path });
        }
        if rcgen::PublicKeyData::subject_public_key_info(&key) != x509.public_key().raw {
            return Err(AuthorityError::Mismatch { path });
        }
        let constraints = Constraints::of(&x509).ok_or_else(garbage)?;
        let issuer = Issuer::from_ca_cert_der(&der.as_slice().into(), key).map_err(|_| garbage())?;
        let leaf_key = KeyPair::generate().map_err(AuthorityError::Make)?;
        let authority =
            Self { certificate: path, info, constraints, issuer, leaf_key, leaves: Mutex::default() };
        authority.check_time(now)?;
        Ok(authority)
    }

    /// Returns the file with its certificate, which is what others trust.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate
    }

    /// Returns what its certificate says: subject, fingerprint, validity.
    pub fn certificate(&self) -> &CertificateInfo {
        &self.info
    }

    /// Returns the hosts that it can make certificates for; nothing if that is all of them.
    pub fn name_constraints(&self) -> impl Iterator<Item = String> {
        self.constraints.shown()
    }

    /// Returns a certificate for a name or an address, valid for at most 30 days. The same is given out as long as it is good for
    /// a while.
    ///
    /// # Errors
    ///
    /// [`AuthorityError::Outside`] for a host outside the name constraints, [`AuthorityError::Expired`],
    /// [`AuthorityError::Host`].
    pub fn leaf(&self, host: &str) -> Result<Leaf, AuthorityError> {
        self.leaf_for(&[host.to_owned()], SystemTime::now())
    }

    /// Says whether certificates for `host` can be made.
    pub(crate) fn permits(&self, host: &str) -> Result<(), AuthorityError> {
        if self.constraints.permits(host) {
            return Ok(());
        }
        let permitted = self.constraints.shown().collect::<Vec<_>>().join(", ");
        Err(AuthorityError::Outside { host: host.to_owned(), permitted })
    }

    fn check_time(&self, now: SystemTime) -> Result<(), AuthorityError> {
        if now > self.info.not_after() {
            return Err(AuthorityError::Expired { path: self.certificate.clone() });
        }
        Ok(())
    }
}

/// Shows no key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
