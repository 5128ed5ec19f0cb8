//! Ends that the engine or the proxy in front of it has announced.

use std::{error::Error as StdError, fmt};

use qix_protocol::{Notification, SessionState};
use qix_transport::Closed;

/// An end that was announced: the notification says more than the close code after it. See [`Error::notice`](crate::Error::notice).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FatalNotice {
    /// The notification, such as `OnSessionTimedOut` or `OnConnected`.
    pub method: String,
    /// What it says, for people, without control characters.
    pub message: Option<String>,
    /// The state, if it is `OnConnected`.
    pub state: Option<SessionState>,
    /// How the socket ended then.
    pub closed: Closed,
}

impl FatalNotice {
    pub(crate) fn new(notification: &Notification, closed: Closed) -> Self {
        let text = |name: &str| notification.params().member(name)?.decode::<String>().ok();
        let state = (notification.method == "OnConnected").then(|| text("qSessionState")).flatten();
        let login = notification.method == "OnAuthenticationInformation";
        let message = match text("message") {
            None if login => Some("the user must log in".to_owned()),
            message => message.map(|message| message.chars().filter(|char| !char.is_control()).collect()),
        };
        let state = state.as_deref().map(SessionState::new);
        Self { method: notification.method.clone(), message, state, closed }
    }

    /// Returns whether trying again with the same credentials leads to the same end.
    pub(crate) fn is_final(&self) -> bool {
        !matches!(
            &*self.method,
            "OnDataPrepServiceWebsocketFailed"
                | "OnEngineWebsocketFailed"
                | "OnNoDataPrepServiceAvailable"
                | "OnNoEngineAvailable"
                | "OnNoPrintingServiceAvailable"
                | "OnNoRepositoryAvailable"
                | "OnRepositoryWebsocketFailed"
        )
    }
}

impl fmt::Display for FatalNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.method)?;
        if let Some(state) = &self.state {
            write!(f, " {state}")?;
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl StdError for FatalNotice {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.closed)
    }
}
