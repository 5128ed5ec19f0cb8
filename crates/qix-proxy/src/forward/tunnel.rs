//! Passing bytes on to hosts that are nobody's business.

use std::{io, net::IpAddr, pin::pin};

use qix_transport::{Endpoint, Stream};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, copy_bidirectional, split},
    time::timeout,
};

use super::{door::refuse, head::Request, targets};
use crate::{
    front::{Front, heads::Heads},
    upstream::UpstreamError,
};

/// What a client is told that has its tunnel.
pub(super) const CONNECTED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
/// How an answer begins that makes a WebSocket of a connection.
const SWITCHED: &[u8] = b"HTTP/1.1 101";
/// How many bytes of a request's body are passed on at once.
const PIECE: usize = 8 << 10;

/// Connects a client with `to` and passes bytes on until both sides have ended. `first` is for the other side.
pub(super) async fn run(
    client: impl AsyncRead + AsyncWrite + Unpin,
    to: &Endpoint,
    from: Option<IpAddr>,
    first: &[u8],
    front: &Front,
) -> io::Result<()> {
    let Some((mut client, mut server)) = connect(client, to, from, front).await? else { return Ok(()) };
    client.write_all(CONNECTED).await?;
    server.write_all(first).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}

/// Sends one request on, of which `rest` came behind the head, and passes its answer back. What else the client sends is for
/// the proxy, and maybe about another host, so that it goes nowhere; unless the answer is the beginning of a WebSocket.
pub(super) async fn one(
    client: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request,
    to: &Endpoint,
    from: Option<IpAddr>,
    rest: &[u8],
    front: &Front,
) -> io::Result<()> {
    let head = request.head(to, true);
    let mut heads = Heads::default();
    if let Err(found) = heads.one(&head) {
        tracing::warn!("refused a request that {}", found.what);
        let sentence = format!("this request {}, so that two servers could read it in two ways", found.what);
        return refuse(client, "400 Bad Request", &sentence).await;
    }
    let Some((mut client, mut server)) = connect(client, to, from, front).await? else { return Ok(()) };
    server.write_all(&head).await?;
    if request.is_socket() {
        let start = timeout(front.upstream.answer_timeout, beginning(&mut server)).await??;
        client.write_all(&start).await?;
        if start == SWITCHED {
            server.write_all(rest).await?;
            return copy_bidirectional(&mut client, &mut server).await.map(|_| ());
        }
    }
    let (mut from_client, mut to_client) = split(client);
    let (mut from_server, mut to_server) = split(server);
    let down = async {
        copy(&mut from_server, &mut to_client).await?;
        to_client.shutdown().await
    };
    let up = async {
        let mut piece = rest.to_vec();
        loop {
            let behind = match heads.one(&piece) {
                Ok(behind) => behind.map_or(0, <[u8]>::len),
                Err(found) => return Err(io::Error::new(io::ErrorKind::InvalidData, found.what)),
            };
            to_server.write_all(&piece[..piece.len() - behind]).await?;
            if behind > 0 {
                return Ok(true);
            }
            piece.resize(PIECE, 0);
            let read = from_client.read(&mut piece).await?;
            piece.truncate(read);
            if read == 0 {
                to_server.shutdown().await?;
                return Ok(false);
            }
        }
    };
    let mut down = pin!(down);
    let is_more = tokio::select! {
        biased;
        ended = &mut down => return ended,
        is_more = up => is_more?,
    };
    if is_more {
        // It was to close the connection behind its answer; if it does not, the client must not wait for an answer to the next request.
        return timeout(front.header_timeout, down).await?;
    }
    down.await
}

/// Connects to the other side, or tells the client why that cannot be.
async fn connect<C: AsyncRead + AsyncWrite + Unpin>(
    client: C,
    to: &Endpoint,
    from: Option<IpAddr>,
    front: &Front,
) -> io::Result<Option<(C, Stream)>> {
    let server = match front.upstream.dialer.dial_tcp(to).await {
        Ok(server) => server,
        Err(error) => {
            let sentence = UpstreamError::from(error).sentence();
            tracing::debug!("no tunnel: {sentence}");
            return refuse(client, "502 Bad Gateway", &sentence).await.map(|()| None);
        }
    };
    if let Err(forbidden) = targets::check_reached(server.peer_addr(), from) {
        return refuse(client, "403 Forbidden", forbidden.sentence()).await.map(|()| None);
    }
    Ok(Some((client, server)))
}

/// Reads as much of an answer as says whether it is a switch.
async fn beginning(server: &mut Stream) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    server.take(SWITCHED.len() as u64).read_to_end(&mut start).await?;
    Ok(start)
}
