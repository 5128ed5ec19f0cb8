//! The HTTP request that makes something else of a stream: a WebSocket, or a proxy's tunnel.
//!
//! HTTP is hyper's, not the WebSocket library's: that one logs the request, token included, and drops the connection before the
//! body of a refusal has come.

use std::{pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, timeout_at},
};

use crate::Refusal;

/// The most that the head of an answer may take, in bytes.
const MAX_HEAD: usize = 64 << 10;

/// How long to wait for the start of a refusal's body, which is worth less than the refusal itself.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);

/// How a server answered.
pub(crate) enum Answer<S> {
    /// With 101, or to CONNECT with success: the stream speaks no HTTP any more, and `leftover` are its first bytes.
    Switched { headers: HeaderMap, stream: S, leftover: Bytes },
    /// With any other status.
    Refused(Refusal),
}

/// Sends `request` and reads the answer; of a refusal also the start of its body, as far as it comes before `deadline`.
pub(crate) async fn upgrade<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    request: Request<Empty<Bytes>>,
    deadline: Instant,
) -> hyper::Result<Answer<S>> {
    let is_connect = request.method() == Method::CONNECT;
    let (mut sender, connection) = http1::Builder::new()
        // All other clients send `X-Qlik-User`, not `x-qlik-user`. It should not matter, so it is not tried out on every engine.
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await?;
    let exchange = pin!(async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let has_switched =
            if is_connect { status.is_success() } else { status == StatusCode::SWITCHING_PROTOCOLS };
        if has_switched {
            hyper::Result::Ok(Ok(response.into_parts().0.headers))
        } else {
            Ok(Err(refusal(response, deadline).await))
        }
    });
    // Hyper's connection must be polled for the exchange to move. It ends by itself once the server has switched, often first.
    let (outcome, parts) = match select(exchange, pin!(connection.without_shutdown())).await {
        Either::Left((outcome, connection)) => match outcome? {
            Ok(headers) => (Ok(headers), connection.await?),
            Err(refusal) => return Ok(Answer::Refused(refusal)),
        },
        Either::Right((parts, exchange)) => (exchange.await?, parts?),
    };
    Ok(match outcome {
        Ok(headers) => Answer::Switched { headers, stream: parts.io.into_inner(), leftover: parts.read_buf },
        Err(refusal) => Answer::Refused(refusal),
    })
}

async fn refusal(response: Response<Incoming>, deadline: Instant) -> Refusal {
    let (head, mut incoming) = response.into_parts();
    let mut body = BytesMut::new();
    let start = async {
        while body.len() < Refusal::MAX_BODY {
            let Some(Ok(frame)) = incoming.frame().await else { break };
            if let Some(data) = frame.data_ref() {
                body.extend_from_slice(&data[..data.len().min(Refusal::MAX_BODY - body.len())]);
            }
        }
    };
    // Whatever has come by then is what there is to show.
    let _ = timeout_at(deadline.min(Instant::now() + BODY_TIMEOUT), start).await;
    Refusal { status: head.status, headers: head.headers, body: body.freeze() }
}
