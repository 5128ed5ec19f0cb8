//! The engine that is not there: serves tapes on a port.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Request, Response, StatusCode, Uri};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::mpsc, task::JoinSet};

use super::{
    Miss, PageMiss, ReplayHandle, ReplaySettings, ReplaySummary, Tapes, conversation::Conversation,
    pages::PageFront, path::SessionPath, sessions::Visitor, stage::Stage, wire,
};
use crate::faults::Reset;
use crate::front::{self, ResponseBody};
use crate::listen::{Came, FrontTls, FrontTlsError, Guard, Io, ListenError, ListenOn, Listening};

/// A server that answers from tapes, for any number of clients.
///
/// A new session plays the recorded session with the same path that was played least so far, in recorded order; if none has its
/// path, one whose path differs by identity and time to live only, then one with the same app, then any. Each further socket of
/// the session plays the next connection of the recorded one.
///
/// Plain HTTP on the same port is answered as it was recorded.
#[derive(Debug)]
pub struct ReplayServer {
    listening: Listening,
    guard: Option<Arc<Guard>>,
    pages: PageFront,
    stage: Arc<Stage>,
    misses: mpsc::UnboundedReceiver<Miss>,
}

impl ReplayServer {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What the system says if the address cannot be had.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing stays open.
    pub async fn bind(tapes: Tapes, address: SocketAddr) -> io::Result<Self> {
        Self::bind_all(tapes, &[ListenOn::Tcp(address)]).await.map_err(|error| error.source)
    }

    /// Listens on all of `places`, or on none of them.
    ///
    /// # Errors
    ///
    /// The first that cannot be had, and why.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing stays open.
    pub async fn bind_all(tapes: Tapes, places: &[ListenOn]) -> Result<Self, ListenError> {
        Self::bind_with(tapes, places, &ReplaySettings::default()).await
    }

    /// Listens on all of `places`, or on none of them, and behaves as `settings` say.
    ///
    /// # Errors
    ///
    /// The first that cannot be had, and why.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing stays open.
    pub async fn bind_with(
        tapes: Tapes,
        places: &[ListenOn],
        settings: &ReplaySettings,
    ) -> Result<Self, ListenError> {
        let listening = Listening::bind(places).await?;
        let (sender, misses) = mpsc::unbounded_channel();
        // An error means that the server is being stopped.
        let on_miss = move |miss| _ = sender.send(miss);
        let stage = Arc::new(Stage::new(Arc::new(tapes), settings, on_miss));
        Ok(Self { listening, guard: None, pages: PageFront::default(), stage, misses })
    }

    /// Speaks TLS with all clients but those of Unix sockets. Default: with none.
    ///
    /// # Errors
    ///
    /// [`FrontTlsError`] if no certificate can be made.
    pub fn front_tls(mut self, tls: &FrontTls) -> Result<Self, FrontTlsError> {
        self.guard = Some(Arc::new(tls.guard(&self.listening.places())?));
        Ok(self)
    }

    /// Lets pages of these origins, such as `https://intranet.example.com`, read the recording, and answers to their hosts' names.
    /// Default: pages of this machine, and those that come from here.
    #[must_use]
    pub fn allowed_origins(mut self, origins: Vec<String>) -> Self {
        self.pages.allow(origins);
        self
    }

    /// Has `on_miss` told of each request of plain HTTP that is not in the recording, at once.
    #[must_use]
    pub fn on_page_miss(mut self, on_miss: impl Fn(PageMiss) + Send + Sync + 'static) -> Self {
        self.pages.tell(Box::new(on_miss));
        self
    }

    /// Returns the SHA-256 of the certificate that clients are shown, if nobody vouches for it.
    pub fn fingerprint(&self) -> Option<&str> {
        self.guard.as_ref()?.fingerprint.as_deref()
    }

    /// Returns what ends live sockets while the server runs.
    pub fn handle(&self) -> ReplayHandle {
        ReplayHandle(self.stage.clone())
    }

