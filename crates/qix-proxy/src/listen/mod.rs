//! Where clients come in: addresses, Unix sockets, and TLS in front of them.

mod address;
mod error;
mod plain;
mod sockets;
mod tls;
#[cfg(unix)]
mod unix;

pub use address::{ListenOn, ListenOnError};
pub use error::ListenError;
pub(crate) use sockets::{Came, Listening};
pub use tls::{FrontTls, FrontTlsError};
pub(crate) use tls::{Guard, is_distrust, server_config};
use tokio::io::{AsyncRead, AsyncWrite};

/// A connection with a client, whatever it goes over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A connection that is not plain TCP, which alone is worth code of its own.
pub(crate) type AnyStream = Box<dyn Io>;
