//! Why something did not work.

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc};

use qix_protocol::{CallError, EngineError, ErrorCode};
use qix_transport::{Closed, ConnectError};

use crate::fatal::FatalNotice;
use crate::{ReloadFailure, data::DataError};

/// Why a call or a session failed. Cheap to clone.
///
/// `Display` says what failed; `source()` says why.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    method: Option<Cow<'static, str>>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No socket came about.
    Connect,
    /// The engine refused the call; [`Error::engine`] has its words.
    Engine,
    /// The engine has no such object. On the wire this is a success with a null reference.
    NotFound,
    /// No answer came before the call's deadline; the call was cancelled.
    TimedOut,
    /// The object or the session is closed. The engine has not done the work, or the call only reads.
    Closed,
    /// The socket ended before the answer came, and the call may have had an effect. It was not, and will not be, sent again.
    OutcomeUnknown,
    /// The session is suspended; [`Session::resume`](crate::Session::resume) brings it back.
    Suspended,
    /// The engine does not have the session any more.
    NotAttached,
    /// The session has another app open, or the app in another mode; another identity in the endpoint makes another session.
    AlreadyOpen,
    /// Settings cannot be used.
    Settings,
    /// The engine said something the protocol does not allow, or that does not fit the type asked for.
    Protocol,
    /// The parameters cannot be written as JSON.
    Params,
    /// A reload ended without data; [`Error::reload_failure`] says why. On the wire this is a success that returns `false`.
    ReloadFailed,
    /// A reload ended because it was cancelled.
    ReloadCancelled,
    /// A reload went well, and the app could not be saved; or it is an app that never can be.
    NotSaved,
    /// The data cannot be read; [`Error::data`] says why.
    Data,
    /// The engine answered that it did not do it, such as a selection of a value that is not there or of a locked field.
    Unsuccessful,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, method: None, source: None }
    }

    pub(crate) fn because(kind: ErrorKind, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { kind, method: None, source: Some(Arc::new(source)) }
    }

    pub(crate) fn closed(cause: Closed) -> Self {
        Self::because(ErrorKind::Closed, cause)
    }

    /// The same cause, for whom it means something else.
    pub(crate) fn of_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn in_method(mut self, method: Cow<'static, str>) -> Self {
        self.method = Some(method);
        self
    }

    /// Whether the engine refused this very call with this code.
    pub(crate) fn is_refusal(&self, code: ErrorCode) -> bool {
        self.kind == ErrorKind::Engine && self.engine().is_some_and(|error| error.code == code)
    }

    /// Returns what kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns the engine's own error, if it refused.
    pub fn engine(&self) -> Option<&EngineError> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Returns what is wrong with the data, if that is the cause.
    pub fn data(&self) -> Option<&DataError> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Returns how the socket ended, if that is the cause.
    pub fn closing(&self) -> Option<&Closed> {
        let source = self.source.as_deref()?;
        source.downcast_ref().or_else(|| Some(&source.downcast_ref::<FatalNotice>()?.closed))
    }

    /// Returns what has announced the end of the socket, if something has: a session that is refused, a user who must log in,
    /// a licence that is missing. The close code alone seldom says it.
    pub fn notice(&self) -> Option<&FatalNotice> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Returns what went wrong in the script, if a reload has failed or was cancelled.
    pub fn reload_failure(&self) -> Option<&ReloadFailure> {
        self.source.as_deref()?.downcast_ref()
    }

    /// Returns whether the same call may succeed if it is simply made again: the engine gave it up because state changed, or
    /// a reload runs.
    pub fn is_retryable(&self) -> bool {
        // What the session itself has ended with is behind it.
        let ended = matches!(self.kind, ErrorKind::Closed | ErrorKind::OutcomeUnknown | ErrorKind::Suspended);
        !ended
            && self.engine().is_some_and(|error| {
                matches!(error.code, ErrorCode::GENERIC_ABORTED | ErrorCode::RELOAD_IN_PROGRESS)
            })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::Connect => "cannot connect",
            ErrorKind::Engine => "the engine refused",
            ErrorKind::NotFound => "no such object",
            ErrorKind::TimedOut => "no answer in time",
            ErrorKind::Closed => "closed",
            ErrorKind::OutcomeUnknown => {
                "the socket ended before the answer; whether it was done is not known"
            }
            ErrorKind::Suspended => "the session is suspended",
            ErrorKind::NotAttached => "the engine does not have the session any more",
            ErrorKind::AlreadyOpen => {
                "the session has another app open, or it in another mode; connect with another identity"
            }
            ErrorKind::Settings => "the settings cannot be used",
            ErrorKind::Protocol => "the answer cannot be understood",
            ErrorKind::Params => "the parameters cannot be written",
            ErrorKind::ReloadFailed => "the reload failed",
            ErrorKind::ReloadCancelled => "the reload was cancelled",
            ErrorKind::NotSaved => "the app is not saved",
            ErrorKind::Data => "the data cannot be read",
            ErrorKind::Unsuccessful => "the engine did not do it",
        };
        match &self.method {
            Some(method) => write!(f, "{method}: {what}"),
            None => f.write_str(what),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Engine(error) => Self::because(ErrorKind::Engine, error),
            CallError::TimedOut => Self::new(ErrorKind::TimedOut),
            CallError::NotFound(error) => Self::because(ErrorKind::NotFound, error),
            CallError::Closed(cause) => match cause.get().downcast_ref::<Self>() {
                Some(error) => error.clone(),
                None => Self::because(ErrorKind::Closed, cause),
            },
            other => Self::because(ErrorKind::Protocol, other),
        }
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::because(ErrorKind::Connect, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_that_ended_a_session_is_not_that_of_a_call_which_may_be_made_again() {
        for code in [ErrorCode::GENERIC_ABORTED, ErrorCode::RELOAD_IN_PROGRESS] {
            let refusal = EngineError { code, parameter: String::new(), message: String::new() };
            let error = Error::because(ErrorKind::Engine, refusal);
            assert!(error.is_retryable() && error.is_refusal(code));
            for kind in [ErrorKind::Closed, ErrorKind::OutcomeUnknown, ErrorKind::Suspended] {
                let error = error.clone().of_kind(kind);
                assert!(!error.is_retryable() && !error.is_refusal(code), "{kind:?}");
            }
        }
    }
}
