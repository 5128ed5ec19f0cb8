//! Plain requests, sent on to the upstream.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, request};
use hyper::body::{Frame, Incoming};
use qix_transport::Login;
use tokio::time::{Instant, sleep_until};

use super::{Link, Upstream, UpstreamError, beginning, connect, usable};
use crate::{
    body::{Sent, Shared, lock},
    front::strict,
    record::Injected,
    rewrite::Mapping,
    routes::Route,
};

/// A client's request.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) route: &'a Route,
    pub(crate) mapping: &'a Mapping<'a>,
    pub(crate) head: &'a request::Parts,
    pub(crate) body: Sent,
}

/// An answer, of whose body the start was read, and the link that it came by.
pub(crate) type Answered = (Response<Incoming>, VecDeque<Frame<Bytes>>, Link);

/// A request that did not come through.
struct Failed {
    error: UpstreamError,
    /// Its body, if nothing of it was sent.
    unsent: Option<Sent>,
}

impl Upstream {
    /// Sends a plain request on, over `link` if that leads there and still works. A link that has died meanwhile is replaced once, if the
    /// request was not sent, or if it may be sent twice. If the credentials are refused and can be repaired, there is one more try,
    /// unless the body was streamed.
    ///
    /// `injected` learns what went upstream that was not the client's.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the request and its connection.
    pub(crate) async fn forward(
        &self,
        call: Call<'_>,
        link: Option<Link>,
        injected: &mut Injected,
    ) -> Result<Answered, UpstreamError> {
        let Call { route, mapping, head, mut body } = call;
        let asked = self.auth.is_asked();
        // Credentials find the virtual proxy in the path.
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let endpoint = if asked { route.endpoint.with_path(&route.target(path)).ok() } else { None };
        let endpoint = endpoint.as_ref().unwrap_or(&route.endpoint);
        let mut kept = usable(link, endpoint).await;
        let mut login = Login::new(&self.auth, endpoint, &self.dialer);
        loop {
            let again = body.again();
            let progress = body.progress();
            let proof = login.prove().await?;
            self.rules.tell(&proof, injected);
            let request = self.rules.plain(head, body, mapping, endpoint, &proof, self.reads_bodies)?;
            let reused = kept.is_some();
            let mut open = match kept.take() {
                Some(link) => link,
                None => connect(&login, endpoint).await?,
            };
            let response = match self.send(&mut open, request, progress).await {
                Ok(response) => response,
                Err(Failed { error, unsent }) => {
                    // Servers close connections that have been idle for a while, just when a request is on its way.
                    let repeated = again.filter(|_| is_idempotent(&head.method));
                    match unsent.or(repeated).filter(|_| reused && matches!(error, UpstreamError::Plain(_))) {
                        Some(same) => {
                            tracing::debug!(%endpoint, "the connection was closed meanwhile; trying a new one");
                            body = same;
                            continue;
                        }
                        None => return Err(error),
                    }
                }
            };
            if let Some(fault) = strict::answer_fault(response.headers()) {
                return Err(UpstreamError::Framing(fault));
            }
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return Err(UpstreamError::Framing("it changes to a protocol that nobody has asked for"));
            }
            let Some(same) = again.filter(|_| asked && is_refusal(response.status())) else {
                return Ok((response, VecDeque::new(), open));
            };
            let (refusal, response, start) = beginning(response).await;
            // What the credentials could not do in time, the client may still do with the answer.
            if !login.repair(&proof, &refusal).await.unwrap_or(false) {
                return Ok((response, start, open));
            }
            tracing::debug!(%endpoint, status = %refusal.status, "trying again with other credentials");
            body = same;
        }
    }

    async fn send(
        &self,
        link: &mut Link,
        request: Request<Sent>,
        progress: Option<Shared>,
    ) -> Result<Response<Incoming>, Failed> {
        let mut answer = std::pin::pin!(link.sender.try_send_request(request));
        let mut sent = 0;
        loop {
            let deadline = Instant::now() + self.http_timeout;
            tokio::select! {
                biased;
                answered = &mut answer => {
                    return answered.map_err(|mut failed| {
                        let unsent = failed.take_message().map(Request::into_body);
                        let error = failed.into_error();
                        let error = if error.is_user() {
                            UpstreamError::Client(error.into())
                        } else {
                            UpstreamError::Plain(error)
                        };
                        Failed { error, unsent }
                    });
                }
                () = sleep_until(deadline) => {}
            }
            // While the client is sending, there is nothing to answer yet.
            let now = progress.as_ref().map_or(0, |kept| lock(kept).total());
            if now == sent {
                return Err(Failed { error: UpstreamError::Slow(self.http_timeout), unsent: None });
            }
            sent = now;
        }
    }
}

/// Returns whether credentials may have something to do with it: some servers send whoever they do not know to a page.
fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_redirection() && status != StatusCode::NOT_MODIFIED
}

fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}
