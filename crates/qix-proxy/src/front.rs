//! The client's side of a connection: its requests, the answers, and then the relay.

pub(crate) mod heads;
mod plain;
pub(crate) mod strict;
mod watched;

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request,
};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{
    body::{Body, Frame, Incoming, SizeHint},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use qix_transport::Stream;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use self::watched::{Verdict, Watched};
use crate::{
    body::{BodyError, Timed},
    entrance::Entrance,
    faults::{self, FaultMachine, FaultRules, Refused, Reset},
    origin::{Misuse, Origins},
    record::{Injected, Recorder, Tape, Upgrade},
    relay::{End, Relay},
    rewrite::{Mapping, for_client, names},
    upstream::{Answer, Link, Upstream, UpstreamError},
};

/// How much of the body of a refusal is recorded, in bytes.
const BODY_START: usize = 4 << 10;

/// What a tunnel is told, for there is nothing here that could lead elsewhere.
const NO_TUNNEL: &str = "this port leads to one engine, and is no proxy that could be asked for others\n";

const FOREIGN: &str = "this recorder logs in by itself, and pages of your origin may not use that; \
                       start it with --allow-origin and the origin of the page\n";

const FOREIGN_HOST: &str = "this recorder logs in by itself, and answers only to localhost, addresses and the hosts of \
                            --allow-origin, not to the name that was asked for\n";

pub(crate) type ResponseBody = UnsyncBoxBody<Bytes, BodyError>;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) upstream: Upstream,
    pub(crate) origins: Origins,
    pub(crate) recorder: Recorder,
    pub(crate) header_timeout: Duration,
    /// How much of each body of plain HTTP is recorded, in bytes.
    pub(crate) max_body: usize,
    /// The largest message that is recorded, and that a connection with faults may have, in bytes.
    pub(crate) max_message: usize,
    /// Faults that are made on purpose.
    pub(crate) faults: Option<FaultRules>,
    /// Becomes `true` when no new request is to be taken.
    pub(crate) draining: watch::Receiver<bool>,
}

/// What the requests of one connection have in common.
#[derive(Debug, Default)]
struct Visit {
    /// The upstream connection that answered the last request.
    link: Option<Link>,
    /// How many requests there were.
    requests: u64,
    /// What the relay needs, once the upstream has switched.
    switched: Option<Switched>,
}

#[derive(Debug)]
struct Switched {
    engine: Stream,
    first: Bytes,
    tape: Tape,
    /// What the rules for faults say of the connection, and what resets it.
    faults: Option<Box<(FaultMachine, Option<Arc<Reset>>)>>,
}

/// Serves one connection from its first byte to its last.
///
/// # Cancellation
///
/// Dropping the future cuts the connection on both sides; the recording says that the proxy did.
pub(crate) async fn serve<S>(stream: S, entrance: Entrance, front: Arc<Front>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    // Boxed, so that an open WebSocket does not carry the memory of its handshake around.
    let max_message = front.max_message;
    let Some((client, client_first, switched)) = Box::pin(handshake(stream, entrance, front)).await else {
        return;
    };
    let Switched { engine, first, mut tape, faults: faulty } = switched;
    let conn = tape.connection();
    let (client_first, first) = (own(client_first), own(first));
    let close = |tape: Tape, End { by, error }| {
        tracing::debug!("connection {conn} ended, by the {by}");
        tape.close(by, error);
    };
    let Some(faulty) = faulty else {
        let mut relay = Relay::new(client, engine);
        let end = relay.run((client_first, first), &mut tape).await;
        return close(tape, end);
    };
    let (machine, reset) = *faulty;
    let (client, engine) = ((client, client_first), (engine, first));
    // Boxed, so that connections without faults do not carry its memory around.
    let end = Box::pin(faults::relay::run(client, engine, machine, &mut tape, (reset, max_message))).await;
    close(tape, end);
}

/// Lets go of the buffer that a few bytes were read into.
fn own(bytes: Bytes) -> Bytes {
    Bytes::copy_from_slice(&bytes)
}

