//! The engine's side of an upgrade, and of a plain request in `forward.rs`.

mod forward;

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
pub(crate) use forward::Call;
use http::{
    HeaderMap, Response, StatusCode,
    header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, UPGRADE},
    request,
};
use http_body_util::BodyExt;
use hyper::{
    body::{Frame, Incoming},
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use qix_transport::{Auth, ConnectError, Dialer, Endpoint, Login, Refusal, Stream};
use tokio::{task::JoinHandle, time::timeout};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use crate::{
    body::Sent,
    chain::chain,
    front::strict,
    record::Injected,
    rewrite::{HeaderRules, names},
    routes::{Route, Routes},
};

/// How long credentials wait for the start of a refusal's body, which is worth less than the refusal itself.
const BODY_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of the body of a refusal credentials look at, in bytes.
const BODY_START: usize = 1 << 10;

/// How long the upstream may take to end the exchange before, once the client has all of its answer.
const LINK_TIMEOUT: Duration = Duration::from_secs(5);

/// Where connections lead, and what goes with them.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) routes: Routes,
    pub(crate) auth: Auth,
    pub(crate) rules: HeaderRules,
    pub(crate) dialer: Dialer,
    pub(crate) answer_timeout: Duration,
    /// How long a plain request may wait for its answer, and either side for more of a body.
    pub(crate) http_timeout: Duration,
    /// Whether what answers say is to be recorded.
    pub(crate) reads_bodies: bool,
}

/// A connection to an upstream on which requests can be sent, until one of them is answered with 101.
#[derive(Debug)]
pub(crate) struct Link {
    /// Where it leads.
    authority: Box<str>,
    sender: SendRequest<Sent>,
    connection: JoinHandle<hyper::Result<http1::Parts<TokioIo<Stream>>>>,
}

