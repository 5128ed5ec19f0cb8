//! The sockets that are listened on.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpListener, TcpStream};

#[cfg(unix)]
use super::unix::UnixSocket;
use super::{ListenError, ListenOn};

/// How long to wait before accepting again when the system has no more sockets to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Everything that one server listens on.
#[derive(Debug)]
pub(crate) struct Listening {
    sockets: Vec<Bound>,
    /// Which socket is asked first, so that a busy one does not keep others waiting.
    next: usize,
}

#[derive(Debug)]
enum Bound {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(UnixSocket),
}

/// A client that has connected.
#[derive(Debug)]
pub(crate) enum Came {
    /// From an address.
    Tcp(TcpStream, SocketAddr),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listening {
    /// Binds all of `places`, or none of them and says which could not be had.
    pub(crate) async fn bind(places: &[ListenOn]) -> Result<Self, ListenError> {
        let mut sockets = Vec::with_capacity(places.len());
        for place in places {
            sockets.push(
                Bound::new(place).await.map_err(|source| ListenError { place: place.clone(), source })?,
            );
        }
        Ok(Self { sockets, next: 0 })
    }

    /// Returns what is listened on, with the ports that were taken.
    pub(crate) fn places(&self) -> Vec<ListenOn> {
        let place = |bound: &Bound| match bound {
            Bound::Tcp(_, address) => ListenOn::Tcp(*address),
            #[cfg(unix)]
            Bound::Unix(socket) => ListenOn::Unix(socket.path().to_owned()),
        };
        self.sockets.iter().map(place).collect()
    }

    /// Returns the next client. If the system has none to give, says so and waits.
    ///
    /// # Cancellation
    ///
    /// Safe: no client is lost.
    pub(crate) async fn accept(&mut self) -> Came {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(Came::Tcp(stream, from)) => {
                    // Messages are small and waited for.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!("cannot set TCP_NODELAY: {error}");
                    }
                    return Came::Tcp(stream, from);
                }
                #[cfg(unix)]
                Ok(came) => return came,
                Err(error) => {
                    tracing::warn!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Came>> {
        let count = self.sockets.len();
        for at in (0..count).map(|step| (self.next + step) % count) {
            if let Poll::Ready(came) = self.sockets[at].poll_accept(cx) {
                self.next = at + 1;
                return Poll::Ready(came);
            }
        }
        Poll::Pending
    }
}

impl Bound {
    async fn new(place: &ListenOn) -> io::Result<Self> {
        match place {
            ListenOn::Tcp(address) => {
                let listener = TcpListener::bind(address).await?;
                let address = listener.local_addr()?;
                Ok(Self::Tcp(listener, address))
            }
            #[cfg(unix)]
            ListenOn::Unix(path) => UnixSocket::bind(path).map(Self::Unix),
            #[cfg(not(unix))]
            ListenOn::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Came>> {
        match self {
            Self::Tcp(listener, _) => {
                listener.poll_accept(cx).map_ok(|(stream, from)| Came::Tcp(stream, from))
            }
            #[cfg(unix)]
            Self::Unix(socket) => socket.poll_accept(cx).map_ok(Came::Unix),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[tokio::test]
    async fn what_cannot_be_bound_leaves_nothing_bound() {
        let busy = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let taken = ListenOn::Tcp(busy.local_addr().unwrap());
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let error = Listening::bind(&[ListenOn::Tcp(address), taken.clone()]).await.unwrap_err();
        assert_eq!((error.place, error.source.kind()), (taken, io::ErrorKind::AddrInUse));
        drop(TcpListener::bind(address).await.unwrap());
    }
}
