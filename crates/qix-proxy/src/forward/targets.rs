//! Where a forward proxy must not lead.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use qix_transport::Endpoint;
use tokio::{net::lookup_host, time::timeout};

/// Why a client is not led to where it wants.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Forbidden {
    /// To this proxy itself, for ever.
    Loop,
    /// To what trusts only this machine, by another one.
    Local,
}

impl Forbidden {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Loop => {
                "this is the proxy itself; a client must not reach it through itself, so exempt it from your proxy settings"
            }
            Self::Local => {
                "this proxy leads other machines to no address that belongs to its own machine or link only"
            }
        }
    }
}

/// Says whether a client may be led to `to`. `own` is what the proxy listens on, `from` where the client is, if not on this machine.
pub(super) async fn check(
    to: &Endpoint,
    own: &[SocketAddr],
    from: Option<IpAddr>,
    limit: Duration,
) -> Result<(), Forbidden> {
    let is_remote = from.is_some_and(|from| !from.to_canonical().is_loopback());
    let may_loop = own.iter().any(|own| own.port() == to.port());
    // Everybody else is looked up once, when connected to.
    if !is_remote && !may_loop {
        return Ok(());
    }
    for address in addresses(to, limit).await {
        if own.iter().any(|own| is_own(*own, address, to.port())) {
            return Err(Forbidden::Loop);
        }
        if is_remote && is_local(address) {
            return Err(Forbidden::Local);
        }
    }
    Ok(())
}

/// Says whether a client may be told what is at the address that it was led to.
pub(super) fn check_reached(reached: io::Result<SocketAddr>, from: Option<IpAddr>) -> Result<(), Forbidden> {
    let is_remote = from.is_some_and(|from| !from.to_canonical().is_loopback());
    match reached {
        Ok(reached) if is_remote && is_local(reached.ip()) => Err(Forbidden::Local),
        _ => Ok(()),
    }
}

/// Returns the addresses of a host. Of one that cannot be found there are none, which connecting to it will say.
async fn addresses(to: &Endpoint, limit: Duration) -> Vec<IpAddr> {
    if let Ok(address) = to.host().parse() {
        return vec![address];
    }
    match timeout(limit, lookup_host((to.host(), to.port()))).await {
        Ok(Ok(found)) => found.map(|address| address.ip()).collect(),
        _ => Vec::new(),
    }
}

fn is_own(own: SocketAddr, address: IpAddr, port: u16) -> bool {
    let address = address.to_canonical();
    let here = || {
        address.is_loopback()
            || address.is_unspecified()
            // Only addresses of this machine can be bound.
            || std::net::UdpSocket::bind((address, 0)).is_ok()
    };
    own.port() == port
        && (own.ip().to_canonical() == address
            || address.is_unspecified()
            || own.ip().is_unspecified() && here())
}

/// Returns whether an address is of this machine or its link alone: services there often trust whoever reaches them.
fn is_local(address: IpAddr) -> bool {
    let address = address.to_canonical();
    address.is_loopback()
        || address.is_unspecified()
        || match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn checked(to: &str, own: &str, from: Option<&str>) -> Result<(), Forbidden> {
        let to = Endpoint::parse(&format!("wss://{to}")).unwrap();
        let from = from.map(|from| from.parse().unwrap());
        check(&to, &[own.parse().unwrap()], from, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn nobody_is_led_to_the_proxy_itself() {
        for (to, own) in [
            ("127.0.0.1:9077", "127.0.0.1:9077"),
            ("localhost:9077", "127.0.0.1:9077"),
            ("0.0.0.0:9077", "127.0.0.1:9077"),
            ("127.0.0.1:9077", "0.0.0.0:9077"),
            ("127.0.0.9:9077", "[::]:9077"),
            ("[::ffff:127.0.0.1]:9077", "127.0.0.1:9077"),
        ] {
            assert_eq!(checked(to, own, None).await, Err(Forbidden::Loop), "{to}");
        }
        for to in ["127.0.0.1:9078", "192.0.2.1:9077"] {
            assert_eq!(checked(to, "0.0.0.0:9077", None).await, Ok(()), "{to}");
        }
    }

    #[tokio::test]
    async fn other_machines_are_not_led_to_what_is_of_this_one_only() {
        for to in [
            "127.0.0.1:22",
            "localhost:22",
            "[::1]:22",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "0.0.0.0:22",
            "[::ffff:7f00:1]:22",
        ] {
            assert_eq!(checked(to, "0.0.0.0:9077", Some("192.0.2.7")).await, Err(Forbidden::Local), "{to}");
            assert_eq!(checked(to, "0.0.0.0:9077", Some("127.0.0.1")).await, Ok(()), "{to}");
            assert_eq!(checked(to, "0.0.0.0:9077", Some("::ffff:127.0.0.1")).await, Ok(()), "{to}");
        }
        assert_eq!(checked("192.0.2.1:443", "0.0.0.0:9077", Some("192.0.2.7")).await, Ok(()));
        let reached =
            |address: &str| check_reached(Ok(address.parse().unwrap()), Some([192, 0, 2, 7].into()));
        assert_eq!(reached("127.0.0.1:1"), Err(Forbidden::Local));
        assert_eq!(reached("192.0.2.1:1"), Ok(()));
    }
}
