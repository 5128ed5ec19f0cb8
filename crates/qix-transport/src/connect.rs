//! What makes sockets.

use crate::{ConnectError, Socket};

/// Makes connected sockets to one place.
///
/// A connector is a value that can be asked again: a session that resumes asks it for its next socket.
pub trait Connect: Send + Sync {
    /// What comes out.
    type Socket: Socket + 'static;

    /// Connects.
    ///
    /// # Errors
    ///
    /// [`ConnectError`] says which stage failed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    fn connect(&self) -> impl Future<Output = Result<Self::Socket, ConnectError>> + Send;
}
