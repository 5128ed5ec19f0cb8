//! The credentials that there are.

use std::{fmt, sync::Arc};

use http::HeaderMap;

use super::bearer::Bearer;
use crate::{
    Attempt, AuthError, AuthFuture, ClientIdentity, Credentials, HeaderError, Proof, QlikUser, Refusal,
    Secret, TokenSource,
};

/// How a connection proves who it is.
///
/// A value that connectors ask before each attempt; cheap to clone, and clones share tokens and sessions. `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Auth(Vec<Part>);

#[derive(Clone)]
enum Part {
    Header(Box<str>, Secret),
    Query(Box<str>, Secret),
    Cookie(Box<str>, Secret),
    ClientCert(ClientIdentity, QlikUser),
    Asked(Arc<dyn Credentials>),
}

impl Auth {
    /// Sends nothing: Qlik Sense Desktop, and an engine of one's own that checks no tokens. The default.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sends `Authorization: Bearer <token>`: an API key or an OAuth access token on Qlik Cloud, a JWT on a virtual proxy that
    /// takes them or on an engine that checks them.
    pub fn bearer(token: impl Into<Secret>) -> Self {
        let value = format!("Bearer {}", token.into().expose());
        Self(vec![Part::Header("authorization".into(), value.into())])
    }

    /// Sends `Authorization: Bearer <token>` with tokens that expire, such as those of [`OAuth`](crate::OAuth).
    pub fn bearer_from(source: impl TokenSource + 'static) -> Self {
        Self::new(Bearer::new(source))
    }

    /// Shows a client certificate and sends `X-Qlik-User`: the way past the proxy, straight to an engine's port 4747.
    ///
    /// The engine trusts whoever holds the certificate and acts for `user`.
    pub fn client_cert(identity: ClientIdentity, user: QlikUser) -> Self {
        Self(vec![Part::ClientCert(identity, user)])
    }

    /// Sends one header: the user of a virtual proxy with header authentication, as `user` or `domain\user`, under the name that is
    /// configured there, or an `X-Qlik-Session` of one's own choice to an engine.
    pub fn header(name: impl Into<Box<str>>, value: impl Into<Secret>) -> Self {
        Self(vec![Part::Header(name.into(), value.into())])
    }

    /// Sends a ticket as `qlikTicket`. A ticket serves one attempt only; [`QpsTicket`](crate::QpsTicket) fetches them, and
    /// [`ProxySession`](crate::ProxySession) makes a session of one.
    pub fn ticket(ticket: impl Into<Secret>) -> Self {
        Self::query("qlikTicket", ticket)
    }

    /// Sends a secret as a query parameter, such as `accessToken`, the short-lived token of a socket that a login in a browser ends
    /// with. Name and value are plain text. It is kept out of what this crate shows, but a server may repeat it, and what a
    /// server says is masked only under the names that [`is_secret_parameter`](crate::is_secret_parameter) knows.
    pub fn query(name: impl Into<Box<str>>, value: impl Into<Secret>) -> Self {
        Self(vec![Part::Query(name.into(), value.into())])
    }

    /// Sends a cookie: the session of a proxy, `X-Qlik-Session` or `X-Qlik-Session-<suffix>`, as configured there.
    pub fn cookie(name: impl Into<Box<str>>, value: impl Into<Secret>) -> Self {
        Self(vec![Part::Cookie(name.into(), value.into())])
    }

    /// Sends what `credentials` give: [`CloudSession`](crate::CloudSession), [`ProxySession`](crate::ProxySession),
    /// [`QpsTicket`](crate::QpsTicket), or credentials of your own.
    pub fn new(credentials: impl Credentials + 'static) -> Self {
        Self(vec![Part::Asked(Arc::new(credentials))])
    }

    /// Adds other credentials, for a server that wants two. Of headers, parameters and cookies with the same name, and of
    /// certificates, the later wins.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns the headers that are the same in every attempt, cookies among them, all marked sensitive. What is
    /// [asked for](Self::is_asked) before each attempt and what goes into the query are not among them.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] if a name or value holds a character that cannot stand in a header.
    pub fn headers(&self) -> Result<HeaderMap, HeaderError> {
        let mut proof = Proof::new();
        for part in &self.0 {
            proof.merge(part.fixed()?);
        }
        let mut headers = proof.headers().clone();
        proof.cookies.write(&mut headers)?;
        Ok(headers)
    }

