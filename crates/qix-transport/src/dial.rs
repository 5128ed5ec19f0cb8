//! From an endpoint to a connected stream: name, TCP, tunnel, TLS.

mod deadline;
mod proxies;
mod proxy;
mod target;
mod tcp;
pub(crate) mod tunnel;

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use rustls::{ProtocolVersion, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

pub(crate) use self::{deadline::Deadline, target::Target};
pub use self::{
    proxies::Proxies,
    proxy::{Proxy, ProxyError},
};
use crate::{
    ConnectError, Endpoint, Limits, Progress, Stage, Stream, TlsError, TlsSettings,
    prefixed::Prefixed,
    progress::Watch,
    tls::{self, TlsClient},
};

/// Opens connected streams with one set of TLS settings, which are read once and shared.
///
/// ```no_run
/// use qix_transport::{Dialer, Endpoint, Limits, TlsSettings};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let dialer = Dialer::new(&TlsSettings::default(), &Limits::default())?;
/// let stream = dialer.dial(&Endpoint::parse("wss://sense.example.com")?).await?;
/// assert!(stream.is_tls());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Dialer {
    tls: Tls,
    limits: Limits,
    proxies: Proxies,
}

/// What to speak TLS with, and with whom.
#[derive(Clone, Debug)]
enum Tls {
    None,
    /// The same for every server.
    Given(Secured),
    /// Some servers get all the settings; others get the trust roots, which are read when the first of them is dialled.
    For {
        engines: Engines,
        secured: Option<Secured>,
        others: TlsSettings,
        read: Arc<OnceLock<Secured>>,
    },
}

/// The servers that get all the settings.
#[derive(Clone)]
enum Engines {
    Listed(Arc<[Box<str>]>),
    Which(Arc<dyn Fn(&Endpoint) -> bool + Send + Sync>),
}

#[derive(Clone, Debug)]
struct Secured {
    client: TlsClient,
    server_name: Option<ServerName<'static>>,
}

impl Dialer {
    /// Takes settings for plain and TLS connections. Of `limits` it uses the deadlines and TCP keep-alive.
    ///
    /// Reads the system's trust roots unless a CA was given, so make one dialer and keep it.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what is wrong with the settings.
    pub fn new(tls: &TlsSettings, limits: &Limits) -> Result<Self, TlsError> {
        Ok(Self { tls: Tls::Given(Secured::new(tls)?), limits: *limits, proxies: Proxies::none() })
    }

