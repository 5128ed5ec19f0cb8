//! Settings of a recording proxy.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use http::{HeaderMap, HeaderName};
use qix_transport::{Auth, Dialer, Endpoint, HeaderError, Headers, Limits, Proxies, TlsError, TlsSettings};

use crate::record::FileSettings;

/// Settings of a [`RecordProxy`](crate::RecordProxy).
///
/// ```
/// use qix_proxy::RecordConfig;
/// use qix_transport::{Auth, Endpoint};
///
/// let upstream = Endpoint::parse("wss://sense.example.com/sales")?;
/// let config = RecordConfig::new(upstream, "session.qixrec").auth(Auth::bearer("my token"));
/// # let _ = config;
/// # Ok::<(), qix_transport::EndpointError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordConfig {
    /// Where the engine is. Its path is put in front of the path that a client asks for.
    pub upstream: Endpoint,
    /// The recording, a file that must not exist yet; [`Recorder::create`](crate::record::Recorder::create) says what its name may stand for.
    pub output: PathBuf,
    /// The address to listen on; port 0 takes a free one.
    ///
    /// Default: `127.0.0.1:9077`, which only programs of this machine can reach.
    pub listen: SocketAddr,
    /// Headers that are sent upstream instead of those of the same name that a client sends. Their values are never recorded.
    ///
    /// Default: none.
    pub headers: Headers,
    /// Credentials that are sent upstream instead of a client's own.
    ///
    /// Default: none, so that a client's credentials reach the engine.
    pub auth: Auth,
    /// Whom to trust upstream.
    ///
    /// Default: what the system trusts.
    pub tls: TlsSettings,
    /// The proxies on the way to the upstream.
    ///
    /// Default: none; the environment is not looked at.
    pub proxies: Proxies,
    /// Origins of pages, such as `https://intranet.example.com`, that may use [`headers`](Self::headers) and [`auth`](Self::auth)
    /// although they were not loaded from this machine's loopback addresses. Programs that are no browsers send no origin.
    ///
    /// Default: none, so that no page of the web can reach the engine through a proxy that logs in by itself.
    pub allowed_origins: Vec<String>,
    /// How long connecting to the upstream may take, and then again its answer to the upgrade.
    ///
    /// Default: 30 seconds.
    pub connect_timeout: Duration,
    /// How long a client may take to send its request, and how long it may stay connected without one.
    ///
    /// Default: 30 seconds.
    pub header_timeout: Duration,
    /// How long open connections may go on after the proxy was asked to stop.
    ///
    /// Default: 5 seconds.
    pub grace: Duration,
    /// How many bytes may wait to be recorded, over all connections, before traffic has to wait.
    ///
    /// Default: 64 MiB.
    pub queue: usize,
    /// The largest message that is recorded, in bytes; larger ones are forwarded all the same.
    ///
    /// Default: 256 MiB.
    pub max_message: usize,
    /// How the recording is laid out in files.
    ///
    /// Default: one file that grows.
    pub files: FileSettings,
}

