//! From an endpoint to a session.

use std::fmt;

use qix_transport::{Auth, Endpoint, Limits, Proxies, TlsSettings, WsConnect, WsConnectBuilder};

use tower::Layer;

use crate::{
    Error, ErrorKind, Session, SessionConfig,
    layer::{CallService, Calls},
    resume::ResumePolicy,
    tap::Tap,
};

/// What leads to a session over WebSockets: [`Session::builder`].
///
/// ```no_run
/// use qix_client::{ResumePolicy, Session, transport::{Auth, Endpoint}};
///
/// # async fn example(api_key: String) -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = Endpoint::cloud("tenant.eu.qlikcloud.com").app("0b0c4ba1-2a3f-4c4e-9d0e-6f1d0f2f7a10");
/// let session = Session::builder(endpoint)
///     .auth(Auth::bearer(api_key))
///     .resume(ResumePolicy::automatic())
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until it connects"]
pub struct SessionBuilder {
    connect: Result<WsConnectBuilder, Error>,
    config: SessionConfig,
}

impl Session {
    /// Starts with where the engine is: an [`Endpoint`], what builds one, or a URL.
    pub fn builder<E>(endpoint: E) -> SessionBuilder
    where
        E: TryInto<Endpoint>,
        E::Error: std::error::Error + Send + Sync + 'static,
    {
        let endpoint = endpoint.try_into().map_err(|error| Error::because(ErrorKind::Settings, error));
        SessionBuilder { connect: endpoint.map(WsConnect::builder), config: SessionConfig::default() }
    }
}

impl SessionBuilder {
    /// Sets the credentials. Default: none.
    pub fn auth(self, auth: Auth) -> Self {
        self.connect_with(|connect| connect.auth(auth))
    }

    /// Sets whom to trust, and how else to speak TLS. Default: the system's roots.
    pub fn tls(self, tls: TlsSettings) -> Self {
        self.connect_with(|connect| connect.tls(tls))
    }

    /// Sets by which proxies to go. Default: none.
    pub fn proxies(self, proxies: Proxies) -> Self {
        self.connect_with(|connect| connect.proxies(proxies))
    }

    /// Sets limits and deadlines of the sockets.
    pub fn limits(self, limits: Limits) -> Self {
        self.connect_with(|connect| connect.limits(limits))
    }

    /// Adds a header to the upgrade request.
    pub fn header(self, name: &str, value: &str) -> Self {
        self.connect_with(|connect| connect.header(name, value))
    }

    /// Sets whether calls ask for delta answers if they do not say. Default false.
    pub fn delta(self, delta: bool) -> Self {
        self.with(|config| config.delta(delta))
    }

    /// Sets what happens when the socket ends. Default: the session ends with it.
    pub fn resume(self, policy: ResumePolicy) -> Self {
        self.with(|config| config.resume(policy))
    }

    /// Adds a [layer](crate::layer) around all calls, inside of those that were added before it.
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Calls, Service: CallService> + Send + Sync + 'static,
    {
        self.with(|config| config.layer(layer))
    }

    /// Adds a [`Tap`], which sees every text.
    pub fn tap(self, tap: impl Tap + 'static) -> Self {
        self.with(|config| config.tap(tap))
    }

    /// Sets the most calls in flight at once; further ones wait. Default 10,000.
    pub fn max_pending(self, calls: usize) -> Self {
        self.with(|config| config.max_pending(calls))
    }

    /// Replaces all settings of the session but those of its connections.
    pub fn config(self, config: SessionConfig) -> Self {
        Self { config, ..self }
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`] if the settings cannot be used, and then nothing was tried; [`ErrorKind::Connect`] if no socket
    /// comes about.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect(self) -> Result<Session, Error> {
        let config = self.config.clone();
        Session::connect_with(&self.connector()?, config).await
    }

    /// Returns the session at once, while it connects: its state is [`State::Connecting`](crate::State::Connecting), and calls
    /// wait. If no socket comes about, the session ends with [`ErrorKind::Connect`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Settings`] if the settings cannot be used.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(self) -> Result<Session, Error> {
        let config = self.config.clone();
        Ok(Session::start(self.connector()?, config))
    }

    fn connector(self) -> Result<WsConnect, Error> {
        self.connect?.build().map_err(|error| Error::because(ErrorKind::Settings, error))
    }

    fn connect_with(self, set: impl FnOnce(WsConnectBuilder) -> WsConnectBuilder) -> Self {
        Self { connect: self.connect.map(set), ..self }
    }

    fn with(self, set: impl FnOnce(SessionConfig) -> SessionConfig) -> Self {
        Self { config: set(self.config), ..self }
    }
}

impl fmt::Debug for SessionBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBuilder")
            .field("connect", &self.connect)
            .field("config", &self.config)
            .finish()
    }
}
