//! How certificates are made.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::crypto::ring;

use super::{
    AuthorityError,
    constraints::{Constraints, is_name},
};

/// Clocks differ, and a certificate must not be one of tomorrow.
const SKEW: Duration = Duration::from_secs(60 * 60);
/// Dates in certificates are whole seconds.
const SHORTEST: Duration = Duration::from_secs(1);
/// Longer than anybody needs, and shorter than dates can say.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Makes an authority and its key.
pub(super) fn authority(
    constraints: &Constraints,
    validity: Duration,
    now: SystemTime,
) -> Result<(Certificate, KeyPair), AuthorityError> {
    if !(SHORTEST..=LONGEST).contains(&validity) {
        return Err(AuthorityError::Validity);
    }
    let key = KeyPair::generate().map_err(AuthorityError::Make)?;
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = ((now - SKEW).into(), (now + validity).into());
    // Stores of trusted certificates show names only, and there may have been an authority before.
    let print: String = key.public_key_raw().iter().rev().take(3).map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("qix-proxy authority {print}"));
    // Its leaves stand for themselves: it makes no further authorities.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = constraints.extension();
    let certificate = params.self_signed(&key).map_err(AuthorityError::Make)?;
    Ok((certificate, key))
}

/// Returns what the certificate of a server says, but for who issues it.
pub(super) fn server(
    hosts: &[String],
    from: SystemTime,
    until: SystemTime,
) -> Result<CertificateParams, AuthorityError> {
    let mut params = CertificateParams::default();
    (params.not_before, params.not_after) = ((from - SKEW).into(), until.into());
    params.serial_number = Some(serial()?);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "qix-proxy");
    for host in hosts {
        let bad = || AuthorityError::Host { host: host.clone() };
        params.subject_alt_names.push(match host.parse::<IpAddr>() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) if is_name(host) => {
                SanType::DnsName(host.to_ascii_lowercase().try_into().map_err(|_| bad())?)
            }
            Err(_) => return Err(bad()),
        });
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

/// Returns a number that no other certificate has: browsers refuse a second one of an authority with the same. rcgen would make it of the
/// key, which all leaves share.
fn serial() -> Result<SerialNumber, AuthorityError> {
    let mut bytes = [0; 16];
    let random = ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| AuthorityError::Make(rcgen::Error::RingUnspecified))?;
    // Positive, and without a zero in front.
    bytes[0] = bytes[0] & 0x3f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

/// Makes a certificate for `hosts` that nobody vouches for.
pub(crate) fn self_signed(
    hosts: &[String],
    validity: Duration,
    now: SystemTime,
) -> Result<(Certificate, KeyPair), AuthorityError> {
    let key = KeyPair::generate().map_err(AuthorityError::Make)?;
    let certificate = server(hosts, now, now + validity)?.self_signed(&key).map_err(AuthorityError::Make)?;
    Ok((certificate, key))
}
