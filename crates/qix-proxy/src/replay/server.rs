//! The engine that is not there: serves tapes on a port.

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use http::{Request, Response, StatusCode, Uri};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    LiveSession, Miss, OnMiss, Outgoing, Player, ReplayMatcher, ReplaySettings, Tapes, player::ElsewherePush,
    upstream::Answered,
};
use crate::front::{self, ResponseBody};
use crate::listen::{Came, Io, ListenError, ListenOn, Listening};

/// A server that answers from tapes, for any number of clients.
///
/// A live connection plays the recorded connection with the same path that was played least so far, in recorded order; if
/// none has its path, the first that was played least.
#[derive(Debug)]
pub struct ReplayServer {
    listening: Listening,
    shared: Arc<Shared>,
    misses: mpsc::UnboundedReceiver<Miss>,
}

/// What a replay has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ReplaySummary {
    /// Clients that connected.
    pub connections: u64,
    /// Requests answered from the recording.
    pub answered: u64,
    /// Requests that are not in the recording and got an error.
    pub missed: u64,
    /// Requests that are not in the recording and that an upstream has answered.
    pub upstream: u64,
}

#[derive(Debug)]
struct Shared {
    matcher: ReplayMatcher,
    on_miss: OnMiss,
    state: Mutex<State>,
    misses: mpsc::UnboundedSender<Miss>,
}

#[derive(Debug)]
struct State {
    summary: ReplaySummary,
    /// How often each tape was played.
    played: Vec<u64>,
    /// Who plays a tape for the how manieth time, so that pushes of other connections find their way: clients that play the
    /// same number of times belong together.
    playing: HashMap<(usize, u64), mpsc::UnboundedSender<ElsewherePush>>,
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
        let (miss_sender, misses) = mpsc::unbounded_channel();
        let state = State {
            summary: ReplaySummary::default(),
            played: vec![0; tapes.connections()],
            playing: HashMap::new(),
        };
        let shared = Shared {
            matcher: ReplayMatcher::new(Arc::new(tapes), settings),
            on_miss: settings.on_miss.clone(),
            state: Mutex::new(state),
            misses: miss_sender,
        };
        Ok(Self { listening, shared: Arc::new(shared), misses })
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

    /// Returns all it listens on.
    pub fn local_addrs(&self) -> Vec<ListenOn> {
        self.listening.places()
    }

