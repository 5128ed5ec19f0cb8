//! Makes WebSockets to one endpoint.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, StatusCode,
    header::{
        CONNECTION, HOST, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY,
        SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, SERVER, UPGRADE, USER_AGENT,
    },
};
use http_body_util::Empty;

use crate::{
    Auth, AuthError, Connect, ConnectError, Dialer, Endpoint, HeaderError, Headers, Limits, Login, Proof,
    Proxies, Refusal, SetupError, Stage, TlsSettings, WsSocket,
    auth::{Cookies, Jar},
    headers::replace,
    hint::find_tls_error,
    progress::{Progress, Watch},
    upgrade::{Answer, upgrade},
    ws::Challenge,
};

pub(crate) const AGENT: &str = concat!("qix/", env!("CARGO_PKG_VERSION"));

/// Makes WebSockets to one endpoint with one set of credentials.
///
/// Offers no extension and no subprotocol, as no Qlik client does; a server that switches one on all the same is refused.
/// Follows no redirect. `Debug` shows no secret.
///
/// The credentials are asked before each attempt. If the server refuses them and they can be repaired, a token renewed or a
/// session begun anew, there is a second try within the same deadline, and no third. Cookies that come with a 101 go with the
/// next attempts, also of clones, until one is refused or the credentials have other cookies; if it may be for them that an attempt
/// was refused, there is one more try without.
///
/// ```no_run
/// use qix_transport::{Auth, Connect, Endpoint, WsConnect};
///
/// # async fn example(api_key: String) -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = Endpoint::parse("wss://tenant.eu.qlikcloud.com/app/0b0c4ba1-2a3f-4c4e-9d0e-6f1d0f2f7a10")?;
/// let connect = WsConnect::builder(endpoint).auth(Auth::bearer(api_key)).build()?;
/// let socket = connect.connect().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct WsConnect {
    endpoint: Endpoint,
    auth: Auth,
    /// Extra headers; all values are marked sensitive.
    headers: Headers,
    /// What came with the 101 answers.
    cookies: Arc<Mutex<Jar>>,
    dialer: Dialer,
    limits: Limits,
}

impl WsConnect {
    /// Starts with an endpoint, no credentials, and defaults for everything else.
    pub fn builder(endpoint: Endpoint) -> WsConnectBuilder {
        WsConnectBuilder {
            endpoint,
            auth: Auth::none(),
            headers: Ok(Headers::new()),
            tls: TlsSettings::default(),
            proxies: Proxies::none(),
            limits: Limits::default(),
        }
    }

