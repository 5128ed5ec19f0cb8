//! Sessions kept by cookies: logged in over HTTP first, then used for any number of sockets.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};

use super::{cached::Cached, cookies::Cookies};
use crate::{
    Attempt, Auth, AuthError, AuthFuture, ClientIdentity, Credentials, Endpoint, Proof, Refusal, Secret,
    http_client::refused,
};

const CSRF: &str = "qlik-csrf-token";
const INTEGRATION: &str = "qlik-web-integration-id";
const JWT_SESSION: &str = "the JWT session endpoint";
const CLOUD_CSRF: &str = "the CSRF token endpoint";
const PROXY_CSRF: &str = "the proxy's CSRF token endpoint";

/// A session of Qlik Cloud, made of a JWT by `POST /login/jwt-session`.
///
/// The session's cookies serve all sockets until they are refused. Each socket gets a CSRF token of its own from
/// `GET /api/v1/csrf-token`, as @qlik/api does.
#[derive(Debug)]
pub struct CloudSession {
    login: Auth,
    web_integration: Option<Box<str>>,
    origin: Option<Box<str>>,
    cached: Cached<Cookies>,
}

impl CloudSession {
    /// Logs in with a JWT, [`Auth::bearer`] or, if it expires, [`Auth::bearer_from`].
    pub fn new(jwt: Auth) -> Self {
        Self { login: jwt, web_integration: None, origin: None, cached: Cached::new() }
    }

    /// Sets the id of the web integration that lists the origin. Default: none is sent.
    #[must_use]
    pub fn web_integration(mut self, id: impl Into<Box<str>>) -> Self {
        self.web_integration = Some(id.into());
        self
    }

    /// Sets the origin of the page to act as, such as `https://portal.example.com`. Default: that of the tenant.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Returns what is sent with every request.
    fn base(&self, endpoint: &Endpoint) -> Result<Proof, AuthError> {
        let own = endpoint.origin();
        Ok(Proof::new().header("origin", self.origin.as_deref().unwrap_or(&own))?)
    }

    async fn login(&self, attempt: Attempt<'_>) -> Result<Cookies, AuthError> {
        let to = attempt.endpoint().with_path("/login/jwt-session")?;
        let mut base = self.base(&to)?;
        if let Some(id) = &self.web_integration {
            base = base.header(INTEGRATION, id)?;
        }
        let (answer, _) = logged_in(&self.login, attempt, JWT_SESSION, &to, Method::POST, &base).await?;
        if !answer.status().is_success() {
            return Err(refused(JWT_SESSION, &to, answer));
        }
        let mut cookies = Cookies::default();
        cookies.absorb(answer.headers());
        if cookies.is_empty() {
            return Err(AuthError::Answer { service: JWT_SESSION, peer: to.peer(), fault: "sets no cookie" });
        }
        tracing::debug!(endpoint = %attempt.endpoint(), "logged in");
        Ok(cookies)
    }

    /// Returns what is sent on the upgrade, with a new CSRF token.
    async fn csrf(&self, attempt: Attempt<'_>, cookies: &Cookies) -> Result<Proof, AuthError> {
        let mut proof = self.base(attempt.endpoint())?;
        proof.cookies = cookies.clone();
        if let Some(id) = &self.web_integration {
            proof = proof.query(INTEGRATION, &**id);
        }
        let to = proof.apply_query(&attempt.endpoint().with_path("/api/v1/csrf-token")?)?;
        let answer = attempt.ask(CLOUD_CSRF, &to, request(Method::GET, &proof)?).await?;
        let Some(token) = csrf_of(answer.headers()) else {
            return Err(AuthError::Answer {
                service: CLOUD_CSRF,
                peer: to.peer(),
                fault: "has no qlik-csrf-token header",
            });
        };
        proof.cookies.absorb(answer.headers());
        Ok(proof.query(CSRF, token))
    }

    async fn prove(&self, attempt: Attempt<'_>) -> Result<Proof, AuthError> {
        let mut again = true;
        loop {
            let login = async { Ok((self.login(attempt).await?, None)) };
            let (cookies, mark) = self.cached.get(&attempt.endpoint().origin(), login).await?;
            match self.csrf(attempt, &cookies).await {
                // The session has ended since it was last used.
                Err(error) if again && mark.reused && status(&error) == Some(StatusCode::UNAUTHORIZED) => {
                    self.cached.forget(mark).await;
                    again = false;
                }
                proof => {
                    let mut proof = proof?;
                    // The next token must be asked for with what came with this one.
                    let renewed = proof.cookies != *cookies;
                    proof.marks.push(if renewed {
                        self.cached.replace(mark, proof.cookies.clone()).await
                    } else {
                        mark
                    });
                    return Ok(proof);
                }
            }
        }
    }
}

impl Credentials for CloudSession {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(self.prove(attempt))
    }

    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(async move {
            let Some(mark) = self.cached.find(&used.marks) else { return false };
            if refusal.status == StatusCode::UNAUTHORIZED {
                self.cached.forget(mark).await;
                return true;
            }
            // The next attempt has another token in any case.
            refusal.is_csrf()
        })
    }

    fn identity(&self) -> Option<&ClientIdentity> {
        self.login.identity()
    }
}

