//! Tokens that expire.

use std::time::Duration;

use super::cached::Cached;
use crate::{Attempt, AuthError, AuthFuture, Credentials, Proof, Refusal, Secret};

/// Where bearer tokens come from: a vault, a file that another program renews, [`OAuth`](crate::OAuth).
///
/// Use it by [`Auth::bearer_from`](crate::Auth::bearer_from), which keeps each token for as long as it lives, asks for a new one
/// some time before it expires, and asks once for however many attempts want one.
pub trait TokenSource: Send + Sync {
    /// Returns a new token. Bounded by the deadline for connecting.
    fn token<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Token, AuthError>>;
}

/// A bearer token and how long it lives. `Debug` does not show the token.
#[derive(Clone, Debug)]
pub struct Token {
    secret: Secret,
    lifetime: Option<Duration>,
}

impl Token {
    /// Takes a token that lives until a server refuses it.
    pub fn new(token: impl Into<Secret>) -> Self {
        Self { secret: token.into(), lifetime: None }
    }

    /// Sets how long the token lives from now on. It is renewed a tenth of that before its end, a minute at most.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }
}

/// Sends the tokens of a source.
pub(super) struct Bearer {
    source: Box<dyn TokenSource>,
    cached: Cached<Secret>,
}

impl Bearer {
    pub(super) fn new(source: impl TokenSource + 'static) -> Self {
        Self { source: Box::new(source), cached: Cached::new() }
    }
}

impl Credentials for Bearer {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(async move {
            let fetch = async {
                let token = self.source.token(attempt).await?;
                tracing::debug!(lifetime = ?token.lifetime, "got a token");
                Ok((token.secret, token.lifetime))
            };
            let (token, mark) = self.cached.get(&attempt.endpoint().origin(), fetch).await?;
            let mut proof = Proof::new().header("authorization", &format!("Bearer {}", token.expose()))?;
            proof.marks.push(mark);
            Ok(proof)
        })
    }

    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(async move {
            let Some(mark) = self.cached.find(&used.marks) else { return false };
            if refusal.status != http::StatusCode::UNAUTHORIZED {
                return false;
            }
            self.cached.forget(mark).await;
            true
        })
    }
}
