//! A connected byte stream.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::client::TlsStream;

use crate::prefixed::Prefixed;

/// A connected byte stream, TCP or TLS over TCP, perhaps through a proxy's tunnel, as [`Dialer::dial`](crate::Dialer::dial) makes it.
///
/// Dropping it closes the connection; shut it down first to let a TLS peer know that nothing was cut off.
#[derive(Debug)]
pub struct Stream(Kind);

#[derive(Debug)]
enum Kind {
    Tcp(Prefixed<TcpStream>),
    // Boxed, because the state of a TLS connection is a kilobyte that plain streams should not carry around.
    Tls(Box<TlsStream<Prefixed<TcpStream>>>),
}

impl Stream {
    /// Returns whether the stream is encrypted.
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tls(_))
    }

    /// Returns the address at the other end of the TCP connection, which is that of the proxy if there is one.
    ///
    /// # Errors
    ///
    /// What the system says, mostly that the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Kind::Tcp(stream) => stream.get_ref().peer_addr(),
            Kind::Tls(stream) => stream.get_ref().0.get_ref().peer_addr(),
        }
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Prefixed::new(Bytes::new(), stream).into()
    }
}

impl From<Prefixed<TcpStream>> for Stream {
    fn from(stream: Prefixed<TcpStream>) -> Self {
        Self(Kind::Tcp(stream))
    }
}

impl From<TlsStream<Prefixed<TcpStream>>> for Stream {
    fn from(stream: TlsStream<Prefixed<TcpStream>>) -> Self {
        Self(Kind::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Kind::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Kind::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Kind::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Kind::Tcp(stream) => stream.is_write_vectored(),
            Kind::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Kind::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Kind::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
