//! What clients of a forward proxy ask for first, and who serves them then.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use bytes::Bytes;
use qix_transport::{Endpoint, Prefixed};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Forward,
    head::{Asked, Unasked, What},
    standin::StandIn,
    targets, tunnel,
};
use crate::{
    entrance::Entrance,
    faults::Reset,
    front::{self, Front},
    listen::{AnyStream, is_distrust},
};

/// The first byte of whatever speaks TLS.
const HANDSHAKE: u8 = 0x16;

const IN_THE_CLEAR: &str = "the credentials given to this recorder go to this host over TLS only, for any page can link to its http:// URL; \
                            use https://, or name the port with the host in --intercept";

/// Serves one client of a forward proxy, which is at `from` unless it came over a Unix socket, and can be `reset` if faults are made.
pub(crate) async fn serve(
    stream: AnyStream,
    (from, reset): (Option<SocketAddr>, Option<Arc<Reset>>),
    forward: Arc<Forward>,
    front: Arc<Front>,
) {
    let from = from.map(|from| from.ip());
    let mut draining = front.draining.clone();
    // Boxed, so that an open connection does not carry the memory of its beginning around.
    let begun = Box::pin(begin(stream, from, &forward, &front));
    let begun = tokio::select! {
        begun = begun => begun,
        _ = draining.wait_for(|draining| *draining) => return,
    };
    match begun {
        Ok(Some((stream, entrance))) => {
            drop(forward);
            front::serve(stream, Entrance { reset, ..entrance }, front).await;
        }
        Ok(None) => {}
        Err(error) => tracing::debug!("a client of the forward proxy was lost: {error}"),
    }
}

/// Serves what is not to be recorded, and returns the rest: how a client came in that speaks as if to the host itself.
async fn begin(
    mut stream: AnyStream,
    from: Option<IpAddr>,
    forward: &Arc<Forward>,
    front: &Front,
) -> io::Result<Option<(AnyStream, Entrance)>> {
    let Asked { what, to, rest } = match timeout(front.header_timeout, Asked::read(&mut stream)).await {
        Ok(Ok(asked)) => asked,
        Ok(Err(why)) => return turn_away(stream, why).await.map(|()| None),
        Err(_) => return Ok(None),
    };
    if let Err(forbidden) = targets::check(&to, &forward.own, from, front.header_timeout).await {
        let sentence = forbidden.sentence();
        tracing::warn!("refused to lead a client to {}:{}: {sentence}", to.host(), to.port());
        return refuse(stream, "403 Forbidden", sentence).await.map(|()| None);
    }
    let stand_in = if forward.patterns.matches(&to) {
        match forward.stand_ins.get(&to) {
            Ok(stand_in) => stand_in,
            Err(error) => {
                if forward.is_news(to.host()) {
                    tracing::warn!("cannot stand in for {}: {error}", to.host());
                }
                return refuse(stream, "403 Forbidden", &error.to_string()).await.map(|()| None);
            }
        }
    } else {
        pass(stream, what, &to, forward.seen_from(&to, from), &rest, front).await?;
        return Ok(None);
    };
    match what {
        What::Request(_) if forward.would_tell(&to, front) => {
            tracing::warn!("refused plain HTTP to {}: {IN_THE_CLEAR}", to.host());
            refuse(stream, "403 Forbidden", IN_THE_CLEAR).await.map(|()| None)
        }
        What::Tunnel => {
            stream.write_all(tunnel::CONNECTED).await?;
            intercept(stream, rest, stand_in, &to, forward, front).await
        }
        What::Request(request) => {
            let stream = Prefixed::new([&request.head(&to, false), &rest[..]].concat().into(), stream);
            // The next request may be for another host.
            let entrance = Entrance { upstream: Some(stand_in.plain), single: true, ..Entrance::default() };
            Ok(Some((Box::new(stream), entrance)))
        }
    }
}

/// Leads a client to a host that is not to be recorded.
async fn pass(
    stream: AnyStream,
    what: What,
    to: &Endpoint,
    from: Option<IpAddr>,
    rest: &[u8],
    front: &Front,
) -> io::Result<()> {
    match what {
        What::Tunnel => tunnel::run(stream, to, from, rest, front).await,
        What::Request(request) => tunnel::one(stream, &request, to, from, rest, front).await,
    }
}

/// Finds out what a client speaks with the host that we stand in for.
async fn intercept(
    mut stream: AnyStream,
    mut rest: Bytes,
    stand_in: StandIn,
    to: &Endpoint,
    forward: &Forward,
    front: &Front,
) -> io::Result<Option<(AnyStream, Entrance)>> {
    if rest.is_empty() {
        let mut first = [0];
        // Browsers open tunnels that they may need later.
        match timeout(front.header_timeout, stream.read(&mut first)).await {
            Ok(Ok(1)) => rest = Bytes::copy_from_slice(&first),
            _ => return Ok(None),
        }
    }
    let StandIn { secure, plain, config } = stand_in;
    let speaks_tls = rest.first() == Some(&HANDSHAKE);
    let stream = Prefixed::new(rest, stream);
    if !speaks_tls && forward.would_tell(to, front) {
        tracing::warn!("refused plain HTTP to {}: {IN_THE_CLEAR}", to.host());
        return refuse(stream, "403 Forbidden", IN_THE_CLEAR).await.map(|()| None);
    }
    if !speaks_tls {
        let entrance = Entrance { upstream: Some(plain), ..Entrance::default() };
        return Ok(Some((Box::new(stream), entrance)));
    }
    match timeout(front.header_timeout, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let entrance = Entrance { secure: true, upstream: Some(secure), ..Entrance::default() };
            Ok(Some((Box::new(stream), entrance)))
        }
        Ok(Err(error)) => {
            // Programs that pin certificates often just hang up.
            let is_distrust = is_distrust(&error) || error.kind() == io::ErrorKind::UnexpectedEof;
            if is_distrust && forward.is_news(to.host()) {
                tracing::warn!(
                    "a client did not take the certificate made here for {}: `qix-proxy ca install-help` says how it can trust it; if it pins \
                     certificates, it never will, so leave the host out of --intercept",
                    to.host()
                );
            }
            Err(error)
        }
        Err(_) => Ok(None),
    }
}

async fn turn_away(stream: AnyStream, why: Unasked) -> io::Result<()> {
    let (status, sentence) = match why {
        Unasked::Gone => return Ok(()),
        Unasked::NoHttp => {
            tracing::warn!("something on this port spoke no HTTP; this is a forward proxy for Qlik clients");
            ("400 Bad Request", "this is a forward proxy, and that was no HTTP")
        }
        Unasked::TooLong => ("431 Request Header Fields Too Large", "the head of the request is too long"),
        Unasked::NoProxy => (
            "400 Bad Request",
            "this is a forward proxy: name it as the proxy in your browser's or program's settings, and open the URL of the engine itself",
        ),
        Unasked::NoHost => (
            "400 Bad Request",
            "this proxy takes CONNECT with host and port, and other requests with a whole http:// URL",
        ),
    };
    refuse(stream, status, sentence).await
}

/// Answers with a sentence, and hangs up.
pub(super) async fn refuse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    status: &str,
    sentence: &str,
) -> io::Result<()> {
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{sentence}\n",
        sentence.len() + 1
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