    /// Returns where this connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the limits of the sockets made here.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Connects as [`connect`](Connect::connect) does, and tells `watcher` what was found out on the way: for programs that show
    /// people why a connection does not come about. A TLS handshake that is watched does not resume an earlier one.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which stage failed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect_watched(
        &self,
        watcher: &(dyn Fn(Progress) + Sync),
    ) -> Result<WsSocket, ConnectError> {
        self.connect_by(Watch::by(watcher)).await
    }

    async fn connect_by(&self, watch: Watch<'_>) -> Result<WsSocket, ConnectError> {
        let mut login = Login::new(&self.auth, &self.endpoint, &self.dialer);
        let mut with_jar = true;
        loop {
            let proof = login.prove().await?;
            watch.tell(|| Progress::Credentials { sent: proof.names() });
            let cookies = self.cookies().over(&proof.cookies);
            let refusal = match self.attempt(&login, &proof, &cookies, watch).await? {
                Ok(socket) => return Ok(socket),
                Err(refusal) => refusal,
            };
            // They may be what was refused.
            self.cookies().clear();
            let again = if with_jar && cookies != proof.cookies && is_about_cookies(refusal.status) {
                with_jar = false;
                true
            } else {
                login.repair(&proof, &refusal).await?
            };
            if !again {
                return Err(ConnectError::Upgrade { peer: self.endpoint.peer(), refusal: Box::new(refusal) });
            }
            tracing::debug!(endpoint = %self.endpoint, status = %refusal.status, "trying again with other credentials");
            watch.tell(|| Progress::Again { status: refusal.status });
        }
    }

    /// Makes one try, with what the credentials gave for it.
    async fn attempt(
        &self,
        login: &Login<'_>,
        proof: &Proof,
        cookies: &Cookies,
        watch: Watch<'_>,
    ) -> Result<Result<WsSocket, Refusal>, ConnectError> {
        let challenge = Challenge::new();
        let request = self.request(&challenge, proof, cookies)?;
        let stream = login.dial_by(watch).await?;
        let deadline = login.deadline().of(Stage::Upgrade);
        let answer = deadline
            .bound(&self.endpoint, Stage::Upgrade, upgrade(stream, request, deadline.at()))
            .await?
            .map_err(|error| self.not_web_socket(error))?;
        Ok(match answer {
            Answer::Switched { headers, stream, leftover } => {
                self.check_answer(&headers, &challenge)?;
                self.cookies().absorb(&proof.cookies, &headers);
                tracing::debug!(endpoint = %self.endpoint, "connected");
                watch.tell(|| Progress::Upgraded { server: server(&headers) });
                Ok(WsSocket::after_upgrade(stream, leftover, self.limits).await)
            }
            Answer::Refused(refusal) => Err(refusal),
        })
    }

    fn request(
        &self,
        challenge: &Challenge,
        proof: &Proof,
        cookies: &Cookies,
    ) -> Result<Request<Empty<Bytes>>, ConnectError> {
        let endpoint = proof.apply_query(&self.endpoint).map_err(|error| self.no_auth(error))?;
        let mut request = Request::builder()
            .uri(endpoint.to_uri())
            .header(HOST, self.endpoint.authority())
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, challenge.key.as_str())
            // Some gateways turn away requests that do not say what sends them.
            .header(USER_AGENT, AGENT)
            .body(Empty::new())
            .map_err(|error| self.not_web_socket(error))?;
        replace(request.headers_mut(), proof.headers());
        cookies.write(request.headers_mut()).map_err(|error| self.no_auth(error))?;
        replace(request.headers_mut(), self.headers.as_map());
        Ok(request)
    }

    fn cookies(&self) -> MutexGuard<'_, Jar> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn no_auth(&self, source: impl Into<AuthError>) -> ConnectError {
        ConnectError::Auth { peer: self.endpoint.peer(), source: source.into() }
    }

    fn check_answer(&self, headers: &HeaderMap, challenge: &Challenge) -> Result<(), ConnectError> {
        let fault = if !has_token(headers, UPGRADE, "websocket") {
            Some("its 101 answer lacks the header Upgrade: websocket")
        } else if !has_token(headers, CONNECTION, "upgrade") {
            Some("its 101 answer lacks the header Connection: Upgrade")
        } else if headers.get(SEC_WEBSOCKET_ACCEPT).is_none_or(|accept| accept != challenge.accept.as_str()) {
            Some("the Sec-WebSocket-Accept of its 101 answer does not fit the key")
        } else {
            None
        };
        if let Some(fault) = fault {
            return Err(self.not_web_socket(io::Error::new(io::ErrorKind::InvalidData, fault)));
        }
        for (name, shown) in [
            (SEC_WEBSOCKET_EXTENSIONS, "Sec-WebSocket-Extensions"),
            (SEC_WEBSOCKET_PROTOCOL, "Sec-WebSocket-Protocol"),
        ] {
            if let Some(value) = headers.get_all(name).iter().find(|value| !value.is_empty()) {
                let value: String = String::from_utf8_lossy(value.as_bytes()).chars().take(80).collect();
                let peer = self.endpoint.peer();
                return Err(ConnectError::NotOffered { peer, header: shown, value: value.into() });
            }
        }
        Ok(())
    }

    /// Sorts what went wrong while the upgrade was under way.
    fn not_web_socket(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectError {
        let (peer, source) = (self.endpoint.peer(), error.into());
        // With TLS 1.3 a client has finished its handshake before the server has looked at the client's certificate, so that the
        // refusal of it arrives here.
        if find_tls_error(&*source).is_some() {
            ConnectError::Tls { peer, source }
        } else {
            ConnectError::NotWebSocket { peer, source }
        }
    }
}

impl Connect for WsConnect {
    type Socket = WsSocket;

    async fn connect(&self) -> Result<WsSocket, ConnectError> {
        self.connect_by(Watch::default()).await
    }
}

/// Collects what a [`WsConnect`] needs.
#[derive(Clone, Debug)]
pub struct WsConnectBuilder {
    endpoint: Endpoint,
    auth: Auth,
    headers: Result<Headers, HeaderError>,
    tls: TlsSettings,
    proxies: Proxies,
    limits: Limits,
}

