//! Standing in for a host: its certificate, and what leads to it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use qix_transport::Endpoint;
use rustls::{
    ServerConfig,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    authority::{Authority, AuthorityError},
    listen::server_config,
    routes::Route,
};

/// For how many hosts and ports it is kept what is needed.
const KEPT: usize = 256;

/// What is needed to stand in for a host.
#[derive(Clone)]
pub(super) struct StandIn {
    /// Where what is said in TLS leads.
    pub(super) secure: Arc<Route>,
    /// Where what is said in plain leads.
    pub(super) plain: Arc<Route>,
    pub(super) config: Arc<ServerConfig>,
}

/// What is needed to stand in for hosts, made when they are first asked for.
pub(super) struct StandIns {
    authority: Arc<Authority>,
    kept: Mutex<HashMap<String, StandIn>>,
}

impl StandIns {
    pub(super) fn new(authority: Arc<Authority>) -> Self {
        Self { authority, kept: Mutex::default() }
    }

    /// Returns what is needed to stand in for the host and port of `endpoint`, if the authority may vouch for it.
    pub(super) fn get(&self, endpoint: &Endpoint) -> Result<StandIn, AuthorityError> {
        let host = endpoint.host();
        let name = format!("{host} {}", endpoint.port());
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = kept.get(&name) {
            return Ok(found.clone());
        }
        // Said before a client is promised anything.
        self.authority.leaf(host)?;
        let resolver = Certificate { authority: Arc::clone(&self.authority), host: host.to_owned() };
        let config = server_config(Arc::new(resolver)).map_err(AuthorityError::Tls)?;
        let to = |scheme: &str| {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let endpoint = Endpoint::parse(&format!("{scheme}://{host}:{}", endpoint.port()));
            let endpoint = endpoint.map_err(|_| AuthorityError::Host { host })?;
            Ok::<_, AuthorityError>(Arc::new(Route::whole(endpoint)))
        };
        let found = StandIn { secure: to("wss")?, plain: to("ws")?, config };
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(name, found.clone());
        Ok(found)
    }
}

impl fmt::Debug for StandIns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StandIns").field("authority", &self.authority).finish_non_exhaustive()
    }
}

/// Shows the certificate of the host that a client wants, which may be reached by another name or an address.
#[derive(Debug)]
struct Certificate {
    authority: Arc<Authority>,
    host: String,
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let wanted = hello.server_name().filter(|name| self.authority.permits(name).is_ok());
        let host = wanted.unwrap_or(&self.host).to_owned();
        match self.authority.leaf_for(&[host], SystemTime::now()) {
            Ok(leaf) => Some(Arc::clone(leaf.certified())),
            Err(error) => {
                tracing::warn!("there is no certificate for {}: {error}", self.host);
                None
            }
        }
    }
}
