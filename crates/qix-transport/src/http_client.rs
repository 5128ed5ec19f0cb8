//! Small HTTP requests beside the socket: tokens, tickets, sessions.

use std::{pin::pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use crate::{
    AuthError, ConnectError, Dialer, Endpoint, Refusal, Stage, dial::Deadline, hint::find_tls_error,
    progress::Watch, ws_connect::AGENT,
};

/// The most that the head of an answer may take, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// The most that the body of an answer may take, in bytes; tokens and tickets are a few kilobytes at most.
const MAX_BODY: usize = 256 << 10;

/// One attempt to connect: where to, and the means to ask other servers before it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    endpoint: &'a Endpoint,
    dialer: &'a Dialer,
    deadline: Deadline,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(endpoint: &'a Endpoint, dialer: &'a Dialer, deadline: Deadline) -> Self {
        Self { endpoint, dialer, deadline }
    }

    /// Returns where the connector is about to connect to.
    pub fn endpoint(&self) -> &'a Endpoint {
        self.endpoint
    }

    /// Returns the same attempt with another dialer for its requests, for a server that wants other TLS settings than the engine.
    #[must_use]
    pub fn through<'b>(&self, dialer: &'b Dialer) -> Attempt<'b>
    where
        'a: 'b,
    {
        Attempt { dialer, ..*self }
    }

    /// Sends an HTTP request on a connection of its own and reads the answer, within the deadline for connecting.
    ///
    /// Path and query are those of `to`, whatever the request says; `service` names the server in errors. Redirects are not
    /// followed but returned. `Host` and `User-Agent` are written here, the latter unless it is there.
    ///
    /// # Errors
    ///
    /// [`AuthError::Connect`], [`AuthError::Http`], or [`AuthError::Answer`] for a body above 256 KiB.
    pub async fn send(
        &self,
        service: &'static str,
        to: &Endpoint,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, AuthError> {
        let connect = |error| AuthError::Connect { service, source: Arc::new(error) };
        let stream = self.dialer.dial_by(to, self.deadline, Watch::default()).await.map_err(connect)?;
        let exchange = exchange(TokioIo::new(stream), self.prepare(to, request));
        let answer = self.deadline.bound(to, Stage::Auth, exchange).await.map_err(connect)?;
        match answer {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(AuthError::Answer { service, peer: to.peer(), fault: "is larger than 256 KiB" }),
            // With TLS 1.3 the refusal of a client's certificate comes only after the handshake.
            Err(error) if find_tls_error(&error).is_some() => {
                Err(connect(ConnectError::Tls { peer: to.peer(), source: error.into() }))
            }
            Err(error) => Err(AuthError::Http { service, peer: to.peer(), source: Arc::new(error) }),
        }
    }

    /// Sends a request and takes only an answer with one of the statuses 200 to 299.
    pub(crate) async fn ask(
        &self,
        service: &'static str,
        to: &Endpoint,
        request: Request<Bytes>,
    ) -> Result<Response<Bytes>, AuthError> {
        let answer = self.send(service, to, request).await?;
        if answer.status().is_success() { Ok(answer) } else { Err(refused(service, to, answer)) }
    }

    fn prepare(&self, to: &Endpoint, request: Request<Bytes>) -> Request<Full<Bytes>> {
        let mut request = request.map(Full::new);
        *request.uri_mut() = to.to_uri();
        let headers = request.headers_mut();
        if let Ok(host) = HeaderValue::from_str(to.authority()) {
            headers.insert(HOST, host);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        request
    }
}

/// Makes an error of an answer that nobody can use.
pub(crate) fn refused(service: &'static str, to: &Endpoint, answer: Response<Bytes>) -> AuthError {
    let (head, body) = answer.into_parts();
    let refusal = Refusal::new(head.status, head.headers, body);
    AuthError::Refused { service, peer: to.peer(), refusal: Arc::new(refusal) }
}

/// Returns the whole answer, or nothing if its body is above the limit.
async fn exchange<S>(
    stream: TokioIo<S>,
    request: Request<Full<Bytes>>,
) -> hyper::Result<Option<Response<Bytes>>>
where
    TokioIo<S>: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let (mut sender, connection) = http1::Builder::new()
        // The proxy's documentation writes `X-Qlik-Xrfkey`, not `x-qlik-xrfkey`.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .handshake(stream)
        .await?;
    let exchange = pin!(async move {
        let (head, mut incoming) = sender.send_request(request).await?.into_parts();
        let mut body = BytesMut::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame?;
            let Some(data) = frame.data_ref() else { continue };
            if body.len() + data.len() > MAX_BODY {
                return Ok(None);
            }
            body.extend_from_slice(data);
        }
        // Some servers answer 204 with a body all the same; nobody reads it.
        if head.status == StatusCode::NO_CONTENT {
            body.clear();
        }
        Ok(Some(Response::from_parts(head, body.freeze())))
    });
    // Hyper's connection must be polled for the exchange to move.
    match select(exchange, pin!(connection)).await {
        Either::Left((answer, _)) => answer,
        Either::Right((_, exchange)) => exchange.await,
    }
}