/// Answers requests until one of them makes a WebSocket of the connection; `None` if none does.
async fn handshake<S>(stream: S, entrance: Entrance, front: Arc<Front>) -> Option<(S, Bytes, Switched)>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let visit = Arc::new(Mutex::new(Visit::default()));
    let mut draining = front.draining.clone();
    let header_timeout = front.header_timeout;
    let single = entrance.single;
    let theirs = Arc::clone(&visit);
    let verdict = Verdict::default();
    let stream = Watched::new(stream, Arc::clone(&verdict));
    let entrance = Arc::new(entrance);
    let found = Arc::clone(&verdict);
    let service = service_fn(move |request| {
        let (front, visit, entrance) = (Arc::clone(&front), Arc::clone(&theirs), Arc::clone(&entrance));
        let verdict = Arc::clone(&verdict);
        // Boxed, because hyper hands the stream back only of services whose futures can be moved.
        Box::pin(async move {
            let number = next_number(&visit);
            let is_wrong = verdict.get().filter(|found| found.request <= number && !found.in_body);
            let answered = match is_wrong {
                Some(found) => ambiguous(found.what),
                None => answer(request, (&front, &visit, &entrance)).await,
            };
            Ok::<_, Infallible>(answered)
        })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .keep_alive(!single)
        .preserve_header_case(true)
        .title_case_headers(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service);
    let stopped = tokio::select! {
        ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => Some(ended),
        _ = draining.wait_for(|draining| *draining) => None,
    };
    let ended = match stopped {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    let is_in_order = match ended {
        Ok(()) => true,
        Err(error) if error.is_parse() => {
            let what = found.get().map(|found| format!("; the request {}", found.what)).unwrap_or_default();
            tracing::warn!(
                "something on this port spoke no HTTP ({error}{what}); only Qlik clients and browsers belong here"
            );
            true
        }
        // Over TLS, an answer that was cut must not look whole.
        Err(error) => {
            tracing::debug!("a connection was given up before it became a WebSocket: {error}");
            false
        }
    };
    let parts = connection.into_parts();
    let mut stream = parts.io.into_inner().into_inner();
    let switched = lock(&visit).switched.take().filter(|_| is_in_order);
    if switched.is_none() && is_in_order {
        // TLS has an end of its own, without which clients take what has no length for cut.
        let _ = timeout(header_timeout, stream.shutdown()).await;
    }
    Some((stream, parts.read_buf, switched?))
}

fn lock(visit: &Mutex<Visit>) -> std::sync::MutexGuard<'_, Visit> {
    visit.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the number of a request, from 0, and counts it.
fn next_number(visit: &Mutex<Visit>) -> u64 {
    let mut visit = lock(visit);
    visit.requests += 1;
    visit.requests - 1
}

async fn answer(
    request: Request<Incoming>,
    (front, visit, entrance): (&Front, &Mutex<Visit>, &Entrance),
) -> Response<ResponseBody> {
    let (request, body) = request.into_parts();
    if let Some(fault) = strict::fault(&request) {
        return ambiguous(fault);
    }
    if request.method == Method::CONNECT {
        return said(StatusCode::METHOD_NOT_ALLOWED, NO_TUNNEL);
    }
    let key = if is_upgrade(&request) { Some(client_key(&request, "")) } else { None };
    let key = match key.transpose() {
        Ok(key) => key,
        Err((status, sentence)) => return said(status, sentence),
    };
    // Its bytes would go on as frames.
    if key.is_some() && !body.is_end_stream() {
        return ambiguous("is an upgrade and has a body");
    }
    let only = entrance.upstream.as_deref();
    let misuse = match only {
        Some(route) => front.origins.misuse_of(&request.headers, &route.endpoint),
        None => front.origins.misuse(&request),
    };
    match misuse {
        Some(Misuse::Page) => {
            tracing::warn!(
                "refused a page whose origin may not use the credentials given here; see --allow-origin"
            );
            return said(StatusCode::FORBIDDEN, FOREIGN);
        }
        Some(Misuse::Host) => {
            tracing::warn!(
                "refused a request to a host name that may not use the credentials given here; see --allow-origin"
            );
            return said(StatusCode::FORBIDDEN, FOREIGN_HOST);
        }
        None => {}
    }
    let Some(route) = only.or_else(|| front.upstream.routes.find(path_and_query(&request))) else {
        tracing::warn!("refused a request whose path leads to no upstream; see --map and --upstream");
        let known = front.upstream.routes.prefixes();
        return said(
            StatusCode::NOT_FOUND,
            format!("this recorder knows no engine for this path, only for {known}\n"),
        );
    };
    front.recorder.ready().await;
    let Some(key) = key else {
        return plain::answer(request, body, route, (front, visit, entrance)).await;
    };
    if let Some(refused) = front.faults.as_ref().and_then(|faults| faults.upgrade(path_and_query(&request))) {
        return refused_on_purpose(&request, &refused, &front.recorder);
    }
    let mapping = Mapping::new(entrance.secure, request.headers.get(HOST), route, &front.upstream.routes);
    let link = lock(visit).link.take();
    let mut injected = Injected::default();
    match front.upstream.upgrade(route, &request, link, &mut injected).await {
        Ok(Answer::Switched { response, stream, first }) => {
            let upgrade = upgrade(&request, response.status(), response.headers(), &injected);
            let tape = front.recorder.open(&upgrade);
            let faults = front.faults.as_ref().map(|faults| {
                Box::new((faults.connection(path_and_query(&request)), entrance.reset.clone()))
            });
            lock(visit).switched = Some(Switched { engine: stream, first, tape, faults });
            let headers = for_client(response.headers(), &mapping);
            switching(response, headers, &key)
        }
        Ok(Answer::Refused { response, start, link }) => {
            lock(visit).link = Some(link);
            let (head, body) = response.into_parts();
            let body = Timed::new(start, body, front.upstream.http_timeout);
            let headers = for_client(&head.headers, &mapping);
            let response = Response::from_parts(head, body);
            mirrored(request, injected, (response, headers), front.recorder.clone())
        }
        Err(error) => unreachable_upstream(&request, &injected, &error, &front.recorder),
    }
}

/// Refuses an upgrade because a rule for faults says so, and records it as if the upstream had.
fn refused_on_purpose(
    request: &request::Parts,
    refused: &Refused,
    recorder: &Recorder,
) -> Response<ResponseBody> {
    let (status, headers) = refused.head();
    recorder.note(&*refused.note);
    let injected = Injected::default();
    recorder.refused(&upgrade(request, status, headers, &injected), refused.body(), None);
    refused.response()
}

/// Refuses a request that a server behind us could take for another than we do, and closes the connection.
fn ambiguous(what: &str) -> Response<ResponseBody> {
    tracing::warn!("refused a request that {what}");
    let sentence = format!(
        "this request {what}, so that two servers could read it in two ways; nothing was passed on\n"
    );
    let mut response = said(StatusCode::BAD_REQUEST, sentence);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn is_upgrade(request: &request::Parts) -> bool {
    request.method == Method::GET
        && names(&request.headers, CONNECTION, "upgrade")
        && names(&request.headers, UPGRADE, "websocket")
}

/// Returns the key of a WebSocket upgrade, or how to answer what is none; `other` is what to say to plain HTTP.
pub(crate) fn client_key(
    request: &request::Parts,
    other: &'static str,
) -> Result<HeaderValue, (StatusCode, &'static str)> {
    let headers = &request.headers;
    if !is_upgrade(request) {
        return Err((StatusCode::NOT_IMPLEMENTED, other));
    }
    if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err((StatusCode::UPGRADE_REQUIRED, "only version 13 of WebSocket is spoken here\n"));
    }
    let key = headers.get(SEC_WEBSOCKET_KEY).cloned();
    key.ok_or((StatusCode::BAD_REQUEST, "the upgrade has no Sec-WebSocket-Key\n"))
}

fn path_and_query(request: &request::Parts) -> &str {
    request.uri.path_and_query().map_or("/", |path| path.as_str())
}

fn upgrade<'a>(
    request: &'a request::Parts,
    status: StatusCode,
    response: &'a HeaderMap,
    injected: &'a Injected,
) -> Upgrade<'a> {
    Upgrade { url: path_and_query(request), status, request: &request.headers, response, injected }
}

