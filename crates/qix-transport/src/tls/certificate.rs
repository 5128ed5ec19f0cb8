//! What a certificate says of itself.

use std::{
    fmt,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use ring::digest::{SHA256, digest};
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, parse_x509_certificate, public_key::PublicKey,
    time::ASN1Time,
};

use crate::printable;

/// More than this of a name a message does not need.
const MAX_TEXT: usize = 200;
/// A message shows fewer; this bounds memory.
const MAX_NAMES: usize = 100;

/// What a certificate says of itself, proven or not: for messages and reports.
///
/// Texts are cut to 200 characters and have no control characters, because anyone may have written them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateInfo {
    subject: Box<str>,
    issuer: Box<str>,
    names: Vec<Box<str>>,
    not_before: ASN1Time,
    not_after: ASN1Time,
    version: u32,
    old_hash: Option<&'static str>,
    rsa_bits: Option<usize>,
    sha256: [u8; 32],
}

impl CertificateInfo {
    /// Reads a certificate in DER form, of any version. Returns nothing if it cannot be read.
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (_, cert) = parse_x509_certificate(der).ok()?;
        Some(Self {
            subject: shown(&cert.subject().to_string()),
            issuer: shown(&cert.issuer().to_string()),
            names: names(&cert),
            not_before: cert.validity().not_before,
            not_after: cert.validity().not_after,
            version: cert.version().0.saturating_add(1),
            old_hash: old_hash(&cert.signature_algorithm.algorithm.to_id_string()),
            rsa_bits: match cert.public_key().parsed() {
                Ok(PublicKey::RSA(key)) => Some(key.key_size()),
                _ => None,
            },
            sha256: sha256(der),
        })
    }

    /// Returns whom it was issued to, such as `CN=sense.internal`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns who issued it. The same as [`subject`](Self::subject) for a root.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the host names and addresses it is for; the common name is not one of them. At most 100.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns when it begins to be valid.
    pub fn not_before(&self) -> SystemTime {
        system_time(self.not_before)
    }

    /// Returns when it expires.
    pub fn not_after(&self) -> SystemTime {
        system_time(self.not_after)
    }

    /// Returns the X.509 version, 3 if it is not very old.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the SHA-256 of the certificate, in hexadecimal digits, for [`pin_certificate`](crate::TlsSettings::pin_certificate).
    pub fn sha256(&self) -> String {
        hex(&self.sha256)
    }

    pub(super) fn begins(&self) -> Date {
        Date(self.not_before)
    }

    pub(super) fn expires(&self) -> Date {
        Date(self.not_after)
    }

    pub(super) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Returns the hash of its signature, if nobody should trust that hash any more.
    pub(super) fn old_hash(&self) -> Option<&'static str> {
        self.old_hash
    }

    pub(super) fn has_short_key(&self) -> bool {
        self.rsa_bits.is_some_and(|bits| bits < 2048)
    }
}

/// A day as text, `2002-01-31`.
pub(super) struct Date(ASN1Time);

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let day = self.0.to_datetime();
        write!(f, "{}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
    }
}

pub(super) fn sha256(der: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, der).as_ref());
    bytes
}

/// Returns text of a certificate as a message can show it.
pub(super) fn shown(text: &str) -> Box<str> {
    printable(text, MAX_TEXT).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = Duration::from_secs(time.timestamp().unsigned_abs());
    let time =
        if time.timestamp() < 0 { UNIX_EPOCH.checked_sub(seconds) } else { UNIX_EPOCH.checked_add(seconds) };
    time.unwrap_or(UNIX_EPOCH)
}

fn names(cert: &X509Certificate<'_>) -> Vec<Box<str>> {
    let Ok(Some(extension)) = cert.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(shown(name)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string().into()),
        _ => None,
    });
    names.take(MAX_NAMES).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

fn old_hash(signature: &str) -> Option<&'static str> {
    // RFC 8017 appendix C, RFC 3279 §2.2.3, and the name OIW gave to the first.
    match signature {
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" => Some("SHA-1"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn info(change: impl FnOnce(&mut CertificateParams)) -> CertificateInfo {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        let cert = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        CertificateInfo::parse(cert.der()).unwrap()
    }

    #[test]
    fn names_and_dates_are_read() {
        let info = info(|params| {
            *params = CertificateParams::new(vec!["a.example".to_owned(), "::1".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, "b");
            params.not_before = date_time_ymd(1969, 12, 31);
            params.not_after = date_time_ymd(2002, 3, 4);
        });
        assert!(info.subject().contains("CN=b"), "{info:?}");
        assert_eq!(info.names().collect::<Vec<_>>(), ["a.example", "::1"]);
        assert_eq!(info.not_before(), UNIX_EPOCH - Duration::from_secs(86_400));
        assert_eq!(info.expires().to_string(), "2002-03-04");
        assert_eq!(info.version(), 3);
        assert!(info.is_self_issued() && info.old_hash().is_none() && !info.has_short_key());
        assert_eq!(info.sha256().len(), 64);
    }

    #[test]
    fn texts_of_a_certificate_cannot_change_a_terminal_or_fill_it() {
        let info = info(|params| {
            params.distinguished_name.push(DnType::CommonName, format!("\x1b[2J\n{}", "x".repeat(5000)));
        });
        assert!(!info.subject().contains(char::is_control), "{info:?}");
        assert_eq!(info.subject().chars().count(), MAX_TEXT);
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        assert_eq!(CertificateInfo::parse(b""), None);
        assert_eq!(CertificateInfo::parse(&[0x30; 5000]), None);
    }
}
