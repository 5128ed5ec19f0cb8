//! Where an engine is that is asked under the paths of others, and how to get there.

use qix_transport::{Auth, Endpoint, Headers, Proxies, TlsSettings, WsConnect};

use super::{
    engine::{LoginArgs, ProxyArgs, TrustArgs, unusable},
    exit::CliError,
    session::SessionArgs,
};
use crate::chain::chain;

/// Where the engine is, and how to get there.
pub(super) struct Place {
    endpoint: Endpoint,
    auth: Auth,
    headers: Headers,
    tls: TlsSettings,
    proxies: Proxies,
}

impl Place {
    /// Reads the URL that `option` names, and the options of the way there.
    pub(super) fn new(
        option: &str,
        url: &str,
        login: &LoginArgs,
        session: &SessionArgs,
        trust: &TrustArgs,
        way: &ProxyArgs,
    ) -> Result<Self, CliError> {
        let endpoint = Endpoint::parse(url).map_err(|error| unusable(option, &error))?;
        Self::of(endpoint, login, session, trust, way)
    }

    /// Takes an endpoint, and reads the options of the way there.
    pub(super) fn of(
        endpoint: Endpoint,
        login: &LoginArgs,
        session: &SessionArgs,
        trust: &TrustArgs,
        way: &ProxyArgs,
    ) -> Result<Self, CliError> {
        Ok(Self {
            endpoint,
            auth: session.auth(login, trust, way)?,
            headers: login.headers()?,
            tls: trust.tls()?,
            proxies: way.proxies()?,
        })
    }

    /// Makes the connector for a client's path and query, which is added to the path of the URL, as `record` does. The error says in
    /// words why it cannot be used.
    pub(super) fn connect(&self, path: &str) -> Result<WsConnect, String> {
        let base = self.endpoint.path_and_query();
        let base = base.split('?').next().unwrap_or_default().trim_end_matches('/');
        let endpoint = self
            .endpoint
            .with_path(&format!("{base}{path}"))
            .map_err(|error| format!("the client's path cannot be asked for: {error}"))?;
        WsConnect::builder(endpoint)
            .auth(self.auth.clone())
            .headers(self.headers.clone())
            .tls(self.tls.clone())
            .proxies(self.proxies.clone())
            .build()
            .map_err(|error| chain(&error))
    }

    /// Returns the URL without secrets.
    pub(super) fn shown(&self) -> String {
        self.endpoint.to_string()
    }
}
