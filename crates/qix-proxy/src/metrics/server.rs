//! Serves the metrics on a port of their own.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{Counts, text};
use crate::{live::Feed, rebinding, record::Recorder};

/// How many may ask at a time.
const CONNECTIONS: usize = 32;
/// How long a request may take to arrive, and how long a connection may stay without one.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one connection may last.
const LONGEST: Duration = Duration::from_secs(600);
/// How long to wait before accepting again when the system has no more sockets to give.
const PAUSE: Duration = Duration::from_millis(100);
/// The largest head of a request, in bytes.
const HEAD: usize = 16 << 10;

/// Where the numbers come from.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    /// What was counted on the way.
    pub(crate) feed: Arc<Feed>,
    /// What was counted of calls.
    pub(crate) counts: Arc<Counts>,
    /// The recorder, for its queue.
    pub(crate) recorder: Recorder,
}

/// A port that answers `GET /metrics`.
#[derive(Debug)]
pub(crate) struct MetricsServer {
    listener: TcpListener,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// What the system says if the address cannot be had.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            tracing::warn!(
                "METRICS ON {address}: every machine that can reach this one can read them, methods of calls and codes of errors among \
                 them"
            );
        }
        Ok(Self { listener, address })
    }

    /// Returns the address it listens on.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Serves for ever.
    ///
    /// # Cancellation
    ///
    /// Dropping the future stops listening; requests that have come are answered.
    pub(crate) async fn run(self, sources: Sources) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            // Who comes when all places are taken waits in the system's queue.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let (sources, address) = (sources.clone(), self.address);
                    tokio::spawn(async move {
                        let _ = timeout(LONGEST, serve(stream, address, sources)).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("cannot accept a connection for metrics: {error}");
                    sleep(PAUSE).await;
                }
            }
        }
    }
}

async fn serve(stream: TcpStream, address: SocketAddr, sources: Sources) {
    let service = service_fn(move |request| {
        let answer = answer(&request, address, &sources);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!("a connection for metrics ended: {error}");
    }
}

fn answer(request: &Request<Incoming>, address: SocketAddr, sources: &Sources) -> Response<Full<Bytes>> {
    if let Err((status, sentence)) = rebinding::check(request.uri(), request.headers(), address.ip()) {
        tracing::warn!("refused to show metrics: {}", sentence.trim_end());
        return said(status, sentence);
    }
    if request.method() != Method::GET {
        let mut response = said(StatusCode::METHOD_NOT_ALLOWED, "metrics can only be read, with GET\n");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return response;
    }
    match request.uri().path() {
        "/metrics" => {
            let mut response = said(StatusCode::OK, text::write(sources));
            let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        "/" => said(StatusCode::OK, "the metrics of qix-proxy are at /metrics\n"),
        _ => said(StatusCode::NOT_FOUND, "there is nothing here but /metrics\n"),
    }
}

fn said(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
