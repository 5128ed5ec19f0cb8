//! Plain HTTP: a request goes to its upstream, the answer comes back, and both are recorded.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version, header::CONTENT_LENGTH, request};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::{Front, ResponseBody, Visit, lock, path_and_query, said};
use crate::{
    body::{self, BodyError, Sent, Shared, Timed},
    entrance::Entrance,
    record::{Exchanged, Injected, Kept, Recorder},
    rewrite::{Mapping, for_client},
    routes::Route,
    upstream::{Call, UpstreamError},
};

/// Up to this size, in bytes, a body is read before it is sent, so that it can be sent again with other credentials.
const REPEATABLE: u64 = 64 << 10;

const GIVEN_UP: &str = "given up before its end, by the client or because the proxy was stopped";

/// Passes a request on and its answer back.
pub(super) async fn answer(
    head: request::Parts,
    body: Incoming,
    route: &Route,
    (front, visit, entrance): (&Front, &Mutex<Visit>, &Entrance),
) -> Response<ResponseBody> {
    let mut pending = Pending::new(front, head);
    let body = match pending.body(front, body).await {
        Ok(body) => body,
        Err(error) => return pending.failed(&UpstreamError::Client(error.into())),
    };
    let link = lock(visit).link.take();
    let head = &pending.head;
    let host = head.headers.get(http::header::HOST);
    let mapping = Mapping::new(entrance.secure, host, route, &front.upstream.routes);
    let call = Call { route, mapping: &mapping, head, body };
    match front.upstream.forward(call, link, &mut pending.injected).await {
        Ok((response, start, link)) => {
            lock(visit).link = Some(link);
            let (mut answer, body) = response.into_parts();
            let headers = for_client(&answer.headers, &mapping);
            pending.begun(answer.status, std::mem::replace(&mut answer.headers, headers));
            // The client is answered in its own version, whatever the upstream's is.
            answer.version = Version::HTTP_11;
            let body = Timed::new(start, body, front.upstream.http_timeout);
            Response::from_parts(answer, Returned::new(body, pending).boxed_unsync())
        }
        Err(error) => pending.failed(&error),
    }
}

/// An exchange that goes on. It is recorded when this is dropped, however far it came.
struct Pending {
    head: request::Parts,
    injected: Injected,
    sent: Request,
    started: Instant,
    status: Option<StatusCode>,
    response: HeaderMap,
    wait: Option<Duration>,
    answered: Kept,
    error: Option<String>,
    recorder: Recorder,
}

/// What is kept of the body of a request.
enum Request {
    Whole(Kept),
    Streamed(Shared),
}

impl Pending {
    fn new(front: &Front, head: request::Parts) -> Self {
        Self {
            head,
            injected: Injected::default(),
            sent: Request::Whole(Kept::new(front.max_body)),
            started: Instant::now(),
            status: None,
            response: HeaderMap::new(),
            wait: None,
            answered: Kept::new(front.max_body),
            error: Some(GIVEN_UP.to_owned()),
            recorder: front.recorder.clone(),
        }
    }

    /// Returns the body to send: read already, if credentials may want to see the request again and it is small.
    async fn body(&mut self, front: &Front, body: Incoming) -> Result<Sent, BodyError> {
        if body.is_end_stream() {
            return Ok(Sent::Nothing);
        }
        let length = body.size_hint().exact();
        let mut body = Timed::new(Default::default(), body, front.upstream.http_timeout);
        let mut kept = Kept::new(front.max_body);
        if front.upstream.auth.is_asked() && length.is_some_and(|length| length <= REPEATABLE) {
            let mut whole = Vec::new();
            while let Some(frame) = body.frame().await {
                whole.extend_from_slice(frame?.data_ref().map_or(&[], |data| &data[..]));
            }
            kept.push(&whole);
            self.sent = Request::Whole(kept);
            return Ok(Sent::Whole(whole.into()));
        }
        kept.expect(length.unwrap_or_default());
        let kept = Arc::new(Mutex::new(kept));
        self.sent = Request::Streamed(Arc::clone(&kept));
        Ok(Sent::Streamed(body, kept))
    }

    fn begun(&mut self, status: StatusCode, headers: HeaderMap) {
        self.status = Some(status);
        self.wait = Some(self.started.elapsed());
        if let Some(length) = headers.get(CONTENT_LENGTH)
            && let Some(length) = length.to_str().ok().and_then(|length| length.parse().ok())
            && self.head.method != http::Method::HEAD
        {
            self.answered.expect(length);
        }
        self.response = headers;
    }

    /// Answers in the upstream's place.
    fn failed(mut self, error: &UpstreamError) -> Response<ResponseBody> {
        let status = match error {
            UpstreamError::Client(_) => StatusCode::REQUEST_TIMEOUT,
            UpstreamError::Slow(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::BAD_GATEWAY,
        };
        let sentence = error.sentence();
        tracing::warn!("{sentence}");
        self.status = Some(status);
        self.error = Some(sentence.clone());
        said(status, sentence + "\n")
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let kept = match &mut self.sent {
            Request::Whole(kept) => std::mem::take(kept),
            Request::Streamed(kept) => std::mem::take(&mut *body::lock(kept)),
        };
        self.recorder.exchange(Box::new(Exchanged {
            method: self.head.method.clone(),
            url: path_and_query(&self.head).to_owned(),
            status: self.status,
            request: std::mem::take(&mut self.head.headers),
            response: std::mem::take(&mut self.response),
            injected: std::mem::take(&mut self.injected),
            sent: kept,
            answered: std::mem::take(&mut self.answered),
            wait: self.wait,
            took: self.started.elapsed(),
            error: self.error.take(),
        }));
    }
}

/// The body of an answer on its way to the client.
struct Returned {
    body: Timed,
    pending: Pending,
}

impl Returned {
    fn new(body: Timed, mut pending: Pending) -> Self {
        if body.is_end_stream() {
            pending.error = None;
        }
        Self { body, pending }
    }
}

impl Body for Returned {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.pending.answered.push(data);
                }
                if self.body.is_end_stream() {
                    self.pending.error = None;
                }
            }
            Poll::Ready(Some(Err(error))) => {
                let sentence = format!("from the upstream, {}", crate::chain::chain(error));
                tracing::warn!("an answer is cut off: {sentence}");
                self.pending.error = Some(sentence);
            }
            Poll::Ready(None) => self.pending.error = None,
            Poll::Pending => {}
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
