//! Sockets of one's own: a WebSocket over any byte stream, here over a Unix domain socket.
//!
//! An engine in a container may listen on such a socket only. Shows what a [`Connect`] needs: a stream, the HTTP upgrade on it (here
//! by hyper), and [`WsSocket::after_upgrade`] for all that follows. Whoever takes a [`Connect`] takes this one as well.
//!
//! `cargo run --example unix_socket -- /run/engine.sock` asks the engine there for its version.

use std::io;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use qix_transport::{Connect, ConnectError, Endpoint, Limits, Stage, WsSocket};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};

/// Makes WebSockets over the streams that `dial` makes.
pub(crate) struct ConnectOver<F> {
    /// What to ask for, and whom to name in errors; nobody looks its host up.
    pub(crate) endpoint: Endpoint,
    pub(crate) limits: Limits,
    pub(crate) dial: F,
}

impl<F, D, S> Connect for ConnectOver<F>
where
    F: Fn() -> D + Send + Sync,
    D: Future<Output = io::Result<S>> + Send,
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    type Socket = WsSocket<S>;

    async fn connect(&self) -> Result<WsSocket<S>, ConnectError> {
        let peer = || self.endpoint.authority().into();
        let attempt = async {
            let stream = (self.dial)().await.map_err(|source| ConnectError::Tcp { peer: peer(), source })?;
            let (stream, leftover) = upgrade(stream, &self.endpoint)
                .await
                .map_err(|source| ConnectError::NotWebSocket { peer: peer(), source })?;
            Ok(WsSocket::after_upgrade(stream, leftover, self.limits).await)
        };
        // A peer that says nothing must not keep the caller for ever.
        let limit = self.limits.connect_timeout;
        match timeout(limit, attempt).await {
            Ok(outcome) => outcome,
            Err(_) => Err(ConnectError::Timeout { peer: peer(), stage: Stage::Upgrade, limit }),
        }
    }
}

/// Makes a WebSocket of a stream; the bytes are what came behind the answer.
async fn upgrade<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
    stream: S,
    endpoint: &Endpoint,
) -> Result<(S, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let key = generate_key();
    let request = Request::get(endpoint.path_and_query())
        .header(header::HOST, endpoint.authority())
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_VERSION, "13")
        .header(header::SEC_WEBSOCKET_KEY, &key)
        .body(Empty::<Bytes>::new())?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Hyper's connection must be polled for the exchange to move; it ends once the server has switched, or the sender is gone.
    let exchange = async move { sender.send_request(request).await };
    let (response, parts) = tokio::try_join!(exchange, connection.without_shutdown())?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(format!("the answer to the upgrade is {}", response.status()).into());
    }
    let accept = response.headers().get(header::SEC_WEBSOCKET_ACCEPT);
    if accept.is_none_or(|accept| accept != derive_accept_key(key.as_bytes()).as_str()) {
        return Err("the answer to the upgrade does not fit the key".into());
    }
    Ok((parts.io.into_inner(), parts.read_buf))
}

#[cfg(unix)]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;

    use qix_transport::{CloseCode, Message, SocketExt};

    let path = std::env::args_os().nth(1).ok_or("usage: unix_socket PATH")?;
    let connect = ConnectOver {
        endpoint: Endpoint::parse("ws://localhost/app/engineData")?,
        limits: Limits::default(),
        dial: || tokio::net::UnixStream::connect(&path),
    };
    let mut socket = connect.connect().await?;
    let request = r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"EngineVersion","params":[]}"#;
    socket.send_text(request).await?;
    loop {
        // Greetings may come first, and have no id.
        if let Message::Text(text) = socket.receive().await?
            && text.windows(6).any(|window| window == br#""id":1"#)
        {
            std::io::stdout().lock().write_all(&text)?;
            break;
        }
    }
    socket.close(CloseCode::NORMAL, "").await;
    Ok(())
}

#[cfg(not(unix))]
fn main() {}
