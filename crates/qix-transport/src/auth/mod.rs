//! Credentials of a connection.

mod identity;
mod secret;
mod user;

pub use identity::{ClientIdentity, IdentityError};
pub use secret::Secret;
pub use user::QlikUser;

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};

use crate::{HeaderError, headers::sensitive_value};

/// How a connection proves who it is.
///
/// A value that connectors ask for headers and for a TLS identity. `Debug` shows no secret.
#[derive(Clone, Debug, Default)]
pub struct Auth(Kind);

#[derive(Clone, Debug, Default)]
enum Kind {
    #[default]
    None,
    Bearer(Secret),
    ClientCert(ClientIdentity, QlikUser),
}

impl Auth {
    /// Sends nothing: Qlik Sense Desktop, and an engine of one's own that checks no tokens. The default.
    pub fn none() -> Self {
        Self(Kind::None)
    }

    /// Sends `Authorization: Bearer <token>`: an API key or an OAuth access token on Qlik Cloud, a JWT on a virtual proxy that
    /// takes them or on an engine that checks them.
    pub fn bearer(token: impl Into<Secret>) -> Self {
        Self(Kind::Bearer(token.into()))
    }

    /// Shows a client certificate and sends `X-Qlik-User`: the way past the proxy, straight to an engine's port 4747.
    ///
    /// The engine trusts whoever holds the certificate and acts for `user`.
    pub fn client_cert(identity: ClientIdentity, user: QlikUser) -> Self {
        Self(Kind::ClientCert(identity, user))
    }

    /// Returns the headers to send on the upgrade, all marked sensitive.
    ///
    /// # Errors
    ///
    /// [`HeaderError::Value`] if the token holds a character that cannot stand in a header.
    pub fn headers(&self) -> Result<HeaderMap, HeaderError> {
        let mut headers = HeaderMap::new();
        match &self.0 {
            Kind::None => {}
            Kind::Bearer(token) => {
                headers
                    .insert(AUTHORIZATION, header("authorization", &format!("Bearer {}", token.expose()))?);
            }
            Kind::ClientCert(_, user) => {
                headers.insert("x-qlik-user", header("x-qlik-user", &user.to_header())?);
            }
        }
        Ok(headers)
    }

    /// Returns the certificate to show, if there is one.
    pub fn identity(&self) -> Option<&ClientIdentity> {
        match &self.0 {
            Kind::ClientCert(identity, _) => Some(identity),
            Kind::None | Kind::Bearer(_) => None,
        }
    }
}

fn header(name: &str, value: &str) -> Result<HeaderValue, HeaderError> {
    sensitive_value(value).ok_or_else(|| HeaderError::Value { name: name.into() })
}

#[cfg(test)]
mod tests {
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
    fn debug_hides_the_token() {
        assert_eq!(format!("{:?}", Auth::bearer("s3cret")), "Auth(Bearer(Secret(***)))");
    }
}
