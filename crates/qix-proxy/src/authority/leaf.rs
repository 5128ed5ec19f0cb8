//! Certificates for single hosts, made when they are asked for.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::CertifiedKey,
};

use super::{Authority, AuthorityError, make};

/// How long a leaf is valid; shorter if its authority is.
const VALIDITY: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How long a leaf that is given out must still be valid, so that whoever gets it can use it.
const USABLE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many leaves are kept.
const KEPT: usize = 256;

/// A certificate for a host, with its key.
#[derive(Clone, Debug)]
pub struct Leaf {
    certified: Arc<CertifiedKey>,
    not_after: SystemTime,
}

/// The leaves that were used last.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    kept: HashMap<String, (u64, Leaf)>,
    used: u64,
}

impl Leaf {
    /// Returns the certificate in DER form.
    pub fn certificate(&self) -> &[u8] {
        self.certified.cert.first().map_or(&[], |der| der)
    }

    /// Returns when it expires.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl Authority {
    /// Returns a certificate for all of `hosts`.
    pub(crate) fn leaf_for(&self, hosts: &[String], now: SystemTime) -> Result<Leaf, AuthorityError> {
        let name = hosts.join(" ").to_ascii_lowercase();
        let mut leaves = self.leaves.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(leaf) = leaves.get(&name, now) {
            return Ok(leaf);
        }
        let leaf = self.issue(hosts, now)?;
        leaves.put(name, leaf.clone());
        Ok(leaf)
    }

    fn issue(&self, hosts: &[String], now: SystemTime) -> Result<Leaf, AuthorityError> {
        self.check_time(now)?;
        hosts.iter().try_for_each(|host| self.permits(host))?;
        let not_after = self.info.not_after().min(now + VALIDITY);
        let mut params = make::server(hosts, now, not_after)?;
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.leaf_key, &self.issuer).map_err(AuthorityError::Make)?;
        let certified = certified(certificate.der().clone(), &self.leaf_key);
        Ok(Leaf { certified: Arc::new(certified), not_after })
    }
}

/// Puts a certificate and its key together, as TLS wants them.
pub(crate) fn certified(certificate: CertificateDer<'static>, key: &rcgen::KeyPair) -> CertifiedKey {
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = ring::sign::any_ecdsa_type(&der).expect("keys that are made here are ECDSA P-256");
    CertifiedKey::new(vec![certificate], key)
}

impl Leaves {
    fn get(&mut self, name: &str, now: SystemTime) -> Option<Leaf> {
        let (used, leaf) = self.kept.get_mut(name)?;
        if leaf.not_after < now + USABLE {
            return None;
        }
        self.used += 1;
        *used = self.used;
        Some(leaf.clone())
    }

    fn put(&mut self, name: String, leaf: Leaf) {
        if self.kept.len() >= KEPT
            && let Some(oldest) =
                self.kept.iter().min_by_key(|(_, (used, _))| *used).map(|(name, _)| name.clone())
        {
            self.kept.remove(&oldest);
        }
        self.used += 1;
        self.kept.insert(name, (self.used, leaf));
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}
