//! The proxy as a whole: listening, draining, stopping.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use tokio::{net::TcpStream, sync::watch, task::JoinSet, time::timeout};

use crate::{
    config::{ConfigError, ProxyBuilder},
    entrance::Entrance,
    faults::Reset,
    forward::{self, Forward},
    front::{self, Front},
    listen::{AnyStream, Came, FrontTlsError, Guard, ListenError, ListenOn, Listening},
    record::{Recorder, RecorderConfig, RecorderError, Sealed},
};

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
    listening: Listening,
    places: Vec<ListenOn>,
    door: Door,
    draining: watch::Sender<bool>,
    grace: Duration,
}

/// What a client comes through.
#[derive(Clone, Debug)]
struct Door {
    guard: Option<Arc<Guard>>,
    forward: Option<Arc<Forward>>,
    front: Arc<Front>,
}

/// Why a proxy cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The settings do not hold together.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Something cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// TLS cannot be spoken with clients.
    #[error(transparent)]
    FrontTls(#[from] FrontTlsError),
    /// The recording cannot be made.
    #[error(transparent)]
    Recorder(#[from] RecorderError),
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
        let listening = Listening::bind(&config.places()).await?;
        let places = listening.places();
        let guard = config.front_tls.as_ref().map(|tls| tls.guard(&places)).transpose()?.map(Arc::new);
        for address in places.iter().filter_map(ListenOn::tcp).filter(|address| !address.ip().is_loopback()) {
            let what = match config.forward {
                None => {
                    "can use the engine through it, with the credentials given here, and everything is recorded"
                }
                Some(_) => {
                    "can use it as its proxy, and what it says to intercepted hosts goes on with the credentials given here and is \
                     recorded"
                }
            };
            tracing::warn!("LISTENING ON {address}: every machine that can reach this one {what}");
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
            max_message: config.max_message,
            faults: config.faults.clone(),
            draining: receiver,
        });
        let own = places.iter().filter_map(ListenOn::tcp).collect();
        let forward =
            config.forward.as_ref().map(|forward| Arc::new(forward.ready(own, config.proxies.clone())));
        let door = Door { guard, forward, front };
        Ok(Self { listening, places, door, draining, grace: config.grace })
    }

    /// Returns the first address that clients connect to; if there are Unix sockets only, one that nobody can connect to (`0.0.0.0:0`).
    pub fn local_addr(&self) -> SocketAddr {
        let first = self.places.iter().find_map(ListenOn::tcp);
        first.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))
    }

    /// Returns all that clients connect to, in the order in which it was given.
    pub fn local_addrs(&self) -> &[ListenOn] {
        &self.places
    }

    /// Returns the SHA-256 of the certificate that clients are shown, if nobody vouches for it.
    pub fn fingerprint(&self) -> Option<&str> {
        self.door.guard.as_ref()?.fingerprint.as_deref()
    }

    /// Returns the upstream's URL, without secrets, and after it those of the maps as `/path=URL`; of a forward proxy, the hosts that it
    /// intercepts.
    pub fn upstream(&self) -> String {
        self.door.front.upstream.routes.describe()
    }

    /// Returns the recorder, to add to the recording or to look at its path.
    pub fn recorder(&self) -> &Recorder {
        &self.door.front.recorder
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
        let Self { mut listening, door, draining, grace, .. } = self;
        let recorder = door.front.recorder.clone();
        let mut connections = JoinSet::new();
        tokio::select! {
            () = accept(&mut listening, &door, &mut connections) => {}
            () = shutdown => {}
            () = recorder.must_stop() => {}
        }
        drop(listening);
        draining.send_replace(true);
        let rest = async { while connections.join_next().await.is_some() {} };
        tokio::select! {
            _ = timeout(grace, rest) => {}
            () = now => {}
            () = recorder.must_stop() => {}
        }
        // Their tapes say in the recording that the proxy cut them.
        connections.shutdown().await;
        drop(door);
        recorder.seal().await
    }
}

/// Accepts for ever.
async fn accept(listening: &mut Listening, door: &Door, connections: &mut JoinSet<()>) {
    loop {
        tokio::select! {
            came = listening.accept() => door.open(came, connections),
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!("a connection was lost to a fault in this program: {error}");
                }
            }
        }
    }
}

impl Door {
    /// Returns what resets the connection of a client, if faults are made.
    fn reset(&self, stream: &TcpStream) -> Option<Arc<Reset>> {
        self.front.faults.as_ref().and_then(|_| Reset::of(stream)).map(Arc::new)
    }

    /// Lets a client in, who is served from then on.
    fn open(&self, came: Came, connections: &mut JoinSet<()>) {
        match came {
            Came::Tcp(stream, _) if self.guard.is_none() && self.forward.is_none() => {
                let entrance = Entrance { reset: self.reset(&stream), ..Entrance::default() };
                connections.spawn(front::serve(stream, entrance, Arc::clone(&self.front)));
            }
            Came::Tcp(stream, from) => {
                let door = self.clone();
                let reset = self.reset(&stream);
                connections.spawn(async move {
                    let (secure, limit) = (door.guard.is_some(), door.front.header_timeout);
                    let mut draining = door.front.draining.clone();
                    let stream = match &door.guard {
                        Some(guard) => tokio::select! {
                            // Boxed, so that an open connection does not carry the memory of its handshake around.
                            entered = Box::pin(guard.enter(stream, limit)) => entered,
                            _ = draining.wait_for(|draining| *draining) => None,
                        },
                        None => Some(Box::new(stream) as AnyStream),
                    };
                    let Some(stream) = stream else { return };
                    door.serve(stream, Entrance { secure, reset, ..Entrance::default() }, Some(from)).await;
                });
            }
            #[cfg(unix)]
            Came::Unix(stream) => {
                connections.spawn(self.clone().serve(Box::new(stream), Entrance::default(), None));
            }
        }
    }

    async fn serve(self, stream: AnyStream, entrance: Entrance, from: Option<SocketAddr>) {
        let Self { forward, front, .. } = self;
        match forward {
            Some(forward) => forward::serve(stream, (from, entrance.reset), forward, front).await,
            None => front::serve(stream, entrance, front).await,
        }
    }
}