    /// Returns what it answers from, to be asked at the end what nobody wanted of it.
    pub fn tapes(&self) -> Arc<Tapes> {
        self.shared.matcher.tapes().clone()
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
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                came = self.listening.accept() => match came {
                    Came::Tcp(stream, _) => {
                        connections.spawn(serve(stream, self.shared.clone()));
                    }
                    #[cfg(unix)]
                    Came::Unix(stream) => {
                        connections.spawn(serve(stream, self.shared.clone()));
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
        self.shared.state().summary
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Only counters and a map are under this lock; none is ever half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses the tape for a new connection.
    fn choose(&self, path: &str) -> (usize, u64, mpsc::UnboundedReceiver<ElsewherePush>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let tapes = self.matcher.tapes();
        let mut state = self.state();
        let rank = |at: &usize| {
            let tape = &tapes.tapes[*at];
            // What an upstream has added is looked up, and played by nobody who could play what a client has recorded.
            (tape.path != path, tape.added, state.played[*at], *at)
        };
        let tape = (0..tapes.tapes.len()).min_by_key(rank).unwrap_or_default();
        state.played[tape] += 1;
        let round = state.played[tape];
        state.summary.connections += 1;
        state.playing.insert((tape, round), sender);
        (tape, round, receiver)
    }
}

/// How long a client may take for the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// A client whose upgrade was answered: what it asked for, and its stream once hyper lets go of it.
type Upgrading = Arc<Mutex<Option<(Uri, OnUpgrade)>>>;

/// Serves one connection from its first byte to its last.
async fn serve(stream: impl Io + 'static, shared: Arc<Shared>) {
    let upgrading = Upgrading::default();
    let service = hyper::service::service_fn(|request| {
        let answer = upgrade(request, &upgrading);
        async { Ok::<_, Infallible>(answer) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::warn!("something on this port spoke no HTTP ({error}); only Qlik clients belong here");
    }
    let upgraded = upgrading.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some((uri, upgraded)) = upgraded else { return };
    match upgraded.await {
        Ok(upgraded) => play(TokioIo::new(upgraded), &uri, &shared).await,
        Err(error) => tracing::debug!(%error, "a client left before its upgrade was done"),
    }
}

/// What plain HTTP is told.
const OTHER: &str = "this port replays recorded WebSocket traffic: connect a Qlik client to it\n";

fn upgrade(request: Request<Incoming>, upgrading: &Upgrading) -> Response<ResponseBody> {
    let (head, body) = request.into_parts();
    let key = match front::client_key(&head, OTHER) {
        Ok(key) => key,
        Err((status, sentence)) => return front::said(status, sentence),
    };
    let uri = head.uri.clone();
    let upgraded = hyper::upgrade::on(Request::from_parts(head, body));
    *upgrading.lock().unwrap_or_else(PoisonError::into_inner) = Some((uri, upgraded));
    let mut response = Response::new(front::text(""));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    front::accept(response.headers_mut(), &key);
    response
}

type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

async fn play(stream: TokioIo<hyper::upgrade::Upgraded>, uri: &Uri, shared: &Shared) {
    let limit = Some(256 << 20);
    let config =
        WebSocketConfig::default().read_buffer_size(8 << 10).max_message_size(limit).max_frame_size(limit);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let (tape, round, mut pushes) = shared.choose(uri.path());
    let session = Arc::<LiveSession>::default();
    let (back, mut answers) = mpsc::unbounded_channel();
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let shared = &Round { shared, round, session: session.clone(), path, back };
    let mut player = Player::new(shared.matcher.clone(), session, tape).on_miss(shared.on_miss.clone());
    let opening = player.open();
    // An error means that the client is gone, and with it all that is left to do.
    let _ = converse(&mut socket, &mut player, (&mut pushes, &mut answers), opening, shared).await;
    shared.state().playing.remove(&(tape, round));
}

/// What a conversation shares with those that play the other tapes of its session beside it.
struct Round<'a> {
    shared: &'a Shared,
    round: u64,
    session: Arc<LiveSession>,
    /// Path and query that the client asked for.
    path: String,
    /// Where the answers of an upstream go.
    back: mpsc::UnboundedSender<Answered>,
}

impl std::ops::Deref for Round<'_> {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        self.shared
    }
}

/// Why a conversation ended.
struct Over;

impl From<tokio_tungstenite::tungstenite::Error> for Over {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        tracing::debug!(%error, "a client left");
        Self
    }
}

async fn converse(
    socket: &mut Socket,
    player: &mut Player,
    (pushes, answers): (&mut mpsc::UnboundedReceiver<ElsewherePush>, &mut mpsc::UnboundedReceiver<Answered>),
    opening: Vec<Outgoing>,
    shared: &Round<'_>,
) -> Result<(), Over> {
    perform(socket, opening, shared).await?;
    socket.flush().await?;
    loop {
        tokio::select! {
            message = socket.next() => {
                let mut message = message;
                // All that has come is answered before the answers are flushed.
                loop {
                    let outgoing = match message.ok_or(Over)?? {
                        Message::Text(text) => player.handle_text(text.as_bytes()),
                        Message::Binary(bytes) => player.handle_text(&bytes),
                        _ => Vec::new(),
                    };
                    perform(socket, outgoing, shared).await?;
                    match socket.next().now_or_never() {
                        Some(next) => message = next,
                        None => break,
                    }
                }
            }
            Some(push) = pushes.recv() => {
                let outgoing = player.hear(push);
                perform(socket, outgoing, shared).await?;
            }
            Some((ask, told)) = answers.recv() => {
                let outgoing = player.told(ask, told);
                perform(socket, outgoing, shared).await?;
            }
        }
        socket.flush().await?;
    }
}

async fn perform(socket: &mut Socket, outgoing: Vec<Outgoing>, shared: &Round<'_>) -> Result<(), Over> {
    let missed = outgoing.iter().any(|outgoing| matches!(outgoing, Outgoing::Missed(_)));
    for outgoing in outgoing {
        match outgoing {
            Outgoing::Text(text) => {
                if !missed && text.starts_with(br#"{"jsonrpc":"2.0","id":"#) {
                    shared.state().summary.answered += 1;
                }
                // Recorded text was UTF-8 when the client's library took it, or is not sent as text.
                match text.clone().try_into() {
                    Ok(text) => socket.feed(Message::Text(text)).await?,
                    Err(_) => socket.feed(Message::Binary(text)).await?,
                }
            }
            Outgoing::Binary(bytes) => socket.feed(Message::Binary(bytes)).await?,
            Outgoing::Close(code, reason) => {
                let frame =
                    code.map(|code| CloseFrame { code: CloseCode::from(code), reason: reason.into() });
                socket.close(frame).await?;
                // The client's own goodbye, for no longer than a client may take for anything.
                let _ = tokio::time::timeout(HEAD_TIMEOUT, async { while socket.next().await.is_some() {} })
                    .await;
                return Err(Over);
            }
            Outgoing::Drop => return Err(Over),
            Outgoing::Elsewhere(push) => {
                if let Some(player) = shared.state().playing.get(&(push.tape(), shared.round)) {
                    // An error means that the other connection has ended.
                    let _ = player.send(push);
                }
            }
            Outgoing::Missed(miss) => {
                {
                    let summary = &mut shared.state().summary;
                    match &miss.upstream {
                        Some(Ok(())) => summary.upstream += 1,
                        _ => summary.missed += 1,
                    }
                }
                // An error means that the server is being stopped.
                let _ = shared.misses.send(miss);
            }
            Outgoing::Ask(ask) => {
                if let OnMiss::Upstream(upstream) = &shared.on_miss {
                    let link = shared.session.link(|journal| upstream.link(&shared.path, journal));
                    link.ask(ask, shared.back.clone());
                }
            }
            Outgoing::Unanswered(key) => {
                tracing::warn!(%key, "recorded without an answer, and not answered now")
            }
        }
    }
    Ok(())
}
