//! The port that the page comes from.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::sleep,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::view::page;

use super::{Details, Exploring, Gate, Journal, files, gate::response, socket};

/// How many connections there are at a time; a browser takes six, and one for the socket.
const CONNECTIONS: usize = 64;
/// How long a request may take to arrive, and how long a connection may stay without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before accepting again when the system has no more sockets to give.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes.
const HEAD: usize = 16 << 10;
/// What the page opens its socket at.
const SOCKET: &str = "live";

/// What is shown.
#[derive(Debug)]
pub(crate) struct Shown {
    /// The name of the recording.
    pub(crate) name: String,
    /// Whether it is being written.
    pub(crate) is_live: bool,
    /// When it began, in RFC 3339, and what wrote it of which upstream; empty as long as that is not known.
    pub(crate) head: Head,
    /// The batches.
    pub(crate) journal: Arc<Journal>,
    /// What was said in calls.
    pub(crate) details: Arc<Details>,
    /// The engine that calls can be made at.
    pub(crate) exploring: Option<Arc<Exploring>>,
}

/// What the header of a recording says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    /// When it began, in RFC 3339.
    pub(crate) started: String,
    /// What wrote it.
    pub(crate) tool: String,
    /// The engine.
    pub(crate) upstream: String,
}

impl Shown {
    /// Returns the first thing that a page hears.
    pub(super) fn meta(&self) -> Value {
        let Head { started, tool, upstream } = &self.head;
        json!({
            "is": "meta",
            "meta": {
                "name": self.name, "started": started, "tool": tool, "upstream": upstream, "live": self.is_live,
                "rules": page::explained(),
            },
            "explorer": self.exploring.as_ref().map(|exploring| exploring.meta()),
        })
    }
}

/// Why nothing can be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InspectError {
    /// Who can reach the port sees the recording, and may make calls.
    #[error("{0} can be reached by other machines; give an address of this one alone, such as 127.0.0.1:0")]
    NotLoopback(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, io::Error),
    /// No token can be drawn.
    #[error("the system gives no random numbers")]
    Random,
}

/// A port that serves the page.
#[derive(Debug)]
pub(crate) struct InspectServer {
    listener: TcpListener,
    gate: Gate,
}

impl InspectServer {
    /// Listens on an address of this machine; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// [`InspectError`] if other machines could reach the address, or it cannot be had.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self, InspectError> {
        if !address.ip().is_loopback() {
            return Err(InspectError::NotLoopback(address));
        }
        let failed = |error| InspectError::Listen(address, error);
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let gate = Gate::new(listener.local_addr().map_err(failed)?).ok_or(InspectError::Random)?;
        Ok(Self { listener, gate })
    }

    /// Returns the address to open in a browser, token included.
    pub(crate) fn url(&self) -> String {
        self.gate.url()
    }

    /// Serves for ever.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops listening; pages that are open stay so until the runtime ends.
    pub(crate) async fn run(self, shown: Arc<Shown>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Who comes when all places are taken waits in the system's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (shown, gate) = (Arc::clone(&shown), self.gate.clone());
                    tokio::spawn(async move {
                        serve(stream, gate, shown).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection for the page: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, gate: Gate, shown: Arc<Shown>) {
    let _ = stream.set_nodelay(true);
    // The socket of the page counts as its connection: a place stays taken as long as it is open.
    let (upgraded, done) = tokio::sync::oneshot::channel::<()>();
    let upgraded = std::sync::Mutex::new(Some(upgraded));
    let service = service_fn(|mut request| {
        let answer = answer(&mut request, &gate);
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some(tell) = upgraded.lock().ok().and_then(|mut upgraded| upgraded.take())
        {
            let (shown, upgrade) = (Arc::clone(&shown), hyper::upgrade::on(&mut request));
            tokio::spawn(async move {
                match upgrade.await {
                    Ok(upgraded) => socket::serve(TokioIo::new(upgraded), shown).await,
                    Err(error) => tracing::debug!("the socket of a page did not come about: {error}"),
                }
                drop(tell);
            });
        }
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    if let Err(error) = connection.await {
        tracing::debug!("a connection for the page ended: {error}");
    }
    // Nobody says anything: it ends when the socket does, or at once if there is none.
    drop(upgraded);
    let _ = done.await;
}

fn answer(request: &mut Request<Incoming>, gate: &Gate) -> Response<Full<Bytes>> {
    let refused = |(status, sentence): (StatusCode, &'static str)| {
        tracing::warn!("refused to show the recording: {}", sentence.trim_end());
        said(status, sentence)
    };
    let path = match gate.check(request) {
        Ok(path) => path.to_owned(),
        Err(refusal) => return refused(refusal),
    };
    if path == SOCKET {
        return match gate.check_origin(request.headers()) {
            Ok(()) => upgrade(request),
            Err(refusal) => refused(refusal),
        };
    }
    if request.method() != Method::GET {
        let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "this can only be read, with GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match files::file(&path) {
        Some((kind, body)) => response(StatusCode::OK, kind, Full::new(body)),
        None => said(StatusCode::NOT_FOUND, "there is no such file\n"),
    }
}

fn upgrade(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let headers = request.headers();
    let is = |name, value: &[u8]| {
        headers.get(name).is_some_and(|header: &HeaderValue| header.as_bytes().eq_ignore_ascii_case(value))
    };
    let key = headers.get(SEC_WEBSOCKET_KEY).filter(|_| {
        request.method() == Method::GET && is(UPGRADE, b"websocket") && is(SEC_WEBSOCKET_VERSION, b"13")
    });
    let accept = key.and_then(|key| HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok());
    let Some(accept) = accept else {
        return said(StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n");
    };
    let mut response =
        response(StatusCode::SWITCHING_PROTOCOLS, "text/plain; charset=utf-8", Full::default());
    let headers = response.headers_mut();
    headers.remove(http::header::CONTENT_TYPE);
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    response
}

fn said(status: StatusCode, sentence: &'static str) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", Full::new(Bytes::from_static(sentence.as_bytes())))
}
