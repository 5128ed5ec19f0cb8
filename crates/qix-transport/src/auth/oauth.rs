//! Access tokens of Qlik Cloud.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header::CONTENT_TYPE};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Attempt, AuthError, AuthFuture, Dialer, Endpoint, Secret, Token, TokenSource};

const SERVICE: &str = "the OAuth token endpoint";

/// Access tokens from `POST /oauth/token` of the tenant that is connected to, for [`Auth::bearer_from`](crate::Auth::bearer_from).
///
/// ```
/// use qix_transport::{Auth, OAuth};
///
/// # let client_secret = "";
/// let machine = Auth::bearer_from(OAuth::client_credentials("my-client", client_secret));
/// let user = Auth::bearer_from(OAuth::impersonate_subject("my-client", client_secret, "auth0|ada"));
/// # let _ = (machine, user);
/// ```
#[derive(Clone, Debug)]
pub struct OAuth {
    client_id: Box<str>,
    client_secret: Secret,
    scope: Box<str>,
    user: Option<UserLookup>,
    token_url: Option<Endpoint>,
    dialer: Option<Dialer>,
}

#[derive(Clone, Debug, Serialize)]
struct UserLookup {
    field: &'static str,
    value: Box<str>,
}

impl OAuth {
    /// Gets tokens for the client itself, machine to machine.
    pub fn client_credentials(client_id: impl Into<Box<str>>, client_secret: impl Into<Secret>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            scope: "user_default".into(),
            user: None,
            token_url: None,
            dialer: None,
        }
    }

    /// Gets tokens for the user with a subject, as the identity provider knows it. The client must be allowed to.
    pub fn impersonate_subject(
        client_id: impl Into<Box<str>>,
        client_secret: impl Into<Secret>,
        subject: impl Into<Box<str>>,
    ) -> Self {
        let user = Some(UserLookup { field: "subject", value: subject.into() });
        Self { user, ..Self::client_credentials(client_id, client_secret) }
    }

    /// Gets tokens for the user with an id, as the tenant knows it. The client must be allowed to.
    pub fn impersonate_user_id(
        client_id: impl Into<Box<str>>,
        client_secret: impl Into<Secret>,
        user_id: impl Into<Box<str>>,
    ) -> Self {
        let user = Some(UserLookup { field: "userId", value: user_id.into() });
        Self { user, ..Self::client_credentials(client_id, client_secret) }
    }

    /// Sets what the token is for, scopes separated by blanks. Default: `user_default`, as in @qlik/api.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<Box<str>>) -> Self {
        self.scope = scope.into();
        self
    }

    /// Sets the whole URL of the token endpoint. Default: `/oauth/token` on the host that is connected to.
    ///
    /// Of the connector's TLS settings another host sees the trust roots only: neither the client's certificate nor the server
    /// name, the pins or the leave to accept any certificate are meant for it.
    #[must_use]
    pub fn token_url(mut self, url: Endpoint) -> Self {
        self.token_url = Some(url);
        self
    }

    /// Sets the dialer, for a token endpoint that wants TLS settings of its own. Default: the connector's.
    #[must_use]
    pub fn dialer(mut self, dialer: Dialer) -> Self {
        self.dialer = Some(dialer);
        self
    }

    async fn fetch(&self, attempt: Attempt<'_>) -> Result<Token, AuthError> {
        let to = match &self.token_url {
            Some(url) => url.clone(),
            None => attempt.endpoint().with_path("/oauth/token")?,
        };
        let answer = self.dialer.as_ref().map_or(attempt, |dialer| attempt.through(dialer));
        let answer = answer.ask(SERVICE, &to, self.request()?).await?;
        // The cause is not kept: it quotes what it could not read.
        let answer: Answer = serde_json::from_slice(answer.body()).map_err(|_| AuthError::Answer {
            service: SERVICE,
            peer: to.peer(),
            fault: "holds no access_token",
        })?;
        let token = Token::new(answer.access_token);
        Ok(match answer.expires_in.as_ref().and_then(lifetime) {
            Some(lifetime) => token.lifetime(lifetime),
            None => token,
        })
    }

    fn request(&self) -> Result<Request<Bytes>, AuthError> {
        let body = Body {
            client_id: &self.client_id,
            client_secret: self.client_secret.expose(),
            grant_type: match self.user {
                Some(_) => "urn:qlik:oauth:user-impersonation",
                None => "client_credentials",
            },
            scope: &self.scope,
            user_lookup: self.user.as_ref(),
        };
        let body = serde_json::to_vec(&body).map_err(AuthError::own)?;
        Request::builder()
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/json")
            .body(body.into())
            .map_err(AuthError::own)
    }
}

impl TokenSource for OAuth {
    fn token<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Token, AuthError>> {
        Box::pin(self.fetch(attempt))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    client_id: &'a str,
    client_secret: &'a str,
    grant_type: &'a str,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_lookup: Option<&'a UserLookup>,
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    expires_in: Option<Value>,
}

/// Reads a number of seconds; some identity providers write it as text or with a fraction. What cannot be read is left out: a token
/// without a lifetime is better than none.
fn lifetime(seconds: &Value) -> Option<Duration> {
    let seconds = seconds.as_f64().or_else(|| seconds.as_str()?.trim().parse().ok())?;
    Duration::try_from_secs_f64(seconds).ok()
}
