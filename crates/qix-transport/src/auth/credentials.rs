//! What proves who a connection is, asked before each attempt.

use std::pin::Pin;

use http::HeaderMap;

use super::{cached::Mark, cookies::Cookies};
use crate::{
    AuthError, ClientIdentity, Endpoint, EndpointError, HeaderError, Headers, Refusal, Secret,
    http_client::Attempt,
};

/// What [`Credentials`] return.
pub type AuthFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Proves who a connection is; a connector asks before each attempt.
///
/// Use it by [`Auth::new`](crate::Auth::new). Values are shared by all attempts of a connector, also by those that run at once.
///
/// ```
/// use qix_transport::{Attempt, Auth, AuthError, AuthFuture, Credentials, Proof};
///
/// struct FromVault;
///
/// impl Credentials for FromVault {
///     fn prepare<'a>(&'a self, _: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>> {
///         Box::pin(async { Ok(Proof::new().header("X-Api-Key", &read_vault().await?)?) })
///     }
/// }
/// # async fn read_vault() -> Result<String, AuthError> { Ok(String::new()) }
///
/// let auth = Auth::new(FromVault);
/// # let _ = auth;
/// ```
pub trait Credentials: Send + Sync {
    /// Returns what to send with one attempt. Bounded by the deadline for connecting.
    fn prepare<'a>(&'a self, attempt: Attempt<'a>) -> AuthFuture<'a, Result<Proof, AuthError>>;

    /// Hears that the server refused `used`, and returns whether the next [`prepare`](Self::prepare) gives something better; if so
    /// the connector tries once more, and not twice. The default returns no.
    fn repair<'a>(&'a self, used: &'a Proof, refusal: &'a Refusal) -> AuthFuture<'a, bool> {
        let _ = (used, refusal);
        Box::pin(async { false })
    }

    /// Returns the certificate to show to the engine, if there is one. Asked when a connector is built, because attempts share
    /// one set of TLS settings.
    fn identity(&self) -> Option<&ClientIdentity> {
        None
    }
}

/// What goes with one attempt: headers, query parameters and cookies. `Debug` shows names only.
#[derive(Clone, Debug, Default)]
pub struct Proof {
    pub(crate) headers: Headers,
    pub(crate) query: Vec<(Box<str>, Secret)>,
    pub(crate) cookies: Cookies,
    pub(crate) marks: Vec<Mark>,
}

impl Proof {
    /// Returns one that proves nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a header, in the place of one with the same name. `Origin` is one. A `Cookie` header is taken apart, so that its
    /// cookies go with others.
    ///
    /// # Errors
    ///
    /// [`HeaderError`] if it cannot be sent.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        if name.eq_ignore_ascii_case("cookie") {
            self.cookies.set_all(value)?;
            return Ok(self);
        }
        self.headers.merge(&Headers::new().header(name, value)?);
        Ok(self)
    }

    /// Adds a query parameter, in the place of one with the same name. Name and value are plain text; encoding is done here.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<Secret>) -> Self {
        self.query.retain(|(found, _)| **found != *name);
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a cookie, in the place of one with the same name.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Cookie`] if it cannot be sent.
    pub fn cookie(mut self, name: &str, value: impl Into<Secret>) -> Result<Self, HeaderError> {
        self.cookies.set(name, value.into())?;
        Ok(self)
    }

    /// Returns the headers, cookies not among them, all values marked sensitive.
    pub fn headers(&self) -> &HeaderMap {
        self.headers.as_map()
    }

    /// Returns the kinds and names of what is sent, for reports.
    pub(crate) fn names(&self) -> Vec<String> {
        let headers = self.headers().keys().map(|name| format!("header {name}"));
        let query = self.query.iter().map(|(name, _)| format!("query {name}"));
        let cookies = self.cookies.names().map(|name| format!("cookie {name}"));
        headers.chain(query).chain(cookies).collect()
    }

    /// Takes over all of `other`, in the place of what has the same name.
    pub(crate) fn merge(&mut self, other: Self) {
        self.headers.merge(&other.headers);
        for (name, value) in other.query {
            self.query.retain(|(found, _)| *found != name);
            self.query.push((name, value));
        }
        self.cookies.merge(&other.cookies);
        self.marks.extend(other.marks);
    }

    /// Returns the endpoint with the query parameters of this, in the place of those with the same name, whatever its case.
    pub(crate) fn apply_query(&self, endpoint: &Endpoint) -> Result<Endpoint, EndpointError> {
        self.query.iter().try_fold(endpoint.clone(), |endpoint, (name, value)| {
            endpoint.with_parameter(name, value.expose())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(url: &str, proof: &Proof) -> String {
        proof.apply_query(&Endpoint::parse(url).unwrap()).unwrap().path_and_query().to_owned()
    }

    #[test]
    fn query_parameters_are_encoded_and_replace_those_of_the_url() {
        let proof = Proof::new().query("qlik-csrf-token", "a&b=c/+");
        assert_eq!(applied("ws://h/app/x", &proof), "/app/x?qlik-csrf-token=a%26b%3Dc%2F%2B");
        assert_eq!(
            applied("ws://h/app/x?from=1&qlik-csrf-token=old&y=%2F", &proof),
            "/app/x?from=1&y=%2F&qlik-csrf-token=a%26b%3Dc%2F%2B"
        );
        assert_eq!(applied("ws://h/app/x?", &Proof::new()), "/app/x?");
        let ticket = Proof::new().query("qlikTicket", "new");
        assert_eq!(applied("ws://h/app/x?QlikTicket=old", &ticket), "/app/x?qlikTicket=new");
    }

    #[test]
    fn later_proof_wins_by_name() {
        let mut proof = Proof::new().header("a", "1").unwrap().query("q", "1").cookie("c", "1").unwrap();
        proof.merge(Proof::new().header("A", "2").unwrap().query("q", "2").cookie("c", "2").unwrap());
        let mut headers = proof.headers().clone();
        proof.cookies.write(&mut headers).unwrap();
        assert_eq!(
            (headers.len(), &headers["a"], &headers["cookie"]),
            (2, &"2".parse().unwrap(), &"c=2".parse().unwrap())
        );
        assert_eq!(applied("ws://h/", &proof), "/?q=2");
    }

    #[test]
    fn debug_shows_names_only() {
        let proof =
            Proof::new().header("a", "s3cret").unwrap().query("q", "s3cret").cookie("c", "s3cret").unwrap();
        assert!(!format!("{proof:?}").contains("s3cret"));
    }
}