    /// Returns the first address it listens on.
    ///
    /// # Errors
    ///
    /// It listens on Unix sockets only.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let places = self.local_addrs();
        places.iter().find_map(ListenOn::tcp).ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
    }

    /// Returns what it answers from, to be asked at the end what nobody wanted of it.
    pub fn tapes(&self) -> Arc<Tapes> {
        self.stage.matcher.tapes().clone()
    }

    /// Returns all it listens on.
    pub fn local_addrs(&self) -> Vec<ListenOn> {
        self.listening.places()
    }

    /// Serves until `shutdown` is done, and returns what was done. `on_miss` is told of each request that is not in the
    /// recording, at once.
    ///
    /// # Cancellation
    ///
    /// Dropping the future breaks all connections.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
        mut on_miss: impl FnMut(Miss),
    ) -> ReplaySummary {
        let mut connections = JoinSet::new();
        let pages = Arc::new(self.pages);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                came = self.listening.accept() => match came {
                    Came::Tcp(stream, _) => match (&self.guard, self.stage.reset(&stream)) {
                        (None, reset) => {
                            connections.spawn(serve(stream, (false, reset), pages.clone(), self.stage.clone()));
                        }
                        (Some(guard), reset) => {
                            let (guard, pages, stage) = (guard.clone(), pages.clone(), self.stage.clone());
                            connections.spawn(async move {
                                if let Some(stream) = guard.enter(stream, HEAD_TIMEOUT).await {
                                    serve(stream, (true, reset), pages, stage).await;
                                }
                            });
                        }
                    },
                    #[cfg(unix)]
                    Came::Unix(stream) => {
                        let (pages, stage) = (pages.clone(), self.stage.clone());
                        connections.spawn(serve(stream, (false, None), pages, stage));
                    }
                },
                Some(miss) = self.misses.recv() => on_miss(miss),
                Some(_) = connections.join_next() => {}
            }
        }
        connections.shutdown().await;
        while let Ok(miss) = self.misses.try_recv() {
            on_miss(miss);
        }
        let summary = self.stage.summary();
        let (exchanges, missed) = pages.counts();
        ReplaySummary { exchanges, missed: summary.missed + missed, ..summary }
    }
}

/// How long a client may take for the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A client whose upgrade was answered: who it is, and its stream once hyper lets go of it.
type Upgrading = Arc<Mutex<Option<(Visitor, OnUpgrade)>>>;

/// Serves one connection from its first byte to its last.
async fn serve(
    stream: impl Io + 'static,
    (secure, reset): (bool, Option<Reset>),
    pages: Arc<PageFront>,
    stage: Arc<Stage>,
) {
    let upgrading = Upgrading::default();
    let service = hyper::service::service_fn(|request| {
        let (pages, stage, upgrading) = (&pages, &stage, &upgrading);
        async move {
            let answered = pages.answer(request, secure, stage.matcher.tapes()).await;
            Ok::<_, Infallible>(answered.unwrap_or_else(|request| upgrade(request, upgrading, stage)))
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    match served {
        Ok(()) => {}
        // Browsers keep connections, and open some, for requests that never come.
        Err(error) if error.is_timeout() => tracing::debug!("a client asked for nothing more: {error}"),
        Err(error) => tracing::warn!(
            "something on this port spoke no HTTP ({error}); only Qlik clients and browsers belong here"
        ),
    }
    let upgraded = upgrading.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((visitor, upgraded)) = upgraded else { return };
    match upgraded.await {
        Ok(upgraded) => {
            let conversation = Conversation::open(stage, &visitor);
            wire::converse(TokioIo::new(upgraded), b"", conversation, reset).await;
        }
        Err(error) => tracing::debug!(%error, "a client left before its upgrade was done"),
    }
}

fn upgrade(request: Request<Incoming>, upgrading: &Upgrading, stage: &Stage) -> Response<ResponseBody> {
    let (head, body) = request.into_parts();
    let key = match front::client_key(&head, "") {
        Ok(key) => key,
        Err((status, sentence)) => return front::said(status, sentence),
    };
    let visitor = visitor(&head.uri, &head.headers);
    if let Some(refused) = stage.settings.faults.as_ref().and_then(|faults| faults.upgrade(&visitor.target)) {
        return refused.response();
    }
    let upgraded = hyper::upgrade::on(Request::from_parts(head, body));
    *upgrading.lock().unwrap_or_else(PoisonError::into_inner) = Some((visitor, upgraded));
    let mut response = Response::new(front::text(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    front::accept(response.headers_mut(), &key);
    response
}

fn visitor(uri: &Uri, headers: &HeaderMap) -> Visitor {
    let header = |name| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
    let target = uri.path_and_query().map_or("/", |target| target.as_str()).into();
    Visitor {
        path: SessionPath::parse(uri.path()),
        target,
        session: header("x-qlik-session"),
        user: header("x-qlik-user"),
    }
}