    /// Takes settings for connections to some engines. Other servers, which credentials may have to ask, get no more of them than the
    /// trust roots: they see no client certificate, and must be who they say.
    ///
    /// Reads the system's trust roots unless a CA was given; not at all while none of the engines and no other server speaks TLS.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what is wrong with the settings.
    pub fn for_engines<'a>(
        engines: impl IntoIterator<Item = &'a Endpoint>,
        tls: &TlsSettings,
        limits: &Limits,
    ) -> Result<Self, TlsError> {
        let engines: Vec<_> = engines.into_iter().collect();
        let is_tls = engines.iter().any(|engine| engine.is_tls());
        let secured = if is_tls { Some(Secured::new(tls)?) } else { None };
        let engines = Engines::Listed(engines.iter().map(|engine| engine.peer()).collect());
        let tls = Tls::For { engines, secured, others: tls.roots_only(), read: Arc::default() };
        Ok(Self { tls, limits: *limits, proxies: Proxies::none() })
    }

    /// As [`for_engines`](Self::for_engines), for engines that are not known yet: those for which `is_engine` says so. Reads the
    /// system's trust roots unless a CA was given.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what is wrong with the settings.
    pub fn for_engines_where(
        is_engine: impl Fn(&Endpoint) -> bool + Send + Sync + 'static,
        tls: &TlsSettings,
        limits: &Limits,
    ) -> Result<Self, TlsError> {
        let engines = Engines::Which(Arc::new(is_engine));
        let secured = Some(Secured::new(tls)?);
        let tls = Tls::For { engines, secured, others: tls.roots_only(), read: Arc::default() };
        Ok(Self { tls, limits: *limits, proxies: Proxies::none() })
    }

    /// Makes a dialer that needs no trust roots, because it never speaks TLS.
    pub fn plain(limits: &Limits) -> Self {
        Self { tls: Tls::None, limits: *limits, proxies: Proxies::none() }
    }

    /// Sets the proxies on the way out. Default: [`Proxies::none`].
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Connects to the first address of the host that answers, through a proxy's tunnel if so set, and speaks TLS if the endpoint says so.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] of the stages name, TCP, tunnel and TLS. Asking a [`plain`](Self::plain) dialer for TLS is one of the last.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up; nothing stays open.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        self.dial_by(endpoint, self.deadline(), Watch::default()).await
    }

    /// Connects as [`dial`](Self::dial) does, but speaks no TLS, whatever the endpoint says: for programs that pass on what others say.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] of the stages name, TCP and tunnel.
    ///
    /// # Cancellation
    ///
    /// As [`dial`](Self::dial).
    pub async fn dial_tcp(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        Ok(self.open(endpoint, self.deadline(), Watch::default()).await?.into())
    }

    /// Connects within a deadline that the caller shares with later stages.
    pub(crate) async fn dial_by(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> Result<Stream, ConnectError> {
        let tcp = self.open(endpoint, deadline, watch).await?;
        if !endpoint.is_tls() {
            return Ok(tcp.into());
        }
        self.connect_tls(endpoint, tcp, deadline, watch).await
    }

    /// Connects, through a proxy's tunnel if so set.
    async fn open(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> Result<Prefixed<TcpStream>, ConnectError> {
        let open = |target| tcp::open(target, &self.limits, deadline, watch);
        Ok(match self.proxies.get(endpoint) {
            None => Prefixed::new(Bytes::new(), open(endpoint.into()).await?),
            Some(proxy) => {
                let tunnel = tunnel::open(proxy, open(proxy.into()).await?, endpoint, deadline).await?;
                watch.tell(|| Progress::Tunnelled {
                    proxy: proxy.to_string().into(),
                    target: endpoint.peer(),
                });
                tunnel
            }
        })
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::new(self.limits)
    }

    async fn connect_tls(
        &self,
        endpoint: &Endpoint,
        tcp: Prefixed<TcpStream>,
        deadline: Deadline,
        watch: Watch<'_>,
    ) -> Result<Stream, ConnectError> {
        let failed = |source| ConnectError::Tls { peer: endpoint.peer(), source };
        let Some(Secured { client, server_name }) =
            self.tls.with(endpoint).map_err(|error| failed(error.into()))?
        else {
            return Err(failed("this dialer was made without TLS".into()));
        };
        let name = match server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(endpoint.host().to_owned()).map_err(|error| failed(error.into()))?,
        };
        let (config, seen) = if watch.is_on() {
            let (config, seen) = client.watched();
            (config, Some(seen))
        } else {
            (client.config(), None)
        };
        let handshake = TlsConnector::from(config).connect(name, tcp);
        let outcome = deadline.bound(endpoint, Stage::Tls, handshake).await;
        if let Some(certificates) = seen.and_then(|seen| seen.take()) {
            watch.tell(|| Progress::Certificates(certificates));
        }
        let stream = outcome?.map_err(|error| failed(tls::explained(error)))?;
        watch.tell(|| {
            let (_, connection) = stream.get_ref();
            Progress::Encrypted {
                version: connection.protocol_version().map_or("TLS", version),
                cipher: connection
                    .negotiated_cipher_suite()
                    .and_then(|suite| suite.suite().as_str())
                    .unwrap_or("an unknown cipher suite"),
            }
        });
        Ok(stream.into())
    }
}

impl Tls {
    /// Returns what a connection to `endpoint` may use. The one place that decides who sees what.
    fn with(&self, endpoint: &Endpoint) -> Result<Option<&Secured>, TlsError> {
        match self {
            Self::None => Ok(None),
            Self::Given(secured) => Ok(Some(secured)),
            Self::For { engines, secured: Some(secured), .. } if engines.contain(endpoint) => {
                Ok(Some(secured))
            }
            Self::For { others, read, .. } => match read.get() {
                Some(secured) => Ok(Some(secured)),
                None => {
                    let secured = Secured::new(others)?;
                    Ok(Some(read.get_or_init(|| secured)))
                }
            },
        }
    }
}

impl Engines {
    fn contain(&self, endpoint: &Endpoint) -> bool {
        match self {
            Self::Listed(peers) => peers.contains(&endpoint.peer()),
            Self::Which(is_engine) => is_engine(endpoint),
        }
    }
}

impl fmt::Debug for Engines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listed(peers) => peers.fmt(f),
            Self::Which(_) => f.write_str("where somebody says so"),
        }
    }
}

impl Secured {
    fn new(tls: &TlsSettings) -> Result<Self, TlsError> {
        Ok(Self { client: tls.client()?, server_name: tls.expected_name()? })
    }
}

fn version(version: ProtocolVersion) -> &'static str {
    match version {
        ProtocolVersion::TLSv1_3 => "TLS 1.3",
        ProtocolVersion::TLSv1_2 => "TLS 1.2",
        _ => "TLS",
    }
}
