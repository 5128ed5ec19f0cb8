//! Sockets to a Qlik engine: WebSocket over TCP and TLS, credentials, an in-memory pair.
//!
//! A [`WsConnect`] is built once from an [`Endpoint`], an [`Auth`], [`TlsSettings`] and [`Limits`], and makes a connected
//! [`WsSocket`] each time it is asked. What runs on top needs only the two traits [`Connect`] and [`Socket`], so an in-memory
//! [`memory::pair`] or a socket of your own serves as well.
//!
//! ```text
//! WsConnect ── Dialer ── Stream (TCP or TLS) ── HTTP upgrade ── WsSocket: Socket
//! MemoryConnect ─────────────────────────────────────────── MemorySocket: Socket
//! ```
//!
//! On the way out a [`Dialer`] looks the name up, races the addresses it has, lets a proxy open a tunnel where [`Proxies`] say
//! so, and speaks TLS. Each of these stages has a deadline in [`Limits`], and [`ConnectError`] says in which it failed.
//!
//! # What is not here
//!
//! This crate moves whole messages and knows nothing of what they say: no JSON-RPC, no request ids, no handles. It does not
//! reconnect, sends no ping of its own (some Qlik proxies wedge on them), offers no WebSocket extension and no subprotocol.
//! It needs a tokio runtime with time and I/O enabled, and starts no task in it. There are no cargo features: all of it is there.
//!
//! # Your own sockets
//!
//! Whoever needs another way to the engine implements [`Connect`], and puts a [`WsSocket`] over any byte stream by
//! [`WsSocket::after_upgrade`], or implements [`Socket`] for something that is no WebSocket at all. The example `unix_socket` does the
//! first for Unix domain sockets.
//!
//! # Example
//!
//! ```no_run
//! use qix_transport::{
//!     Auth, ClientIdentity, CloseCode, Connect, Endpoint, Message, QlikUser, SocketExt, WsConnect,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let identity = ClientIdentity::from_pem_dir("certificates")?;
//! let connect = WsConnect::builder(Endpoint::parse("wss://sense.example.com:4747/app/engineData")?)
//!     .auth(Auth::client_cert(identity, QlikUser::new("INTERNAL", "sa_engine")))
//!     .build()?;
//!
//! let mut socket = connect.connect().await?;
//! socket.send_text(r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#).await?;
//! if let Message::Text(text) = socket.receive().await? {
//!     assert!(text.starts_with(b"{"));
//! }
//! socket.close(CloseCode::NORMAL, "").await;
//! # Ok(())
//! # }
//! ```

mod auth;
mod closed;
mod config;
mod connect;
mod dial;
mod endpoint;
mod error;
mod headers;
mod hint;
mod http_client;
pub mod memory;
mod outgoing;
mod prefixed;
mod printable;
mod progress;
mod redact;
mod socket;
mod socket_ext;
mod stream;
mod tls;
mod upgrade;
mod ws;
mod ws_connect;

pub use auth::{
    Auth, AuthError, AuthFuture, ClientIdentity, CloudSession, Credentials, IdentityError, Login, OAuth,
    Proof, ProxySession, QlikUser, QpsTicket, Secret, Token, TokenSource,
};
pub use closed::{Closed, ClosedBy};
pub use config::Limits;
pub use connect::Connect;
pub use dial::{Dialer, Proxies, Proxy, ProxyError};
pub use endpoint::{Endpoint, EndpointBuilder, EndpointError};
pub use error::{ConnectError, Refusal, SetupError, Stage};
pub use headers::{HeaderError, Headers};
pub use http_client::Attempt;
pub use memory::{MemoryAcceptor, MemoryConnect, MemorySocket};
pub use prefixed::Prefixed;
pub use printable::printable;
pub use progress::{Progress, ServerCertificates};
pub use qix_protocol::{Advice, CloseCode, CloseReason};
pub use redact::{is_secret_parameter, redact_url, redact_url_where};
pub use socket::{Message, Socket};
pub use socket_ext::SocketExt;
pub use stream::Stream;
pub use tls::{CertificateFault, CertificateInfo, CertificateRefused, TlsError, TlsSettings};
pub use ws::WsSocket;
pub use ws_connect::{WsConnect, WsConnectBuilder};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
