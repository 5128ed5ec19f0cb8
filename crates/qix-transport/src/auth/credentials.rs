//! What proves who a connection is, asked before each attempt.

use std::pin::Pin;

use http::{HeaderMap, HeaderName, Request, uri::PathAndQuery};

use super::{cached::Mark, cookies::Cookies};
use crate::{
    AuthError, ClientIdentity, Endpoint, EndpointError, HeaderError, Headers, Refusal, Secret,
    endpoint::with_parameter, headers::replace, http_client::Attempt, is_secret_parameter,
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

    /// Puts all of this into a request that somebody else has made: headers, query parameters and cookies take the place of those
    /// with the same name, the others stay.
    ///
    /// # Errors
    ///
    /// [`AuthError`] if path and query get too long, or if the cookies together cannot be sent.
    pub fn apply<B>(&self, request: &mut Request<B>) -> Result<(), AuthError> {
        if !self.query.is_empty() {
            let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
            let target = self.query_in(target)?;
            *request.uri_mut() = PathAndQuery::try_from(target).map_err(|_| EndpointError::Path)?.into();
        }
        replace(request.headers_mut(), self.headers());
        self.cookies.write_among(request.headers_mut())?;
        Ok(())
    }

    /// Returns what nobody should see of this: the values of headers other than `Host`, `Origin` and `User-Agent`, of query
    /// parameters that [are secret](is_secret_parameter), and of cookies.
    pub fn secrets(&self) -> Vec<Secret> {
        let public = |name: &HeaderName| matches!(name.as_str(), "host" | "origin" | "user-agent");
        let headers = self.headers().iter().filter(|(name, _)| !public(name));
        let headers = headers.map(|(_, value)| String::from_utf8_lossy(value.as_bytes()).into_owned().into());
        let query = self.query.iter().filter(|(name, _)| is_secret_parameter(name));
        headers.chain(query.map(|(_, value)| value.clone())).chain(self.cookies.values().cloned()).collect()
    }

    /// Returns the endpoint with the query parameters of this, in the place of those with the same name.
    pub(crate) fn apply_query(&self, endpoint: &Endpoint) -> Result<Endpoint, EndpointError> {
        if self.query.is_empty() {
            return Ok(endpoint.clone());
        }
        endpoint.with_path(&self.query_in(endpoint.path_and_query())?)
    }

    fn query_in(&self, path_and_query: &str) -> Result<String, EndpointError> {
        if self.query.iter().any(|(name, _)| name.is_empty()) {
            return Err(EndpointError::Parameter);
        }
        let start = path_and_query.to_owned();
        Ok(self.query.iter().fold(start, |text, (name, value)| with_parameter(&text, name, value.expose())))
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
    fn applied_proof_replaces_by_name_and_leaves_the_rest() {
        let mut request = Request::get("/app/x?qlikTicket=old&y=%2F")
            .header("cookie", "a=1; X-Qlik-Session=old;lb=7")
            .header("cookie", "b=2")
            .header("authorization", "old")
            .header("x-other", "kept")
            .body(())
            .unwrap();
        let proof = Proof::new().header("Authorization", "Bearer new").unwrap().query("qlikTicket", "new");
        let proof = proof.cookie("X-Qlik-Session", "new").unwrap();
        proof.apply(&mut request).unwrap();
        assert_eq!(request.uri(), "/app/x?y=%2F&qlikTicket=new");
        assert_eq!(request.headers()["cookie"], "a=1; lb=7; b=2; X-Qlik-Session=new");
        assert_eq!(request.headers().get_all("cookie").iter().count(), 1);
        assert_eq!(request.headers()["authorization"], "Bearer new");
        assert_eq!(request.headers()["x-other"], "kept");
        let before = (request.uri().clone(), request.headers().clone());
        Proof::new().apply(&mut request).unwrap();
        assert_eq!((request.uri(), request.headers()), (&before.0, &before.1));
    }

    #[test]
    fn secrets_are_all_values_but_those_that_name_places() {
        let proof = Proof::new().header("origin", "https://h").unwrap().header("x-key", "1").unwrap();
        let proof = proof.query("qlik-csrf-token", "2").query("qlik-web-integration-id", "id");
        let proof = proof.cookie("c", "3").unwrap();
        let secrets = proof.secrets();
        assert_eq!(secrets.iter().map(Secret::expose).collect::<Vec<_>>(), ["1", "2", "3"]);
    }

    #[test]
    fn debug_shows_names_only() {
        let proof =
            Proof::new().header("a", "s3cret").unwrap().query("q", "s3cret").cookie("c", "s3cret").unwrap();
        assert!(!format!("{proof:?}").contains("s3cret"));
    }
}
