//! The credentials' part in one connection.

use crate::{
    Attempt, Auth, ConnectError, Dialer, Endpoint, Proof, Refusal, Stage, Stream, dial::Deadline,
    progress::Watch,
};

/// Asks credentials for the proofs that one connection needs: a first, and a second if the server refuses that and it can be
/// repaired. For programs that make the upgrade themselves, as a proxy does; [`WsConnect`](crate::WsConnect) uses it too.
///
/// The time for connecting, [`Limits::connect_timeout`](crate::Limits::connect_timeout) of the dialer, runs from
/// [`new`](Self::new) on, and is that of both tries together.
///
/// ```no_run
/// use qix_transport::{Auth, ConnectError, Dialer, Endpoint, Login, Refusal};
///
/// # async fn example(endpoint: Endpoint, auth: Auth, dialer: Dialer) -> Result<(), Box<dyn std::error::Error>> {
/// # async fn send<T>(_: T, _: http::Request<()>) -> Result<(), Refusal> { Ok(()) }
/// let mut login = Login::new(&auth, &endpoint, &dialer);
/// loop {
///     let proof = login.prove().await?;
///     let mut request = http::Request::get(endpoint.path_and_query()).body(())?;
///     proof.apply(&mut request)?;
///     match send(login.dial().await?, request).await {
///         Err(refusal) if login.repair(&proof, &refusal).await? => {}
///         _ => break,
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Login<'a> {
    auth: &'a Auth,
    endpoint: &'a Endpoint,
    dialer: &'a Dialer,
    deadline: Deadline,
    repaired: bool,
}

impl<'a> Login<'a> {
    /// Starts the time for connecting to `endpoint`, by `dialer`, with `auth`.
    pub fn new(auth: &'a Auth, endpoint: &'a Endpoint, dialer: &'a Dialer) -> Self {
        Self { auth, endpoint, dialer, deadline: dialer.deadline(), repaired: false }
    }

    /// Returns what to send with the next try.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Auth`] if the credentials cannot be had, [`ConnectError::Timeout`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the requests up that it makes.
    pub async fn prove(&self) -> Result<Proof, ConnectError> {
        let attempt = Attempt::new(self.endpoint, self.dialer, self.deadline);
        let proof = self.deadline.bound(self.endpoint, Stage::Auth, self.auth.prepare(attempt)).await?;
        proof.map_err(|source| ConnectError::Auth { peer: self.endpoint.peer(), source })
    }

    /// Opens a stream to the endpoint, in the time that is left.
    ///
    /// # Errors
    ///
    /// As [`Dialer::dial`].
    ///
    /// # Cancellation
    ///
    /// As [`Dialer::dial`].
    pub async fn dial(&self) -> Result<Stream, ConnectError> {
        self.dial_by(Watch::default()).await
    }

    /// Tells the credentials that the server refused `used`. Returns whether to try again, with a new [proof](Self::prove); that is
    /// so once at most.
    ///
    /// # Errors
    ///
    /// [`ConnectError::Timeout`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves it open whether the credentials have heard.
    pub async fn repair(&mut self, used: &Proof, refusal: &Refusal) -> Result<bool, ConnectError> {
        if std::mem::replace(&mut self.repaired, true) {
            return Ok(false);
        }
        self.deadline.bound(self.endpoint, Stage::Auth, self.auth.repair(used, refusal)).await
    }

    pub(crate) async fn dial_by(&self, watch: Watch<'_>) -> Result<Stream, ConnectError> {
        self.dialer.dial_by(self.endpoint, self.deadline, watch).await
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.deadline
    }
}