/// How the upstream answered an upgrade.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With 101: a WebSocket, of which some bytes may have come already.
    Switched { response: Response<()>, stream: Stream, first: Bytes },
    /// With something else, of whose body the `start` was read. The link can be used again once the rest was.
    Refused { response: Response<Incoming>, start: VecDeque<Frame<Bytes>>, link: Link },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the request cannot be made")]
    Request(#[from] qix_transport::AuthError),
    #[error("the upstream did not answer the upgrade as an HTTP server does")]
    Http(#[source] hyper::Error),
    #[error("the upstream did not answer the upgrade within {0:?}")]
    Timeout(Duration),
    #[error("the upstream switched on the WebSocket extension {0:?}, which was not offered")]
    Extension(String),
    #[error("the upstream's answer to the upgrade is not that of a WebSocket server: {0}")]
    NotWebSocket(&'static str),
    #[error("the upstream did not answer as an HTTP server does")]
    Plain(#[source] hyper::Error),
    #[error("the upstream did not answer within {0:?}")]
    Slow(Duration),
    #[error("the upstream's answer cannot be passed on, because {0}")]
    Framing(&'static str),
    #[error("the client did not send the rest of its request")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl UpstreamError {
    /// Says in one line what is wrong and, if that is known, what to do.
    pub(crate) fn sentence(&self) -> String {
        let mut text = chain(self);
        let hint = match self {
            Self::Connect(error) => error.hint(),
            Self::Http(_) | Self::Plain(_) => {
                Some("check the port, and whether the upstream URL should start with wss:// or ws://")
            }
            Self::Extension(_) => Some("something between here and the engine changes the handshake"),
            _ => None,
        };
        if let Some(hint) = hint {
            text.push_str("; ");
            text.push_str(hint);
        }
        text
    }
}

impl Upstream {
    /// Sends a client's upgrade on, over `link` if that leads there and still works: some ways to log in need all requests to come
    /// over one connection. If the credentials are refused and can be repaired, there is a second try and no third.
    ///
    /// `injected` learns what went upstream that was not the client's.
    pub(crate) async fn upgrade(
        &self,
        route: &Route,
        client: &request::Parts,
        link: Option<Link>,
        injected: &mut Injected,
    ) -> Result<Answer, UpstreamError> {
        let target = route.target(client.uri.path_and_query().map_or("/", |path| path.as_str()));
        let asked = self.auth.is_asked();
        // Credentials find the virtual proxy in the path.
        let endpoint = if asked { route.endpoint.with_path(&target).ok() } else { None };
        let endpoint = endpoint.as_ref().unwrap_or(&route.endpoint);
        let mut link = usable(link, endpoint).await;
        let mut login = Login::new(&self.auth, endpoint, &self.dialer);
        loop {
            let proof = login.prove().await?;
            self.rules.tell(&proof, injected);
            let key = generate_key();
            let request = self.rules.request(client, &target, endpoint, &proof, &key)?;
            let mut open = match link.take() {
                Some(link) => link,
                None => connect(&login, endpoint).await?,
            };
            let response = timeout(self.answer_timeout, open.sender.send_request(request))
                .await
                .map_err(|_| UpstreamError::Timeout(self.answer_timeout))?
                .map_err(UpstreamError::Http)?;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                return switched(response, open, &key).await;
            }
            if let Some(fault) = strict::answer_fault(response.headers()) {
                return Err(UpstreamError::Framing(fault));
            }
            let (refusal, response, start) = if asked {
                beginning(response).await
            } else {
                return Ok(Answer::Refused { response, start: VecDeque::new(), link: open });
            };
            // What the credentials could not do in time, the client may still do with the answer.
            if !login.repair(&proof, &refusal).await.unwrap_or(false) {
                return Ok(Answer::Refused { response, start, link: open });
            }
            tracing::debug!(%endpoint, status = %refusal.status, "trying again with other credentials");
        }
    }
}

async fn connect(login: &Login<'_>, endpoint: &Endpoint) -> Result<Link, UpstreamError> {
    let stream = login.dial().await?;
    let (sender, connection) = http1::Builder::new()
        .title_case_headers(true)
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(UpstreamError::Http)?;
    let connection = tokio::spawn(connection.without_shutdown());
    Ok(Link { authority: endpoint.origin().into(), sender, connection })
}

async fn switched(response: Response<Incoming>, link: Link, key: &str) -> Result<Answer, UpstreamError> {
    check(response.headers(), key)?;
    // Hyper's part ends with the answer; what it has read beyond comes along.
    let parts = link
        .connection
        .await
        .map_err(|_| UpstreamError::NotWebSocket("the connection was given up"))?
        .map_err(UpstreamError::Http)?;
    Ok(Answer::Switched {
        response: response.map(|_| ()),
        stream: parts.io.into_inner(),
        first: parts.read_buf,
    })
}

/// Reads the start of a refusal, as far as it comes soon, and returns with it all that was read.
async fn beginning(response: Response<Incoming>) -> (Refusal, Response<Incoming>, VecDeque<Frame<Bytes>>) {
    let (head, mut body) = response.into_parts();
    let (mut start, mut text) = (VecDeque::new(), BytesMut::new());
    let reading = async {
        while text.len() < BODY_START {
            let Some(Ok(frame)) = body.frame().await else { break };
            text.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            start.push_back(frame);
        }
    };
    let _ = timeout(BODY_TIMEOUT, reading).await;
    let refusal = Refusal::new(head.status, head.headers.clone(), text.freeze());
    (refusal, Response::from_parts(head, body), start)
}

/// Returns the link if it leads to `endpoint` and another request can be sent on it soon.
async fn usable(link: Option<Link>, endpoint: &Endpoint) -> Option<Link> {
    let mut link = link.filter(|link| *link.authority == *endpoint.origin())?;
    timeout(LINK_TIMEOUT, link.sender.ready()).await.ok()?.ok().map(|()| link)
}

/// Checks a 101 as a WebSocket client must.
fn check(headers: &HeaderMap, key: &str) -> Result<(), UpstreamError> {
    if let Some(extension) = headers.get(SEC_WEBSOCKET_EXTENSIONS) {
        let extension = String::from_utf8_lossy(extension.as_bytes()).chars().take(80).collect();
        return Err(UpstreamError::Extension(extension));
    }
    if !names(headers, UPGRADE, "websocket") {
        return Err(UpstreamError::NotWebSocket("it does not say Upgrade: websocket"));
    }
    let accept = derive_accept_key(key.as_bytes());
    if headers
        .get(SEC_WEBSOCKET_ACCEPT)
        .is_none_or(|value| value.as_bytes().trim_ascii() != accept.as_bytes())
    {
        return Err(UpstreamError::NotWebSocket("its Sec-WebSocket-Accept is wrong"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn answers_of_impostors_are_found_out() {
        let accept = derive_accept_key(b"key");
        let mut headers = HeaderMap::new();
        assert!(check(&headers, "key").unwrap_err().to_string().contains("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(check(&headers, "key").unwrap_err().to_string().contains("Accept"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::from_str(&accept).unwrap());
        check(&headers, "key").unwrap();
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate"));
        assert!(matches!(check(&headers, "key"), Err(UpstreamError::Extension(_))));
    }
}
