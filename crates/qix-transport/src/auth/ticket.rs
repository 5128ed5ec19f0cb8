//! Tickets of the Qlik Sense Proxy Service.

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use rustls::crypto::ring;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Attempt, AuthError, AuthFuture, Credentials, Dialer, Endpoint, Proof, QlikUser, headers::sensitive_value,
};

const SERVICE: &str = "the ticket endpoint";

/// Fetches a ticket for each attempt from the Qlik Sense Proxy Service, and sends it as `qlikTicket`.
///
/// The service (port 4243) gives tickets to whoever shows a client certificate of the site.
///
/// ```no_run
/// use qix_transport::{Auth, ClientIdentity, Dialer, Endpoint, Limits, QlikUser, QpsTicket, TlsSettings};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = TlsSettings::default().identity(ClientIdentity::from_pem_dir("certificates")?);
/// let dialer = Dialer::new(&tls, &Limits::default())?;
/// let qps = Endpoint::parse("https://sense.example.com:4243")?;
/// let auth = Auth::new(QpsTicket::new(qps, dialer, QlikUser::new("ACME", "ada")).attribute("Group", "finance"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct QpsTicket {
    qps: Endpoint,
    dialer: Dialer,
    user: QlikUser,
    virtual_proxy: Option<Box<str>>,
    attributes: Vec<(String, String)>,
}

impl QpsTicket {
    /// Takes the service's host and port, a dialer with the client certificate, and the user to get tickets for. The path of
    /// `qps` is not used.
    pub fn new(qps: Endpoint, dialer: Dialer, user: QlikUser) -> Self {
        Self { qps, dialer, user, virtual_proxy: None, attributes: Vec::new() }
    }

    /// Sets the prefix of the virtual proxy. Default: what stands before `/app/` in the endpoint that is connected to.
    #[must_use]
    pub fn virtual_proxy(mut self, prefix: impl Into<Box<str>>) -> Self {
        self.virtual_proxy = Some(prefix.into());
        self
    }

    /// Adds an attribute of the user, such as a group; a name can be added more than once.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    async fn fetch(&self, attempt: Attempt<'_>) -> Result<Proof, AuthError> {
        let prefix = self.virtual_proxy.as_deref().unwrap_or_else(|| attempt.endpoint().prefix());
        let prefix = prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let key = xrfkey()?;
        let to = self.qps.with_path(&format!("/qps{slash}{prefix}/ticket?xrfkey={key}"))?;
        let answer = attempt.through(&self.dialer).ask(SERVICE, &to, self.request(&key)?).await?;
        // The cause is not kept: it quotes what it could not read.
        let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| AuthError::Answer {
            service: SERVICE,
            peer: to.peer(),
            fault: "holds no Ticket",
        })?;
        tracing::debug!(peer = %to.peer(), "got a ticket");
        Ok(Proof::new().query("qlikTicket", answer.ticket))
    }

    fn request(&self, key: &str) -> Result<Request<Bytes>, AuthError> {
        let attributes = self.attributes.iter();
        let body = Body {
            directory: self.user.directory(),
            id: self.user.id(),
            attributes: attributes
                .map(|(name, value)| Map::from_iter([(name.clone(), Value::from(value.as_str()))]))
                .collect(),
            target: "",
        };
        let body = serde_json::to_vec(&body).map_err(AuthError::own)?;
        let mut request = Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(AuthError::own)?;
        if let Some(key) = sensitive_value(key) {
            request.headers_mut().insert("x-qlik-xrfkey", key);
        }
        Ok(request)
    }
}

impl Credentials for QpsTicket {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(self.fetch(attempt))
    }
}

/// Returns 16 letters and digits. They prove that the request was not made by a page of somebody else, so any will do, but
/// a fixed text would be known to such a page too.
fn xrfkey() -> Result<String, AuthError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789xy";
    let mut bytes = [0; 16];
    let random = ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| AuthError::own("this system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "UserDirectory")]
    directory: &'a str,
    #[serde(rename = "UserId")]
    id: &'a str,
    #[serde(rename = "Attributes")]
    attributes: Vec<Map<String, Value>>,
    #[serde(rename = "TargetId")]
    target: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Ticket")]
    ticket: String,
}