impl RecordConfig {
    /// Takes defaults for everything but the upstream and the output.
    pub fn new(upstream: Endpoint, output: impl Into<PathBuf>) -> Self {
        Self {
            upstream,
            output: output.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9077)),
            headers: Headers::new(),
            auth: Auth::none(),
            tls: TlsSettings::default(),
            proxies: Proxies::none(),
            allowed_origins: Vec::new(),
            connect_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            queue: 64 << 20,
            max_message: 256 << 20,
            files: FileSettings::default(),
        }
    }

    /// Sets [`listen`](Self::listen).
    #[must_use]
    pub fn listen(mut self, address: impl Into<SocketAddr>) -> Self {
        self.listen = address.into();
        self
    }

    /// Sets [`headers`](Self::headers).
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Sets [`auth`](Self::auth).
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Sets [`tls`](Self::tls).
    #[must_use]
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Sets [`proxies`](Self::proxies).
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets [`allowed_origins`](Self::allowed_origins).
    #[must_use]
    pub fn allowed_origins(mut self, origins: Vec<String>) -> Self {
        self.allowed_origins = origins;
        self
    }

    /// Sets [`connect_timeout`](Self::connect_timeout).
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// Sets [`header_timeout`](Self::header_timeout).
    #[must_use]
    pub fn header_timeout(mut self, limit: Duration) -> Self {
        self.header_timeout = limit;
        self
    }

    /// Sets [`grace`](Self::grace).
    #[must_use]
    pub fn grace(mut self, limit: Duration) -> Self {
        self.grace = limit;
        self
    }

    /// Sets [`queue`](Self::queue), in bytes.
    #[must_use]
    pub fn queue(mut self, bytes: usize) -> Self {
        self.queue = bytes;
        self
    }

    /// Sets [`max_message`](Self::max_message), in bytes.
    #[must_use]
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Sets [`files`](Self::files).
    #[must_use]
    pub fn files(mut self, settings: FileSettings) -> Self {
        self.files = settings;
        self
    }

    /// Checks what can be checked without the network, and prepares what connections share. Reads the system's trust roots.
    pub(crate) fn validate(&self) -> Result<Checked, ConfigError> {
        let path = self.upstream.path_and_query();
        if path.contains('?') {
            return Err(ConfigError::Query);
        }
        if self.auth.is_asked() {
            return Err(ConfigError::Asked);
        }
        let mut headers = self.auth.headers().map_err(ConfigError::Auth)?;
        for name in self.headers.as_map().keys() {
            headers.remove(name);
        }
        headers.extend(self.headers.as_map().clone());
        let limits = Limits::default().connect_timeout(self.connect_timeout);
        let dialer = if self.upstream.is_tls() {
            let tls = match self.auth.identity() {
                Some(identity) => self.tls.clone().identity(identity.clone()),
                None => self.tls.clone(),
            };
            Dialer::new(&tls, &limits)?
        } else {
            Dialer::plain(&limits)
        };
        let dialer = dialer.proxies(self.proxies.clone());
        Ok(Checked { prefix: path.trim_end_matches('/').to_owned(), headers, dialer })
    }
}

/// Settings that were found to hold together.
#[derive(Debug)]
pub(crate) struct Checked {
    /// The path of the upstream, without a slash at its end.
    pub(crate) prefix: String,
    /// What is sent instead of a client's headers.
    pub(crate) headers: HeaderMap,
    pub(crate) dialer: Dialer,
}

impl Checked {
    /// Returns the headers whose values the user has given us, which makes them secrets.
    pub(crate) fn secret_headers(&self) -> Vec<HeaderName> {
        // `Host` and `Origin` say where the engine is, and the recording's header does too.
        let public = |name: &&HeaderName| !matches!(name.as_str(), "host" | "origin" | "user-agent");
        self.headers.keys().filter(public).cloned().collect()
    }
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The upstream's URL has a query.
    #[error("the upstream URL must end before the ?, for path and query come from the client")]
    Query,
    /// The credentials are not the same for each connection.
    #[error(
        "a proxy sends the same headers on each connection; credentials that are fetched, or go into the query, cannot be used"
    )]
    Asked,
    /// The credentials cannot be sent.
    #[error("the credentials cannot be sent")]
    Auth(#[source] HeaderError),
    /// The TLS settings do not hold together.
    #[error("the TLS settings cannot be used")]
    Tls(#[from] TlsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str) -> RecordConfig {
        RecordConfig::new(Endpoint::parse(url).unwrap(), "x.qixrec")
    }

    #[test]
    fn prefix_loses_its_last_slash() {
        for (url, prefix) in [("ws://h", ""), ("ws://h/", ""), ("ws://h/vp/", "/vp"), ("ws://h/a/b", "/a/b")]
        {
            assert_eq!(config(url).validate().unwrap().prefix, prefix);
        }
    }

    #[test]
    fn query_is_refused() {
        assert!(matches!(config("ws://h/app?x=1").validate(), Err(ConfigError::Query)));
    }

    #[test]
    fn credentials_that_are_not_the_same_each_time_are_refused() {
        let config = config("ws://h").auth(Auth::ticket("t"));
        assert!(matches!(config.validate(), Err(ConfigError::Asked)));
    }

    #[test]
    fn given_headers_come_before_credentials() {
        let headers = Headers::new().header("Authorization", "Basic x").unwrap().header("a", "1").unwrap();
        let checked = config("ws://h").auth(Auth::bearer("t")).headers(headers).validate().unwrap();
        assert_eq!(checked.headers["authorization"], "Basic x");
        assert_eq!(checked.headers.len(), 2);
        assert_eq!(checked.secret_headers().len(), 2);
    }

    #[test]
    fn debug_shows_no_secret() {
        let headers = Headers::new().header("x", "s3cret").unwrap();
        let config = config("ws://h").auth(Auth::bearer("s3cret")).headers(headers);
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
