//! The engine as a test holds it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use super::config::FakeEngineConfig;
use super::front::FrontServer;
use super::log::{Exchange, Log, LogEntry, Request, Upgrade};
use super::peer::{Cut, Outgoing, Peer};
use super::sessions::{Sessions, lock};
use super::socket::serve;

/// What all connections of one engine share.
pub(crate) struct Shared {
    pub(crate) config: Arc<FakeEngineConfig>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) log: Log,
    pub(crate) front: Option<FrontServer>,
    connections: AtomicU64,
}

impl Shared {
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// A QIX engine on a loopback port. It stops when it is dropped.
pub struct FakeEngine {
    shared: Arc<Shared>,
    addr: SocketAddr,
    accepting: JoinHandle<()>,
}

impl FakeEngine {
    /// Starts an engine on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// Whatever the operating system says about listening on the address.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn start(config: FakeEngineConfig) -> io::Result<Self> {
        let listener = TcpListener::bind(&config.listen).await?;
        let addr = listener.local_addr()?;
        let front = config.front.clone().map(|front| FrontServer::new(front, addr, config.tls.is_some()));
        let config = Arc::new(config);
        let shared = Arc::new(Shared {
            sessions: Arc::new(Sessions::new(config.clone())),
            log: Log::new(config.log_limit),
            config,
            front,
            connections: AtomicU64::new(0),
        });
        let accepting = tokio::spawn(accept(shared.clone(), listener));
        Ok(Self { shared, addr, accepting })
    }

    /// Returns where the engine listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the port the engine listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.addr.port()
    }

    /// Returns the base URL, e.g. `ws://127.0.0.1:4848`.
    #[must_use]
    pub fn base_url(&self) -> String {
        let scheme = if self.shared.config.tls.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.addr)
    }

    /// Returns the origin of its pages under `host`, e.g. `https://localhost:4848`.
    #[must_use]
    pub fn origin(&self, host: &str) -> String {
        let scheme = if self.shared.config.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{host}:{}", self.port())
    }

    /// Returns the URL of an app; `app` must be encoded already and may be followed by `/identity/…` and `/ttl/…`.
    #[must_use]
    pub fn url(&self, app: &str) -> String {
        format!("{}/app/{app}", self.base_url())
    }

    /// Sends a notification to every socket.
    #[expect(clippy::needless_pass_by_value, reason = "tests write the parameters in place")]
    pub fn push_notification(&self, method: &str, params: Value) {
        self.for_each_peer(|peer| peer.notify(method, &params));
    }

    /// Sends a text frame, well-formed or not, to every socket.
    pub fn push_raw(&self, text: &str) {
        self.for_each_peer(|peer| peer.send(text.to_owned()));
    }

    /// Closes every socket with a code and a reason of at most 123 bytes.
    pub fn close_all(&self, code: u16, reason: &str) {
        self.for_each_peer(|peer| peer.queue(Outgoing::Close(code, reason.to_owned())));
    }

    /// Cuts every connection without a close frame.
    pub fn abort_all(&self) {
        self.for_each_peer(|peer| peer.queue(Outgoing::Drop));
    }

    /// Returns the numbers of the connections that are open, as in the log.
    #[must_use]
    pub fn connections(&self) -> Vec<u64> {
        let sessions = self.shared.sessions.all();
        sessions.iter().flat_map(|session| lock(session).peers.keys().copied().collect::<Vec<_>>()).collect()
    }

    /// Ends one connection; false if it is not open.
    pub fn cut(&self, connection: u64, how: Cut) -> bool {
        let sessions = self.shared.sessions.all();
        sessions.iter().any(|session| {
            let mut session = lock(session);
            session.peer(connection).map(|peer| peer.queue(how.clone().into())).is_ok()
        })
    }

    /// Ends every connection, and returns how many.
    #[expect(clippy::needless_pass_by_value, reason = "tests write it in place")]
    pub fn cut_all(&self, how: Cut) -> usize {
        let mut count = 0;
        self.for_each_peer(|peer| {
            peer.queue(how.clone().into());
            count += 1;
        });
        count
    }

    fn for_each_peer(&self, mut work: impl FnMut(&mut Peer)) {
        for session in self.shared.sessions.all() {
            lock(&session).peers.values_mut().for_each(&mut work);
        }
    }

    /// Returns how many sockets are open.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.shared.sessions.all().iter().map(|session| lock(session).peers.len()).sum()
    }

    /// Returns how many sessions exist, with or without sockets.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.shared.sessions.all().len()
    }

    /// Returns the text frames so far, in the order in which the engine read and wrote them.
    #[must_use]
    pub fn log(&self) -> Vec<LogEntry> {
        self.shared.log.entries()
    }

    /// Returns the requests so far, in the order in which the engine read them.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.log().iter().filter_map(LogEntry::request).collect()
    }

    /// Returns how many requests of a method have come so far.
    #[must_use]
    pub fn count(&self, method: &str) -> usize {
        self.requests().iter().filter(|request| request.method == method).count()
    }

    /// Returns how many objects and variables exist that are not part of an app, over all sessions.
    #[must_use]
    pub fn session_objects(&self) -> usize {
        let count = |session: &super::sessions::SharedSession| {
            let session = lock(session);
            session
                .doc
                .as_ref()
                .map_or(0, |doc| doc.app.entities.values().filter(|entity| !entity.persisted).count())
        };
        self.shared.sessions.all().iter().map(count).sum()
    }

    /// Returns how many frames the log left out because it was full.
    #[must_use]
    pub fn log_overflow(&self) -> u64 {
        self.shared.log.dropped()
    }

    /// Returns the upgrades that were accepted, with their headers.
    #[must_use]
    pub fn upgrades(&self) -> Vec<Upgrade> {
        self.shared.log.upgrades()
    }

    /// Returns the requests that the front has answered, upgrades among them.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.log.exchanges()
    }

    /// Stops listening and cuts all connections.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops the engine all the same.
    pub async fn shutdown(mut self) {
        self.accepting.abort();
        // The listener is closed and all connections are cut once the task is gone.
        let _ = (&mut self.accepting).await;
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    // Aborts what it holds when the task ends.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => {
                    // Small answers must not wait for an acknowledgement.
                    let _ = tcp.set_nodelay(true);
                    connections.spawn(serve(shared.clone(), tcp));
                }
                // Out of file descriptors, for one: some connection has to end first.
                Err(_) => tokio::task::yield_now().await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}
