//! Credentials of a connection.

mod bearer;
mod cached;
mod cookies;
mod credentials;
mod error;
mod identity;
mod kinds;
mod login;
mod oauth;
mod secret;
mod session;
mod ticket;
mod user;

pub use bearer::{Token, TokenSource};
pub(crate) use cookies::Cookies;
pub use credentials::{AuthFuture, Credentials, Proof};
pub use error::AuthError;
pub use identity::{ClientIdentity, IdentityError};
pub use kinds::Auth;
pub use login::Login;
pub use oauth::OAuth;
pub use secret::Secret;
pub use session::{CloudSession, ProxySession};
pub use ticket::QpsTicket;
pub use user::QlikUser;

use crate::Endpoint;

/// Returns the prefix of the virtual proxy, without slashes around it: what stands before `/app/` in the path.
fn prefix_of(endpoint: &Endpoint) -> &str {
    let path = endpoint.path_and_query();
    let path = &path[..path.find('?').unwrap_or(path.len())];
    let end = path.find("/app/").or_else(|| path.ends_with("/app").then(|| path.len() - 4));
    path[..end.unwrap_or(path.len())].trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_what_stands_before_app() {
        for (url, prefix) in [
            ("wss://h/app/engineData", ""),
            ("wss://h//app/engineData", ""),
            ("wss://h/sales/eu/app/x?y=/app/", "sales/eu"),
            ("wss://h/jwt/app", "jwt"),
            ("wss://h/jwt/", "jwt"),
            ("wss://h", ""),
        ] {
            assert_eq!(prefix_of(&Endpoint::parse(url).unwrap()), prefix, "{url}");
        }
    }
}
