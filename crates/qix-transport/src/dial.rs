//! From an endpoint to a connected stream: name, TCP, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpSocket, TcpStream, lookup_host},
    time::{Instant, timeout_at},
};
use tokio_rustls::TlsConnector;

use crate::{ConnectError, Endpoint, Limits, Stage, Stream, TlsError, TlsSettings, tls};

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
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<ServerName<'static>>,
    connect_timeout: Duration,
}

impl Dialer {
    /// Takes settings for plain and TLS connections. Of `limits` it uses the connect deadline.
    ///
    /// Reads the system's trust roots unless a CA was given, so make one dialer and keep it.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says what is wrong with the settings.
    pub fn new(tls: &TlsSettings, limits: &Limits) -> Result<Self, TlsError> {
        Ok(Self {
            tls: Some(tls.client_config()?),
            server_name: tls.expected_name()?,
            connect_timeout: limits.connect_timeout,
        })
    }

    /// Makes a dialer that needs no trust roots, because it never speaks TLS.
    pub fn plain(limits: &Limits) -> Self {
        Self { tls: None, server_name: None, connect_timeout: limits.connect_timeout }
    }

    /// Connects, each address of the host in turn, and speaks TLS if the endpoint says so.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] of the stages name, TCP and TLS. Asking a [`plain`](Self::plain) dialer for TLS is one of the last.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up; nothing stays open.
    pub async fn dial(&self, endpoint: &Endpoint) -> Result<Stream, ConnectError> {
        self.dial_by(endpoint, self.deadline()).await
    }

    /// Connects within a deadline that the caller shares with later stages.
    pub(crate) async fn dial_by(
        &self,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<Stream, ConnectError> {
        let addresses: Vec<SocketAddr> = deadline
            .bound(endpoint, Stage::Resolve, lookup_host((endpoint.host(), endpoint.port())))
            .await?
            .map_err(|source| ConnectError::Resolve { peer: endpoint.peer(), source })?
            .collect();
        let tcp = self.connect_tcp(endpoint, &addresses, deadline).await?;
        if !endpoint.is_tls() {
            return Ok(tcp.into());
        }
        self.connect_tls(endpoint, tcp, deadline).await
    }

    pub(crate) fn deadline(&self) -> Deadline {
        let now = Instant::now();
        // A limit too long for the clock means none; thirty years are what tokio takes for that too.
        let at = now.checked_add(self.connect_timeout);
        Deadline {
            at: at.unwrap_or_else(|| now + Duration::from_secs(60 * 60 * 24 * 365 * 30)),
            limit: self.connect_timeout,
        }
    }

    async fn connect_tcp(
        &self,
        endpoint: &Endpoint,
        addresses: &[SocketAddr],
        deadline: Deadline,
    ) -> Result<TcpStream, ConnectError> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
        for (index, address) in addresses.iter().enumerate() {
            // Each address gets its share of what is left, so that one that swallows packets does not keep the next from its turn.
            let now = Instant::now();
            let left = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
            let turn = now + deadline.at.saturating_duration_since(now) / left;
            match timeout_at(turn, connect(*address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) if left == 1 => {
                    return Err(deadline.passed(endpoint, Stage::Tcp));
                }
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(ConnectError::Tcp { peer: endpoint.peer(), source: last })
    }

    async fn connect_tls(
        &self,
        endpoint: &Endpoint,
        tcp: TcpStream,
        deadline: Deadline,
    ) -> Result<Stream, ConnectError> {
        let failed = |source| ConnectError::Tls { peer: endpoint.peer(), source };
        let Some(config) = &self.tls else {
            return Err(failed("this dialer was made without TLS".into()));
        };
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(endpoint.host().to_owned()).map_err(|error| failed(error.into()))?,
        };
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
        let stream = deadline.bound(endpoint, Stage::Tls, handshake).await?;
        Ok(stream.map_err(|error| failed(tls::explained(error)))?.into())
    }
}

/// When connecting must be done, and what to say if it is not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn at(self) -> Instant {
        self.at
    }

    pub(crate) async fn bound<F: Future>(
        self,
        endpoint: &Endpoint,
        stage: Stage,
        future: F,
    ) -> Result<F::Output, ConnectError> {
        timeout_at(self.at, future).await.map_err(|_| self.passed(endpoint, stage))
    }

    fn passed(self, endpoint: &Endpoint, stage: Stage) -> ConnectError {
        ConnectError::Timeout { peer: endpoint.peer(), stage, limit: self.limit }
    }
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Requests are small and answers are waited for: holding them back to fill packets only costs time.
    socket.set_nodelay(true)?;
    // An engine socket may be silent for hours, and a peer that vanished should not go unnoticed for ever.
    socket.set_keepalive(true)?;
    socket.connect(address).await
}
