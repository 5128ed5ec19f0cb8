//! Why something cannot be listened on.

use std::io;

use super::ListenOn;

/// Something cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {place}{}", hint(place, source))]
#[non_exhaustive]
pub struct ListenError {
    /// What it is.
    pub place: ListenOn,
    /// What the system said.
    pub source: io::Error,
}

/// Says why a place cannot be listened on, and what to do.
fn hint(place: &ListenOn, error: &io::Error) -> &'static str {
    match (place, error.kind()) {
        (ListenOn::Tcp(_), io::ErrorKind::AddrInUse) => {
            ", because another program does; stop it or choose another port"
        }
        (ListenOn::Tcp(_), io::ErrorKind::AddrNotAvailable) => {
            ", because this machine does not have that address; choose one of its own"
        }
        (ListenOn::Tcp(_), io::ErrorKind::PermissionDenied) => {
            ", because only administrators may; choose a port above 1023"
        }
        (ListenOn::Tcp(_), _) => "; choose another address",
        (ListenOn::Unix(_), io::ErrorKind::AddrInUse) => {
            ", because another program does; stop it or choose another path"
        }
        (ListenOn::Unix(_), io::ErrorKind::AlreadyExists) => {
            ", because there is a file of that name that is no socket; choose another path"
        }
        (ListenOn::Unix(_), io::ErrorKind::NotFound) => {
            ", because its folder does not exist; create it or choose another path"
        }
        (ListenOn::Unix(_), io::ErrorKind::Unsupported) => {
            ", because this system has no Unix sockets; give an address"
        }
        (ListenOn::Unix(_), _) => "; choose a path of less than 100 bytes in a folder that you may write to",
    }
}
