//! Passing bytes on to hosts that are nobody's business.

use std::{io, net::IpAddr};

use qix_transport::Endpoint;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};

use super::{door::refuse, targets};
use crate::{front::Front, upstream::UpstreamError};

/// Connects a client with `to` and passes bytes on until both sides have ended. `answer` tells the client that
/// it is connected, `first` is for the other side.
pub(super) async fn run(
    mut client: impl AsyncRead + AsyncWrite + Unpin,
    to: &Endpoint,
    from: Option<IpAddr>,
    answer: &[u8],
    first: &[u8],
    front: &Front,
) -> io::Result<()> {
    let mut server = match front.upstream.dialer.dial_tcp(to).await {
        Ok(server) => server,
        Err(error) => {
            let sentence = UpstreamError::from(error).sentence();
            tracing::debug!("no tunnel: {sentence}");
            return refuse(client, "502 Bad Gateway", &sentence).await;
        }
    };
    if let Err(forbidden) = targets::check_reached(server.peer_addr(), from) {
        return refuse(client, "403 Forbidden", forbidden.sentence()).await;
    }
    client.write_all(answer).await?;
    server.write_all(first).await?;
    copy_bidirectional(&mut client, &mut server).await.map(|_| ())
}
