//! The engine's side of an upgrade.

use std::time::Duration;

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{
        CONNECTION, CONTENT_LENGTH, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
        SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    request,
};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use qix_transport::{ConnectError, Endpoint, Stream};
use tokio::{task::JoinHandle, time::timeout};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

use crate::chain::chain;
use crate::config::{Checked, RecordConfig};

/// Headers that concern one hop only, and those of the WebSocket handshake, which each hop has its own of.
const HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-version",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Where connections lead.
#[derive(Debug)]
pub(crate) struct Upstream {
    endpoint: Endpoint,
    checked: Checked,
    allowed_origins: Vec<String>,
    answer_timeout: Duration,
}

/// A connection to the upstream on which requests can be sent, until one of them is answered with 101.
#[derive(Debug)]
pub(crate) struct Link {
    sender: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<http1::Parts<TokioIo<Stream>>>>,
}

/// How the upstream answered an upgrade.
#[derive(Debug)]
pub(crate) enum Answer {
    /// With 101: a WebSocket, of which some bytes may have come already.
    Switched { response: Response<()>, stream: Stream, first: Bytes },
    /// With something else. The link can be used again once the body was read.
    Refused { response: Response<Incoming>, link: Link },
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the upstream did not answer the upgrade as an HTTP server does")]
    Http(#[source] hyper::Error),
    #[error("the upstream did not answer the upgrade within {0:?}")]
    Timeout(Duration),
    #[error("the upstream switched on the WebSocket extension {0:?}, which was not offered")]
    Extension(String),
    #[error("the upstream's answer to the upgrade is not that of a WebSocket server: {0}")]
    NotWebSocket(&'static str),
}

impl UpstreamError {
    /// Says in one line what is wrong and, if that is known, what to do.
    pub(crate) fn sentence(&self) -> String {
        let mut text = chain(self);
        let hint = match self {
            Self::Connect(error) => error.hint(),
            Self::Http(_) => {
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
    pub(crate) fn new(config: &RecordConfig, checked: Checked) -> Self {
        Self {
            endpoint: config.upstream.clone(),
            checked,
            allowed_origins: config.allowed_origins.clone(),
            answer_timeout: config.connect_timeout,
        }
    }

    /// Returns the upstream's URL, without secrets.
    pub(crate) fn url(&self) -> String {
        self.endpoint.to_string()
    }

    /// Sends a client's upgrade on, over `link` if that still works: some ways to log in need all requests to come over one connection.
    pub(crate) async fn upgrade(
        &self,
        request: &request::Parts,
        link: Option<Link>,
    ) -> Result<Answer, UpstreamError> {
        let key = generate_key();
        let mut link = match usable(link).await {
            Some(link) => link,
            None => self.connect().await?,
        };
        let request = self.request(request, &key);
        let response = timeout(self.answer_timeout, link.sender.send_request(request))
            .await
            .map_err(|_| UpstreamError::Timeout(self.answer_timeout))?
            .map_err(UpstreamError::Http)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer::Refused { response, link });
        }
        check(response.headers(), &key)?;
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

    async fn connect(&self) -> Result<Link, UpstreamError> {
        let stream = self.checked.dialer.dial(&self.endpoint).await?;
        let (sender, connection) = http1::Builder::new()
            .title_case_headers(true)
            .preserve_header_case(true)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(UpstreamError::Http)?;
        Ok(Link { sender, connection: tokio::spawn(connection.without_shutdown()) })
    }

    /// Returns whether a page asks that must not use the credentials that are added here.
    ///
    /// A page of any site can open a WebSocket to this machine, and without this check would be let in by them.
    pub(crate) fn is_misused(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(ORIGIN).filter(|_| !self.checked.headers.is_empty()) else {
            return false;
        };
        let Ok(origin) = origin.to_str() else { return true };
        let host = url::Url::parse(origin).ok().and_then(|url| url.host().map(|host| host.to_owned()));
        let local = match host {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        !local && !self.allowed_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// Makes the request that goes upstream of the one that a client has sent.
    fn request(&self, client: &request::Parts, key: &str) -> Request<Empty<Bytes>> {
        let path = client.uri.path_and_query().map_or("/", |path| path.as_str());
        let target = format!("{}{path}", self.checked.prefix);
        let mut request = Request::new(Empty::new());
        // Both parts were parsed before, and no character is special at the seam.
        *request.uri_mut() = target.parse().unwrap_or_else(|_| client.uri.clone());
        // How the client spells the names of its headers.
        request.extensions_mut().clone_from(&client.extensions);
        let headers = request.headers_mut();
        headers.insert(HOST, value(self.endpoint.authority()));
        headers.extend(passed_on(&client.headers, &[HOST, CONTENT_LENGTH]));
        if headers.contains_key(ORIGIN) {
            headers.insert(ORIGIN, value(&self.endpoint.origin()));
        }
        for name in self.checked.headers.keys() {
            headers.remove(name);
        }
        headers.extend(self.checked.headers.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        headers.insert(SEC_WEBSOCKET_KEY, value(key));
        request
    }
}

async fn usable(link: Option<Link>) -> Option<Link> {
    let mut link = link?;
    link.sender.ready().await.ok().map(|()| link)
}

/// Returns the headers that do not concern one hop only, but for those in `without`.
pub(crate) fn passed_on(headers: &HeaderMap, without: &[HeaderName]) -> HeaderMap {
    let named: Vec<&[u8]> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    let is_passed = |name: &HeaderName| {
        !HOP.contains(&name.as_str())
            && !without.contains(name)
            && !named.iter().any(|named| named.eq_ignore_ascii_case(name.as_str().as_bytes()))
    };
    let passed = headers.iter().filter(|(name, _)| is_passed(name));
    passed.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Returns whether a list header such as `Connection` names `token`.
pub(crate) fn names(headers: &HeaderMap, list: HeaderName, token: &str) -> bool {
    let is_token = |part: &[u8]| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes());
    headers.get_all(list).iter().any(|value| value.as_bytes().split(|byte| *byte == b',').any(is_token))
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

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("authorities, origins and keys are visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(url: &str) -> Upstream {
        let config = RecordConfig::new(Endpoint::parse(url).unwrap(), "x");
        Upstream::new(&config, config.validate().unwrap())
    }

    fn client(target: &str, headers: &[(&'static str, &'static str)]) -> request::Parts {
        let mut request = Request::get(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn pages_of_other_origins_may_not_use_injected_credentials() {
        let misused = |config: RecordConfig, origin| {
            let upstream = Upstream::new(&config, config.validate().unwrap());
            upstream.is_misused(&client("/", &[("origin", origin)]).headers)
        };
        let plain = || RecordConfig::new(Endpoint::parse("ws://engine").unwrap(), "x");
        let keyed = || plain().auth(qix_transport::Auth::bearer("key"));
        for origin in
            ["https://evil.example", "http://127.0.0.1.evil.example", "null", "http://localhost.example"]
        {
            assert!(misused(keyed(), origin), "{origin}");
            assert!(!misused(plain(), origin), "without credentials there is nothing to misuse");
        }
        for origin in ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:8080"] {
            assert!(!misused(keyed(), origin), "{origin}");
        }
        let allowing = keyed().allowed_origins(vec!["https://intranet.example".to_owned()]);
        assert!(!misused(allowing, "https://intranet.example"));
    }

    #[test]
    fn path_and_query_are_appended_as_written() {
        for (url, target, expected) in [
            (
                "ws://h",
                "/app/a%2Fb/identity/x?reloadUri=https%3A%2F%2Fh&",
                "/app/a%2Fb/identity/x?reloadUri=https%3A%2F%2Fh&",
            ),
            ("ws://h/vp/", "/app/engineData", "/vp/app/engineData"),
            ("ws://h/vp", "http://other/app/x?y", "/vp/app/x?y"),
            ("ws://h/vp", "/", "/vp/"),
        ] {
            let request = upstream(url).request(&client(target, &[]), "k");
            assert_eq!(request.uri().to_string(), expected);
        }
    }

    #[test]
    fn headers_are_passed_rewritten_or_left_out() {
        let client = client(
            "/",
            &[
                ("host", "localhost:9077"),
                ("origin", "http://localhost:9077"),
                ("connection", "keep-alive, Upgrade, X-Hop"),
                ("upgrade", "websocket"),
                ("x-hop", "1"),
                ("cookie", "a=b"),
                ("authorization", "Bearer t"),
                ("user-agent", "test"),
                ("x-qlik-user", "u"),
                ("sec-websocket-extensions", "permessage-deflate"),
                ("sec-websocket-protocol", "p"),
                ("sec-websocket-key", "client's"),
                ("sec-websocket-version", "13"),
            ],
        );
        let request = upstream("wss://engine.example.com:4747").request(&client, "ours");
        let headers = request.headers();
        assert_eq!(headers["host"], "engine.example.com:4747");
        assert_eq!(headers["origin"], "https://engine.example.com:4747");
        assert_eq!(headers["connection"], "Upgrade");
        assert_eq!(headers["sec-websocket-key"], "ours");
        for name in ["cookie", "authorization", "user-agent", "x-qlik-user", "sec-websocket-protocol"] {
            assert_eq!(headers.get(name), client.headers.get(name), "{name}");
        }
        assert_eq!(headers.keys().filter(|name| name.as_str().starts_with("x-")).count(), 1);
        assert!(!headers.contains_key(SEC_WEBSOCKET_EXTENSIONS));
    }

    #[test]
    fn answers_of_impostors_are_found_out() {
        let accept = derive_accept_key(b"key");
        let mut headers = HeaderMap::new();
        assert!(check(&headers, "key").unwrap_err().to_string().contains("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("WebSocket"));
        assert!(check(&headers, "key").unwrap_err().to_string().contains("Accept"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, value(&accept));
        check(&headers, "key").unwrap();
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate"));
        assert!(matches!(check(&headers, "key"), Err(UpstreamError::Extension(_))));
    }
}
