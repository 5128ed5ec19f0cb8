//! HTTP beside the sockets, on the same port: the files of a page, the login of a Sense virtual proxy, bodies of any size.
//!
//! It is strict about what proxies get wrong: the `Host` it is addressed by, the `Origin` of a login and of a socket,
//! the session cookie, and the CSRF token in the query.

mod answers;
mod bodies;
mod config;
mod login;
mod pages;
mod server;

pub use config::{Front, Login};
pub(crate) use server::{FrontServer, Upgrading};