/// A session of a Qlik Sense Enterprise proxy: a cookie, the CSRF token that belongs to it, and an `Origin`.
///
/// Proxies of November 2024 and later take a WebSocket only with all three, and without `Authorization`. The session is made by
/// `GET /<virtual proxy>/qps/csrftoken` with any credentials the virtual proxy takes, and serves all sockets until it is refused;
/// a user may have five at a time. Older proxies give no token, and the cookie alone is sent.
///
/// ```
/// use qix_transport::{Auth, ProxySession};
///
/// # let jwt = "";
/// let auth = Auth::new(ProxySession::new(Auth::bearer(jwt)));
/// # let _ = auth;
/// ```
#[derive(Debug)]
pub struct ProxySession {
    login: Auth,
    virtual_proxy: Option<Box<str>>,
    origin: Option<Box<str>>,
    cached: Cached<Session>,
}

#[derive(Debug)]
struct Session {
    cookies: Cookies,
    csrf: Option<Secret>,
}

impl ProxySession {
    /// Logs in with credentials that the virtual proxy takes: a JWT, a header, a ticket, or a session's cookie.
    pub fn new(login: Auth) -> Self {
        Self { login, virtual_proxy: None, origin: None, cached: Cached::new() }
    }

    /// Sets the prefix of the virtual proxy. Default: what stands before `/app/` in the endpoint.
    #[must_use]
    pub fn virtual_proxy(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.virtual_proxy = Some(prefix.into());
        self
    }

    /// Sets the origin of the page to act as; its host must be in the host allow list. Default: that of the endpoint.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<Box<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    fn prefix<'a>(&'a self, endpoint: &'a Endpoint) -> &'a str {
        self.virtual_proxy.as_deref().unwrap_or_else(|| endpoint.prefix()).trim_matches('/')
    }

    async fn login(&self, attempt: Attempt<'_>) -> Result<Session, AuthError> {
        let prefix = self.prefix(attempt.endpoint());
        let slash = if prefix.is_empty() { "" } else { "/" };
        let to = attempt.endpoint().with_path(&format!("{slash}{prefix}/qps/csrftoken"))?;
        let base = self.base(attempt.endpoint())?;
        let (answer, mut cookies) =
            logged_in(&self.login, attempt, PROXY_CSRF, &to, Method::GET, &base).await?;
        cookies.absorb(answer.headers());
        // Builds before the token have nothing at this path, but log in and set the cookie all the same.
        if !answer.status().is_success() && (answer.status() != StatusCode::NOT_FOUND || cookies.is_empty()) {
            return Err(refused(PROXY_CSRF, &to, answer));
        }
        if cookies.is_empty() {
            return Err(AuthError::Answer { service: PROXY_CSRF, peer: to.peer(), fault: "sets no cookie" });
        }
        tracing::debug!(endpoint = %attempt.endpoint(), "logged in");
        Ok(Session { cookies, csrf: csrf_of(answer.headers()) })
    }

    fn base(&self, endpoint: &Endpoint) -> Result<Proof, AuthError> {
        let own = endpoint.origin();
        Ok(Proof::new().header("origin", self.origin.as_deref().unwrap_or(&own))?)
    }

    async fn prove(&self, attempt: Attempt<'_>) -> Result<Proof, AuthError> {
        let login = async { Ok((self.login(attempt).await?, None)) };
        // Each virtual proxy has sessions of its own.
        let key = format!("{}/{}", attempt.endpoint().origin(), self.prefix(attempt.endpoint()));
        let (session, mark) = self.cached.get(&key, login).await?;
        let mut proof = self.base(attempt.endpoint())?;
        proof.cookies = session.cookies.clone();
        if let Some(token) = &session.csrf {
            proof = proof.query(CSRF, token.clone());
        }
        proof.marks.push(mark);
        Ok(proof)
    }
}

impl Credentials for ProxySession {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(self.prove(attempt))
    }

    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(async move {
            let Some(mark) = self.cached.find(&used.marks) else { return false };
            // The proxy gives no code: an old session may have ended, which it says by 403 or by sending to the login page.
            let ended = refusal.status == StatusCode::FORBIDDEN || refusal.status.is_redirection();
            let stale = refusal.status == StatusCode::UNAUTHORIZED || refusal.is_csrf();
            if stale || (mark.reused && ended) {
                self.cached.forget(mark).await;
                return true;
            }
            false
        })
    }

    fn identity(&self) -> Option<&ClientIdentity> {
        self.login.identity()
    }
}

/// Sends a request with the credentials of `login`, once more if those could be repaired. Returns also the cookies that went
/// with it, which are the session's if the server sets none.
async fn logged_in(
    login: &Auth,
    attempt: Attempt<'_>,
    service: &'static str,
    to: &Endpoint,
    method: Method,
    base: &Proof,
) -> Result<(http::Response<Bytes>, Cookies), AuthError> {
    let mut again = true;
    loop {
        let used = login.prepare(attempt).await?;
        let mut proof = base.clone();
        proof.merge(used.clone());
        let answer = attempt.send(service, &proof.apply_query(to)?, request(method.clone(), &proof)?).await?;
        if again && !answer.status().is_success() {
            again = false;
            let refusal = Refusal::new(answer.status(), answer.headers().clone(), answer.body().clone());
            if login.repair(&used, &refusal).await {
                continue;
            }
        }
        return Ok((answer, used.cookies));
    }
}

fn request(method: Method, proof: &Proof) -> Result<Request<Bytes>, AuthError> {
    let mut request = Request::new(Bytes::new());
    *request.method_mut() = method;
    *request.headers_mut() = proof.headers().clone();
    proof.cookies.write(request.headers_mut())?;
    Ok(request)
}

fn csrf_of(headers: &HeaderMap) -> Option<Secret> {
    headers.get(CSRF)?.to_str().ok().filter(|token| !token.is_empty()).map(Secret::from)
}

fn status(error: &AuthError) -> Option<StatusCode> {
    error.refusal().map(|refusal| refusal.status)
}
