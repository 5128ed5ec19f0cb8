//! Settings of a recording proxy.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use http::HeaderName;
use qix_transport::{Auth, Dialer, Endpoint, HeaderError, Headers, Limits, Proxies, TlsError, TlsSettings};

use crate::{
    Proxy, ProxyError,
    authority::AuthorityError,
    faults::FaultRules,
    forward::Forwarding,
    listen::{FrontTls, ListenOn},
    origin::Origins,
    record::{FileSettings, Observer, Redaction},
    rewrite::{HeaderRules, is_secret},
    routes::Routes,
    upstream::Upstream,
};

/// Settings of a [`Proxy`], and what makes one of them.
///
/// ```no_run
/// use qix_proxy::Proxy;
/// use qix_transport::{Auth, Endpoint};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let proxy = Proxy::builder("session.qixrec")
///     .upstream(Endpoint::parse("wss://sense.example.com/sales")?)
///     .map("/cloud", Endpoint::parse("wss://tenant.eu.qlikcloud.com")?)
///     .auth(Auth::bearer("my token"))
///     .bind()
///     .await?;
/// # let _ = proxy;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyBuilder {
    /// Where the engine is, for all paths that [`maps`](Self::maps) do not lead elsewhere. Its path is put in front of the path that a
    /// client asks for.
    pub upstream: Option<Endpoint>,
    /// Upstreams by the path that leads to them, such as `/a`. The longest that a client's path begins with, segment by segment, wins,
    /// and is replaced by the path of its upstream. All get the same credentials, so map to no server that must not have them.
    ///
    /// Default: none.
    pub maps: Vec<(String, Endpoint)>,
    /// The recording, a file that must not exist yet; [`Recorder::create`](crate::record::Recorder::create) says what its name may stand for.
    pub output: PathBuf,
    /// What to listen on; port 0 takes a free one.
    ///
    /// Default: none, which means `127.0.0.1:9077`, which only programs of this machine can reach.
    pub listens: Vec<ListenOn>,
    /// What certificate clients are shown on all addresses; Unix sockets are plain.
    ///
    /// Default: none, so that clients speak plain HTTP.
    pub front_tls: Option<FrontTls>,
    /// Makes a forward proxy, which stands in for some hosts and tunnels to all others, in the place of a reverse proxy with an
    /// [upstream](Self::upstream) or [maps](Self::maps).
    ///
    /// Default: none.
    pub forward: Option<Forwarding>,
    /// Headers that are sent upstream instead of those of the same name that a client or [`auth`](Self::auth) sends. Their values are never
    /// recorded.
    ///
    /// Default: none.
    pub headers: Headers,
    /// Headers of a client that are not sent upstream. `Host` and those of the WebSocket handshake are always the proxy's own.
    ///
    /// Default: none.
    pub remove_headers: Vec<HeaderName>,
    /// Credentials, asked before each upgrade and plain request, and repaired once if they are refused: for a plain request if it has no
    /// body, or one of at most 64 KiB that says so. Their headers, query parameters and cookies are
    /// sent upstream instead of a client's of the same name, and are never recorded.
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
    /// How long the upstream may take to answer a request of plain HTTP, and then either side to send more of a body.
    ///
    /// Default: 5 minutes, because exports take their time.
    pub http_timeout: Duration,
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
    /// How much of each body of plain HTTP is recorded, in bytes; all of it is passed on. With 0, bodies are only counted.
    ///
    /// Default: 1 MiB.
    pub max_body: usize,
    /// What is a secret, and replaced before it is written.
    ///
    /// Default: [`Redaction::standard`](crate::record::Redaction::standard).
    pub redaction: Redaction,
    /// How the recording is laid out in files.
    ///
    /// Default: one file that grows.
    pub files: FileSettings,
    /// Who is told what is recorded.
    ///
    /// Default: nobody.
    pub observer: Option<Arc<dyn Observer>>,
    /// Faults that are made on purpose. With them, messages are understood and written anew, where bytes are passed on otherwise; the
    /// recording has what the client has experienced, and a note for each fault.
    ///
    /// Default: none.
    pub faults: Option<FaultRules>,
}