impl WsConnectBuilder {
    /// Sets the credentials. Default: [`Auth::none`].
    #[must_use]
    pub fn auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// Adds an extra header to the upgrade request. Such headers replace those of the same name that would be sent otherwise,
    /// also those of the credentials; a `Cookie` here replaces all other cookies.
    ///
    /// What cannot be sent is reported by [`build`](Self::build).
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers = self.headers.and_then(|headers| headers.header(name, value));
        self
    }

    /// Sets all extra headers, replacing those added before. Default: none.
    #[must_use]
    pub fn headers(mut self, headers: Headers) -> Self {
        self.headers = Ok(headers);
        self
    }

    /// Sets the TLS settings for the endpoint. Default: [`TlsSettings::default`].
    ///
    /// Other servers, from which credentials come, get the trust roots only, also if the endpoint itself is not encrypted.
    /// A client certificate in [`auth`](Self::auth) takes the place of one in the settings.
    #[must_use]
    pub fn tls(mut self, tls: TlsSettings) -> Self {
        self.tls = tls;
        self
    }

    /// Sets the proxies on the way out. Default: [`Proxies::none`]; the environment is not looked at.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Sets limits and deadlines. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Checks everything and reads the system's trust roots if they are needed.
    ///
    /// # Errors
    ///
    /// [`SetupError`] says which part cannot be used.
    pub fn build(self) -> Result<WsConnect, SetupError> {
        // Those that are the same each time are checked now rather than on the first attempt.
        self.auth.headers()?;
        let headers = self.headers?;
        if self.auth.identity().is_some() && !self.endpoint.is_tls() {
            return Err(SetupError::CertificateWithoutTls);
        }
        let tls = match self.auth.identity() {
            Some(identity) => self.tls.identity(identity.clone()),
            None => self.tls,
        };
        let dialer = Dialer::for_engines([&self.endpoint], &tls, &self.limits)?.proxies(self.proxies);
        Ok(WsConnect {
            endpoint: self.endpoint,
            auth: self.auth,
            headers,
            cookies: Arc::default(),
            dialer,
            limits: self.limits,
        })
    }
}

/// Returns what the server calls itself, as far as it can be shown.
fn server(headers: &HeaderMap) -> Option<Box<str>> {
    let name = headers.get(SERVER)?.to_str().ok()?;
    Some(name.chars().take(80).collect())
}

/// Returns whether a server may say by this that a session has ended; some send to their login page.
fn is_about_cookies(status: StatusCode) -> bool {
    matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || status.is_redirection()
}

fn has_token(headers: &HeaderMap, name: http::HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|value| HeaderValue::to_str(value).ok());
    values.any(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(token)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(url: &str) -> WsConnectBuilder {
        WsConnect::builder(Endpoint::parse(url).unwrap())
    }

    #[test]
    fn request_has_the_handshake_headers_and_offers_nothing() {
        let connect = builder("ws://h:4848/app/C%3A%5Cx.qvf?y=%2F").build().unwrap();
        let challenge = Challenge::new();
        let request = connect.request(&challenge, &Proof::new(), &Cookies::default()).unwrap();
        assert_eq!(request.uri(), "/app/C%3A%5Cx.qvf?y=%2F");
        assert_eq!(request.headers()[HOST], "h:4848");
        assert_eq!(request.headers()[SEC_WEBSOCKET_KEY], challenge.key.as_str());
        assert!(!request.headers().contains_key(SEC_WEBSOCKET_EXTENSIONS));
        assert!(!request.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn extra_headers_replace_those_of_the_same_name() {
        let connect =
            builder("ws://h/").header("authorization", "Bearer two").header("host", "other").build().unwrap();
        let proof = Proof::new().header("authorization", "Bearer one").unwrap();
        let request = connect.request(&Challenge::new(), &proof, &Cookies::default()).unwrap();
        assert_eq!(request.headers().get_all("authorization").iter().count(), 1);
        assert_eq!(request.headers()["authorization"], "Bearer two");
        assert_eq!(request.headers()[HOST], "other");
    }

    #[test]
    fn bad_header_is_reported_by_build() {
        let error = builder("ws://h/").header("Upgrade", "x").header("a", "b").build().unwrap_err();
        assert!(matches!(error, SetupError::Header(HeaderError::Reserved { .. })), "{error}");
        let error = builder("ws://h/").auth(Auth::bearer("a\nb")).build().unwrap_err();
        assert!(matches!(error, SetupError::Header(HeaderError::Value { .. })), "{error}");
    }

    #[test]
    fn extension_in_a_second_header_is_refused() {
        let connect = builder("ws://h/").build().unwrap();
        let challenge = Challenge::new();
        let mut headers = HeaderMap::new();
        for (name, value) in [(UPGRADE, "websocket"), (CONNECTION, "Upgrade"), (SEC_WEBSOCKET_EXTENSIONS, "")]
        {
            headers.insert(name, HeaderValue::from_static(value));
        }
        headers.insert(SEC_WEBSOCKET_ACCEPT, challenge.accept.parse().unwrap());
        connect.check_answer(&headers, &challenge).unwrap();
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static("permessage-deflate"));
        let error = connect.check_answer(&headers, &challenge).unwrap_err();
        assert!(matches!(error, ConnectError::NotOffered { .. }), "{error:?}");
    }

    #[test]
    fn debug_hides_tokens_headers_and_tickets() {
        let builder =
            builder("ws://h/?qlikTicket=s3cret").auth(Auth::bearer("s3cret")).header("Cookie", "s3cret");
        let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
