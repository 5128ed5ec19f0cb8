//! What can be listened on.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

/// Something to listen on.
///
/// ```
/// use qix_proxy::ListenOn;
///
/// let tcp: ListenOn = "[::1]:9077".parse()?;
/// let unix: ListenOn = "unix:/run/qix/proxy.sock".parse()?;
/// assert_eq!(unix.to_string(), "unix:/run/qix/proxy.sock");
/// # let _ = tcp;
/// # Ok::<_, qix_proxy::ListenOnError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ListenOn {
    /// An address of this machine; port 0 takes a free one.
    Tcp(SocketAddr),
    /// The path of a Unix socket, which only its owner can connect to. One that a dead process has left is replaced.
    Unix(PathBuf),
}

/// The text names nothing that can be listened on.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("write an IP address and a port, such as 127.0.0.1:9077 or [::1]:9077, or unix: and a path")]
pub struct ListenOnError;

impl ListenOn {
    /// Returns the TCP address, if it is one.
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<SocketAddr> for ListenOn {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl FromStr for ListenOn {
    type Err = ListenOnError;

    fn from_str(text: &str) -> Result<Self, ListenOnError> {
        match text.strip_prefix("unix:") {
            Some("") => Err(ListenOnError),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| ListenOnError),
        }
    }
}

/// Shows what [`FromStr`] reads.
impl fmt::Display for ListenOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_unix_sockets_are_read_as_they_are_shown() {
        for text in ["127.0.0.1:9077", "[::1]:0", "unix:/tmp/a b.sock", "unix:relative.sock"] {
            assert_eq!(text.parse::<ListenOn>().unwrap().to_string(), text);
        }
        for text in ["", "localhost", "127.0.0.1", "unix:", "::1:9077", "http://127.0.0.1:1"] {
            assert!(text.parse::<ListenOn>().is_err(), "{text}");
        }
    }
}