/// Makes the client's 101 of the upstream's.
fn switching(upstream: Response<()>, headers: HeaderMap, key: &HeaderValue) -> Response<ResponseBody> {
    let (mut head, ()) = upstream.into_parts();
    head.headers = headers;
    head.headers.remove(CONTENT_LENGTH);
    accept(&mut head.headers, key);
    Response::from_parts(head, text(""))
}

/// Writes what makes an answer a 101 to the upgrade with this key.
pub(crate) fn accept(headers: &mut HeaderMap, key: &HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
        .expect("an accept key is base64, which any header can hold");
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
}

/// Passes an answer on that is no 101, and records it when its body has gone by.
fn mirrored(
    request: request::Parts,
    injected: Injected,
    (response, headers): (Response<Timed>, HeaderMap),
    recorder: Recorder,
) -> Response<ResponseBody> {
    let (mut head, body) = response.into_parts();
    tracing::warn!("the upstream answered an upgrade with {}", head.status);
    let original = std::mem::replace(&mut head.headers, headers);
    let refusal = Refusal { request, injected, status: head.status, headers: original, recorder };
    let body = Mirror { body, start: Vec::new(), refusal: Some(refusal) };
    Response::from_parts(head, body.boxed_unsync())
}

fn unreachable_upstream(
    request: &request::Parts,
    injected: &Injected,
    error: &UpstreamError,
    recorder: &Recorder,
) -> Response<ResponseBody> {
    let sentence = error.sentence();
    tracing::warn!("{sentence}");
    let headers = HeaderMap::new();
    let upgrade = upgrade(request, StatusCode::BAD_GATEWAY, &headers, injected);
    recorder.refused(&upgrade, b"", Some(&sentence));
    said(StatusCode::BAD_GATEWAY, sentence + "\n")
}

pub(crate) fn said(status: StatusCode, sentence: impl Into<Bytes>) -> Response<ResponseBody> {
    let mut response = Response::new(text(sentence));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if status == StatusCode::UPGRADE_REQUIRED {
        response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    response
}

pub(crate) fn text(text: impl Into<Bytes>) -> ResponseBody {
    Full::new(text.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The body of a refusal, which is passed on as it comes. Its beginning is kept for the recording.
struct Mirror {
    body: Timed,
    start: Vec<u8>,
    refusal: Option<Refusal>,
}

struct Refusal {
    request: request::Parts,
    injected: Injected,
    status: StatusCode,
    headers: HeaderMap,
    recorder: Recorder,
}

impl Body for Mirror {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            let room = BODY_START - self.start.len();
            self.start.extend_from_slice(&data[..data.len().min(room)]);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Mirror {
    /// Records the refusal, however far its body came.
    fn drop(&mut self) {
        if let Some(Refusal { request, injected, status, headers, recorder }) = self.refusal.take() {
            recorder.refused(&upgrade(&request, status, &headers, &injected), &self.start, None);
        }
    }
}
