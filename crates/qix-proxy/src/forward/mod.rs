//! Forward mode: a proxy that browsers and programs are told to use, which stands in for some hosts and tunnels to all others.

mod door;
mod head;
mod patterns;
mod standin;
mod targets;
mod tunnel;

use std::{
    collections::HashSet,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use door::serve;
pub use patterns::InterceptError;
pub(crate) use patterns::Patterns;
use qix_transport::{Endpoint, Proxies};
use standin::StandIns;

use crate::{
    authority::{Authority, AuthorityError},
    front::Front,
};

/// For how many hosts it is remembered that something was said about them.
const SAID: usize = 1000;

/// Which hosts to stand in for, and by which authority.
///
/// ```no_run
/// use std::sync::Arc;
/// use qix_proxy::{Authority, Forwarding, Proxy};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let authority = Arc::new(Authority::open("authority")?);
/// let forwarding = Forwarding::new(authority).intercept("*.qlikcloud.com")?;
/// let proxy = Proxy::builder("session.qixrec").forward(forwarding).bind().await?;
/// # let _ = proxy;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Forwarding {
    authority: Arc<Authority>,
    patterns: Patterns,
}

impl Forwarding {
    /// Stands in for no host yet, by certificates of `authority`, which clients must trust.
    pub fn new(authority: Arc<Authority>) -> Self {
        Self { authority, patterns: Patterns::default() }
    }

    /// Stands in for a host: a name, in which `*` is any text, or an address, and maybe a port, without which all are meant, such as
    /// `*.qlikcloud.com`, `sense.example.com:443` or `[::1]`.
    ///
    /// # Errors
    ///
    /// [`InterceptError`] if it is something else.
    pub fn intercept(mut self, host: &str) -> Result<Self, InterceptError> {
        self.patterns.add(host)?;
        Ok(self)
    }

    pub(crate) fn patterns(&self) -> &Patterns {
        &self.patterns
    }

    /// Says for which of the hosts no certificate could be made.
    pub(crate) fn check(&self) -> Result<(), AuthorityError> {
        self.patterns.hosts().try_for_each(|host| self.authority.permits(host))
    }

    /// Makes what connections share. `own` is what the proxy listens on.
    pub(crate) fn ready(&self, own: Vec<SocketAddr>, proxies: Proxies) -> Forward {
        Forward {
            patterns: self.patterns.clone(),
            stand_ins: StandIns::new(Arc::clone(&self.authority)),
            own,
            proxies,
            said: Mutex::default(),
        }
    }
}

/// What all connections of a forward proxy share.
#[derive(Debug)]
pub(crate) struct Forward {
    patterns: Patterns,
    stand_ins: StandIns,
    own: Vec<SocketAddr>,
    /// The proxies on the way out.
    proxies: Proxies,
    said: Mutex<HashSet<Box<str>>>,
}

impl Forward {
    /// Returns where a client is, if what is reached for it is the other end and not a proxy, which may be on this machine.
    fn seen_from(&self, to: &Endpoint, from: Option<IpAddr>) -> Option<IpAddr> {
        from.filter(|_| self.proxies.get(to).is_none())
    }

    /// Returns whether plain HTTP to a host would tell the network credentials that its user has not meant for it: whoever intercepts
    /// all ports of a host thinks of HTTPS.
    fn would_tell(&self, to: &Endpoint, front: &Front) -> bool {
        let is_here =
            to.host() == "localhost" || to.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        front.origins.guarded && !is_here && !self.patterns.name_port(to)
    }

    /// Returns whether something is to be said about `host`, which is so once.
    fn is_news(&self, host: &str) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.len() < SAID && said.insert(host.into())
    }
}