impl ProxyBuilder {
    /// Takes defaults for everything but the output; an [upstream](Self::upstream) or a [map](Self::map) must follow.
    pub(crate) fn to(output: impl Into<PathBuf>) -> Self {
        Self {
            upstream: None,
            maps: Vec::new(),
            output: output.into(),
            listens: Vec::new(),
            front_tls: None,
            forward: None,
            headers: Headers::new(),
            remove_headers: Vec::new(),
            auth: Auth::none(),
            tls: TlsSettings::default(),
            proxies: Proxies::none(),
            allowed_origins: Vec::new(),
            connect_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(30),
            http_timeout: Duration::from_secs(300),
            grace: Duration::from_secs(5),
            queue: 64 << 20,
            max_message: 256 << 20,
            max_body: 1 << 20,
            redaction: Redaction::standard(),
            files: FileSettings::default(),
            observer: None,
            faults: None,
        }
    }

    /// Sets [`upstream`](Self::upstream).
    #[must_use]
    pub fn upstream(mut self, upstream: Endpoint) -> Self {
        self.upstream = Some(upstream);
        self
    }

    /// Adds to [`maps`](Self::maps): requests whose path begins with `prefix` go to `upstream`.
    #[must_use]
    pub fn map(mut self, prefix: impl Into<String>, upstream: Endpoint) -> Self {
        self.maps.push((prefix.into(), upstream));
        self
    }

    /// Adds an address to [`listens`](Self::listens).
    #[must_use]
    pub fn listen(self, address: impl Into<SocketAddr>) -> Self {
        self.listen_on(ListenOn::Tcp(address.into()))
    }

    /// Adds to [`listens`](Self::listens).
    #[must_use]
    pub fn listen_on(mut self, place: ListenOn) -> Self {
        self.listens.push(place);
        self
    }

    /// Sets [`front_tls`](Self::front_tls).
    #[must_use]
    pub fn front_tls(mut self, tls: FrontTls) -> Self {
        self.front_tls = Some(tls);
        self
    }

    /// Sets [`forward`](Self::forward).
    #[must_use]
    pub fn forward(mut self, forwarding: Forwarding) -> Self {
        self.forward = Some(forwarding);
        self
    }

    /// Sets [`headers`](Self::headers).
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = headers;
        self
    }

    /// Adds to [`remove_headers`](Self::remove_headers).
    #[must_use]
    pub fn remove_header(mut self, name: HeaderName) -> Self {
        self.remove_headers.push(name);
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

    /// Sets [`http_timeout`](Self::http_timeout).
    #[must_use]
    pub fn http_timeout(mut self, limit: Duration) -> Self {
        self.http_timeout = limit;
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

    /// Sets [`max_body`](Self::max_body), in bytes.
    #[must_use]
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets [`files`](Self::files).
    #[must_use]
    pub fn files(mut self, settings: FileSettings) -> Self {
        self.files = settings;
        self
    }

    /// Sets [`redaction`](Self::redaction).
    #[must_use]
    pub fn redaction(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Sets [`observer`](Self::observer).
    #[must_use]
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Checks the settings, starts to listen and creates the recording. Nothing is served before [`Proxy::run`].
    ///
    /// # Errors
    ///
    /// [`ProxyError`] says what is in the way. No file was created then.
    ///
    /// # Cancellation
    ///
    /// Dropping the future may leave a recording behind that has nothing but its header.
    pub async fn bind(self) -> Result<Proxy, ProxyError> {
        Proxy::bind(self).await
    }

    /// Returns what to listen on.
    pub(crate) fn places(&self) -> Vec<ListenOn> {
        match &*self.listens {
            [] => vec![ListenOn::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 9077)))],
            listens => listens.to_vec(),
        }
    }

    /// Checks what can be checked without the network, and prepares what connections share. Reads the system's trust roots.
    pub(crate) fn validate(&self) -> Result<Checked, ConfigError> {
        let routes = match &self.forward {
            None => Routes::new(self.upstream.as_ref(), &self.maps)?,
            Some(_) if self.upstream.is_some() || !self.maps.is_empty() => return Err(ConfigError::TwoModes),
            Some(forward) if forward.patterns().is_empty() => return Err(ConfigError::NoIntercept),
            Some(forward) => {
                forward.check().map_err(ConfigError::Authority)?;
                Routes::elsewhere(forward.patterns().describe())
            }
        };
        // Those that are the same each time are checked now rather than on the first connection.
        let fixed = self.auth.headers().map_err(ConfigError::Auth)?;
        let add = self.headers.as_map().clone();
        let identity = self.auth.identity();
        let guarded = self.auth.is_asked()
            || !fixed.is_empty()
            || !add.is_empty()
            || identity.is_some()
            || self.tls.has_identity();
        let names = fixed.keys().chain(add.keys()).filter(|name| is_secret(name));
        let secret_headers = names.cloned().collect();
        let limits = Limits::default().connect_timeout(self.connect_timeout);
        let tls = match identity {
            Some(identity) => self.tls.clone().identity(identity.clone()),
            None => self.tls.clone(),
        };
        let dialer = match &self.forward {
            None => Dialer::for_engines(routes.endpoints(), &tls, &limits)?,
            Some(forward) => {
                let patterns = forward.patterns().clone();
                Dialer::for_engines_where(move |endpoint| patterns.matches(endpoint), &tls, &limits)?
            }
        };
        let upstream = Upstream {
            routes,
            auth: self.auth.clone(),
            rules: HeaderRules { remove: self.remove_headers.clone(), add },
            dialer: dialer.proxies(self.proxies.clone()),
            answer_timeout: self.connect_timeout,
            http_timeout: self.http_timeout,
            reads_bodies: self.max_body > 0,
        };
        let origins = Origins { guarded, allowed: self.allowed_origins.clone() };
        Ok(Checked { upstream, origins, secret_headers })
    }
}

