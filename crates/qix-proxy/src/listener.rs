//! The proxy as a whole: listening, draining, stopping.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    config::{ConfigError, ProxyBuilder},
    entrance::Entrance,
    front::{self, Front},
    record::{Recorder, RecorderConfig, RecorderError, Sealed},
};

/// How long to wait before accepting again when the system has no more sockets to give.
const PAUSE: Duration = Duration::from_millis(100);

/// A reverse proxy for WebSockets that records what crosses it.
///
/// ```no_run
/// use qix_proxy::Proxy;
/// use qix_transport::Endpoint;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Endpoint::parse("ws://engine:9076")?;
/// let proxy = Proxy::builder("session.qixrec").upstream(engine).bind().await?;
/// println!("point your client at ws://{}", proxy.local_addr());
/// let sealed = proxy.run(async { _ = tokio::signal::ctrl_c().await }).await;
/// println!("{} messages", sealed.frames);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    listener: TcpListener,
    address: SocketAddr,
    front: Arc<Front>,
    draining: watch::Sender<bool>,
    grace: Duration,
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The settings do not hold together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}{}", listen_hint(source))]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The recording cannot be made.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
}

fn listen_hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => ", because another program does; stop it or choose another port",
        io::ErrorKind::AddrNotAvailable => {
            ", because this machine does not have that address; choose one of its own"
        }
        io::ErrorKind::PermissionDenied => ", because only administrators may; choose a port above 1023",
        _ => "; choose another address",
    }
}

impl Proxy {
    /// Starts with the file that is to be written, which must not exist yet, and with defaults for all else. An
    /// [upstream](ProxyBuilder::upstream) or a [map](ProxyBuilder::map) must follow.
    pub fn builder(output: impl Into<PathBuf>) -> ProxyBuilder {
        ProxyBuilder::to(output)
    }

    /// Does the work of [`ProxyBuilder::bind`].
    pub(crate) async fn bind(config: ProxyBuilder) -> Result<Self, ProxyError> {
        let checked = config.validate()?;
        let failed = |source| ProxyError::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        if !address.ip().is_loopback() {
            tracing::warn!(
                "LISTENING ON {address}: every machine that can reach this one can use the engine through it, with the \
                 credentials given here, and everything is recorded"
            );
        }
        let recorder_config = RecorderConfig {
            upstream: checked.upstream.routes.describe(),
            queue: config.queue,
            max_message: config.max_message,
            secret_headers: checked.secret_headers,
            redaction: config.redaction.clone(),
            files: config.files.clone(),
            observer: config.observer.clone(),
        };
        let recorder = Recorder::create(&config.output, recorder_config)?;
        let (draining, receiver) = watch::channel(false);
        let front = Arc::new(Front {
            upstream: checked.upstream,
            origins: checked.origins,
            recorder,
            header_timeout: config.header_timeout,
            max_body: config.max_body,
            draining: receiver,
        });
        Ok(Self { listener, address, front, draining, grace: config.grace })
    }

    /// Returns the address that clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Returns the upstream's URL, without secrets, and after it those of the maps as `/path=URL`.
    pub fn upstream(&self) -> String {
        self.front.upstream.routes.describe()
    }

    /// Returns the recorder, to add to the recording or to look at its path.
    pub fn recorder(&self) -> &Recorder {
        &self.front.recorder
    }

    /// Serves until `shutdown` is done, or until nothing can be recorded although everything [must be](crate::record::OnFull::Stop), gives open connections the grace period to end, and seals the recording.
    ///
    /// # Cancellation
    ///
    /// Dropping the future cuts all connections and leaves the recording without its last line.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Sealed {
        self.run_until(shutdown, std::future::pending()).await
    }

    /// As [`run`](Self::run), and stops waiting for open connections once `now` is done. `now` is first polled when `shutdown` is done.
    ///
    /// # Cancellation
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(
        self,
        shutdown: impl Future<Output = ()>,
        now: impl Future<Output = ()>,
    ) -> Sealed {
        let Self { listener, front, draining, grace, .. } = self;
        let recorder = front.recorder.clone();
        let mut connections = JoinSet::new();
        tokio::select! {
            () = accept(&listener, &front, &mut connections) => {}
            () = shutdown => {}
            () = recorder.must_stop() => {}
        }
        drop(listener);
        draining.send_replace(true);
        let rest = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            _ = timeout(grace, rest) => {}
            () = now => {}
            () = recorder.must_stop() => {}
        }
        // Their tapes say in the recording that the proxy cut them.
        connections.shutdown().await;
        drop(front);
        recorder.seal().await
    }
}

/// Accepts for ever.
async fn accept(listener: &TcpListener, front: &Arc<Front>, connections: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => start(stream, front, connections),
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    sleep(PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("a connection was lost to a fault in this program: {error}");
                }
            }
        }
    }
}

fn start(stream: TcpStream, front: &Arc<Front>, connections: &mut JoinSet<()>) {
    // Messages are small and waited for.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!("cannot set TCP_NODELAY: {error}");
    }
    connections.spawn(front::serve(stream, Entrance::default(), Arc::clone(front)));
}