    /// Returns whether there is more to send than [`headers`](Self::headers): something asked for before each attempt, or something
    /// that goes into the query.
    pub fn is_asked(&self) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Asked(_) | Part::Query(..)))
    }

    /// Returns the certificate to show, if there is one.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        self.0.iter().rev().find_map(|part| match part {
            Part::ClientCert(identity, _) => Some(identity),
            Part::Asked(credentials) => credentials.identity(),
            Part::Header(..) | Part::Query(..) | Part::Cookie(..) => None,
        })
    }

    /// Returns what to send with one attempt.
    pub(crate) async fn prepare(&self, attempt: Attempt<'_>) -> Result<Proof, AuthError> {
        let mut proof = Proof::new();
        for part in &self.0 {
            proof.merge(match part {
                Part::Asked(credentials) => credentials.prepare(attempt).await?,
                part => part.fixed()?,
            });
        }
        Ok(proof)
    }

    /// Returns whether another attempt has better chances.
    pub(crate) async fn repair(&self, used: &Proof, refusal: &Refusal) -> bool {
        let mut repaired = false;
        for part in &self.0 {
            if let Part::Asked(credentials) = part {
                repaired |= credentials.repair(used, refusal).await;
            }
        }
        repaired
    }
}

impl Credentials for Auth {
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
        Box::pin(self.prepare(attempt))
    }

    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        Box::pin(self.repair(used, refusal))
    }

    fn identity(&self) -> Option<&ClientIdentity> {
        self.identity()
    }
}

impl Part {
    /// Returns what is the same in every attempt.
    fn fixed(&self) -> Result<Proof, HeaderError> {
        let proof = Proof::new();
        Ok(match self {
            Self::Header(name, value) => proof.header(name, value.expose())?,
            Self::Query(name, value) => proof.query(name, value.clone()),
            Self::Cookie(name, value) => proof.cookie(name, value.clone())?,
            Self::ClientCert(_, user) => proof.header("x-qlik-user", &user.to_header())?,
            Self::Asked(_) => proof,
        })
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, _) => write!(f, "header {name}"),
            Self::Query(name, _) => write!(f, "query {name}"),
            Self::Cookie(name, _) => write!(f, "cookie {name}"),
            Self::ClientCert(identity, user) => {
                f.debug_tuple("ClientCert").field(identity).field(user).finish()
            }
            // Nothing is known of how others write themselves.
            Self::Asked(_) => f.write_str("asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn no_auth_sends_nothing() {
        assert!(Auth::none().headers().unwrap().is_empty());
        assert!(Auth::default().identity().is_none());
    }

    #[test]
    fn bearer_is_sent_as_authorization_header() {
        let headers = Auth::bearer("abc.def").headers().unwrap();
        assert_eq!(headers[AUTHORIZATION], "Bearer abc.def");
        assert!(headers[AUTHORIZATION].is_sensitive());
    }

    #[test]
    fn token_with_a_line_break_is_refused_without_repeating_it() {
        let error = Auth::bearer("s3cret\n").headers().unwrap_err();
        assert_eq!(error, HeaderError::Value { name: "authorization".into() });
        assert!(!error.to_string().contains("s3cret"));
    }

    #[test]
    fn header_auth_has_any_name_and_a_user_with_domain() {
        let headers = Auth::header("hdr-usr", r"acme\jürgen").headers().unwrap();
        assert_eq!(headers["hdr-usr"].as_bytes(), r"acme\jürgen".as_bytes());
        assert!(headers["hdr-usr"].is_sensitive());
    }

    #[test]
    fn two_credentials_are_both_sent() {
        let auth = Auth::header("hdr-usr", "ada")
            .and(Auth::cookie("X-Qlik-Session-a", "1"))
            .and(Auth::cookie("b", "2"));
        let headers = auth.headers().unwrap();
        assert_eq!(
            (&headers["hdr-usr"], &headers["cookie"]),
            (&"ada".parse().unwrap(), &"X-Qlik-Session-a=1; b=2".parse().unwrap())
        );
        assert!(!auth.is_asked() && auth.and(Auth::ticket("t")).is_asked());
    }

    #[test]
    fn debug_hides_every_secret() {
        let auth = Auth::bearer("s3cret").and(Auth::ticket("s3cret")).and(Auth::cookie("c", "s3cret"));
        assert_eq!(format!("{auth:?}"), "Auth([header authorization, query qlikTicket, cookie c])");
    }
}