/// Settings that were found to hold together.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) upstream: Upstream,
    pub(crate) origins: Origins,
    /// The headers whose values the user has given us, which makes them secrets.
    pub(crate) secret_headers: Vec<HeaderName>,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The upstream's URL has a query.
    #[error("the upstream URL must end before the ?, for path and query come from the client")]
    Query,
    /// There is no upstream at all.
    #[error("there is no engine to connect to; give an upstream, or map a path to one")]
    NoUpstream,
    /// What is mapped is no path.
    #[error("{prefix:?} cannot be mapped; a path begins with / and has no ?, # or blank in it")]
    Prefix {
        /// What stands in the place of the path.
        prefix: String,
    },
    /// A path has two upstreams.
    #[error("{prefix} leads to two upstreams; leave one of them out")]
    Twice {
        /// The path.
        prefix: String,
    },
    /// It should be a forward and a reverse proxy.
    #[error("a forward proxy finds the engine in each request; leave out the upstream and the maps")]
    TwoModes,
    /// A forward proxy would record nothing.
    #[error(
        "a forward proxy records only the hosts that it intercepts, and there are none; name one, such as *.qlikcloud.com"
    )]
    NoIntercept,
    /// The authority may not vouch for a host.
    #[error("a host cannot be intercepted")]
    Authority(#[source] AuthorityError),
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

    fn config(url: &str) -> ProxyBuilder {
        ProxyBuilder::to("x.qixrec").upstream(Endpoint::parse(url).unwrap())
    }

    #[test]
    fn query_is_refused() {
        assert!(matches!(config("ws://h/app?x=1").validate(), Err(ConfigError::Query)));
    }

    #[test]
    fn whatever_lets_somebody_in_is_guarded_and_secret() {
        let plain = config("ws://h").validate().unwrap();
        assert!(!plain.origins.guarded && plain.secret_headers.is_empty());
        let header = Headers::new().header("X-Key", "1").unwrap().header("Origin", "https://o").unwrap();
        for (config, secrets) in [
            (config("ws://h").auth(Auth::bearer("t")), &["authorization"][..]),
            (config("ws://h").auth(Auth::ticket("t")), &[]),
            (config("ws://h").headers(header), &["x-key"]),
        ] {
            let checked = config.validate().unwrap();
            assert!(checked.origins.guarded);
            assert_eq!(checked.secret_headers, secrets);
        }
    }

    #[test]
    fn credentials_that_cannot_be_sent_are_refused_at_once() {
        let config = config("ws://h").auth(Auth::bearer("s3cret\n"));
        assert!(matches!(config.validate(), Err(ConfigError::Auth(_))));
    }

    #[test]
    fn debug_shows_no_secret() {
        let headers = Headers::new().header("x", "s3cret").unwrap();
        let config = config("ws://h").auth(Auth::bearer("s3cret")).headers(headers);
        assert!(!format!("{config:?}").contains("s3cret"));
    }
}
