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
pub(crate) use cookies::{Cookies, Jar};
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
