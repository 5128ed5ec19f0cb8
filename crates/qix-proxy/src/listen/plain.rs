//! What is said to clients that speak plain HTTP to a port that speaks TLS.

use std::{convert::Infallible, time::Duration};

use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header::HOST, header::LOCATION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use crate::front::{ResponseBody, said};

const SENTENCE: &str = "this port speaks TLS: begin the URL with https:// or wss://\n";

/// Answers one request, and hangs up.
pub(super) async fn turn_away(stream: TcpStream, limit: Duration) {
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limit)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever takes no answer needs none.
    match tokio::time::timeout(limit, connection).await {
        Ok(Ok(())) => tracing::warn!(
            "a client spoke plain HTTP, but this port speaks TLS; its URL must begin with https:// or wss://"
        ),
        _ => tracing::warn!("something on this port spoke no TLS; only Qlik clients belong here"),
    }
}

/// Sends pages to the same place over TLS; whoever sends something, or wants a WebSocket, has to know better.
fn answer(request: &Request<Incoming>) -> Response<ResponseBody> {
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD)
        && !request.headers().contains_key(http::header::UPGRADE);
    let Some(there) = is_page.then(|| secured(request)).flatten() else {
        return said(StatusCode::BAD_REQUEST, SENTENCE);
    };
    // Not for ever: another recorder at this port may speak no TLS, and browsers do not forget.
    let mut response = said(StatusCode::TEMPORARY_REDIRECT, SENTENCE);
    response.headers_mut().insert(LOCATION, there);
    response
}

fn secured(request: &Request<Incoming>) -> Option<HeaderValue> {
    let authority = request.headers().get(HOST)?.to_str().ok()?;
    let path = request.uri().path_and_query()?.as_str();
    let there = Uri::builder().scheme("https").authority(authority).path_and_query(path).build().ok()?;
    HeaderValue::try_from(there.to_string()).ok()
}
