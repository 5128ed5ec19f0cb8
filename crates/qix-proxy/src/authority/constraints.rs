//! For which hosts an authority may make certificates.

use std::net::IpAddr;

use rcgen::{CidrSubnet, GeneralSubtree, NameConstraints};
use x509_parser::{certificate::X509Certificate, extensions::GeneralName};

use super::AuthorityError;

/// A name that never exists (RFC 2606). An authority for addresses alone is for this name too, because a kind of name of
/// which none is permitted is not restricted at all.
const NOWHERE: &str = "invalid";

/// The hosts an authority is restricted to; all if there are none.
#[derive(Clone, Debug, Default)]
pub(super) struct Constraints {
    /// In lower case; with all names below.
    names: Vec<String>,
    networks: Vec<Network>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Constraints {
    pub(super) fn parse(texts: &[String]) -> Result<Self, AuthorityError> {
        let mut constraints = Self::default();
        for text in texts {
            let bad = || AuthorityError::Constraint { constraint: text.clone() };
            if let Some(network) = Network::parse(text) {
                constraints.networks.push(network);
                continue;
            }
            let name = text.strip_prefix("*.").or_else(|| text.strip_prefix('.')).unwrap_or(text);
            if !is_name(name) || name.parse::<std::net::Ipv4Addr>().is_ok() {
                return Err(bad());
            }
            constraints.names.push(name.to_ascii_lowercase());
        }
        Ok(constraints)
    }

    /// Reads what a certificate says; nothing if it cannot be read.
    pub(super) fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let mut constraints = Self::default();
        let Some(found) = certificate.name_constraints().ok()? else { return Some(constraints) };
        for subtree in found.value.permitted_subtrees.iter().flatten() {
            match subtree.base {
                GeneralName::DNSName(name) => {
                    constraints.names.push(name.trim_start_matches('.').to_ascii_lowercase());
                }
                GeneralName::IPAddress(bytes) => constraints.networks.push(Network::of(bytes)?),
                _ => {}
            }
        }
        Some(constraints)
    }

    /// Returns what to write into a certificate.
    pub(super) fn extension(&self) -> Option<NameConstraints> {
        if self.is_none() {
            return None;
        }
        let nowhere = NOWHERE.to_owned();
        let names = if self.names.is_empty() { std::slice::from_ref(&nowhere) } else { &self.names };
        let names = names.iter().cloned().map(GeneralSubtree::DnsName);
        let networks =
            self.networks.iter().map(|network| CidrSubnet::from_addr_prefix(network.address, network.prefix));
        let excluded = match self.networks.is_empty() {
            true => {
                vec![CidrSubnet::from_v4_prefix([0; 4], 0), CidrSubnet::from_v6_prefix([0; 16], 0)]
            }
            false => Vec::new(),
        };
        Some(NameConstraints {
            permitted_subtrees: names.chain(networks.map(GeneralSubtree::IpAddress)).collect(),
            excluded_subtrees: excluded.into_iter().map(GeneralSubtree::IpAddress).collect(),
        })
    }

    pub(super) fn permits(&self, host: &str) -> bool {
        if self.is_none() {
            return true;
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            return self.networks.iter().any(|network| network.has(address));
        }
        let host = host.to_ascii_lowercase();
        self.names.iter().any(|name| {
            host.strip_suffix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }

    pub(super) fn shown(&self) -> impl Iterator<Item = String> {
        let names = self.names.iter().filter(|name| *name != NOWHERE).cloned();
        names.chain(self.networks.iter().map(Network::shown))
    }

    fn is_none(&self) -> bool {
        self.names.is_empty() && self.networks.is_empty()
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(longest);
        (prefix <= longest).then_some(Self { address, prefix })
    }

    /// Reads an address and a mask, as certificates have them.
    fn of(bytes: &[u8]) -> Option<Self> {
        let (address, mask) = bytes.split_at(bytes.len() / 2);
        let address = match bytes.len() {
            8 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
            32 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
            _ => return None,
        };
        let prefix = mask.iter().map(|byte| byte.leading_ones()).take_while(|ones| *ones > 0).sum::<u32>();
        Some(Self { address, prefix: prefix.try_into().ok()? })
    }

    fn has(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let differing = bits(self.address) ^ bits(address);
        self.address.is_ipv4() == address.is_ipv4() && differing.leading_zeros() >= u32::from(self.prefix)
    }

    fn shown(&self) -> String {
        let longest = if self.address.is_ipv4() { 32 } else { 128 };
        match self.prefix == longest {
            true => self.address.to_string(),
            false => format!("{}/{}", self.address, self.prefix),
        }
    }
}

/// Returns whether a text can be a name in a certificate.
pub(super) fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraints(texts: &[&str]) -> Result<Constraints, AuthorityError> {
        Constraints::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_permit_what_is_below_them_and_networks_what_is_in_them() {
        let some = constraints(&["*.qlikcloud.com", "Sense.example", "10.1.0.0/16", "::1", "[fe80::]/64"]);
        let some = some.unwrap();
        for host in [
            "qlikcloud.com",
            "a.eu.QlikCloud.com",
            "sense.example",
            "x.sense.example",
            "10.1.2.3",
            "::1",
            "fe80::7",
        ] {
            assert!(some.permits(host), "{host}");
        }
        for host in ["notqlikcloud.com", "qlikcloud.com.evil", "example", "10.2.0.1", "::2", "127.0.0.1", ""]
        {
            assert!(!some.permits(host), "{host}");
        }
        assert!(constraints(&[]).unwrap().permits("anything.example"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in ["", "*", "*.", "a b", "https://x", "10.1.0.0/33", "x.*.y", "a..b", "x:443"] {
            assert!(matches!(constraints(&[text]), Err(AuthorityError::Constraint { .. })), "{text}");
        }
    }
}
