//! What the end of a socket means for its session.

use qix_transport::Closed;

use super::policy::{ResumePolicy, Verdict};
use crate::{Error, ErrorKind, fatal::FatalNotice};

/// Why there is no socket.
pub(crate) enum Loss {
    /// There was none yet.
    Unconnected,
    /// For good.
    Ended(Error),
    /// By [`Session::suspend`](crate::Session::suspend).
    Suspended,
    /// It ended, and the session is to wait.
    Waits(Error),
    /// It ended, and the session is to connect again.
    Resumes { cause: Error, at_once: bool },
}

impl Loss {
    pub(crate) fn of(policy: &ResumePolicy, closed: Closed, notice: Option<FatalNotice>) -> Self {
        let verdict = policy.judge(&closed, notice.as_ref().is_some_and(FatalNotice::is_final));
        let cause = match notice {
            Some(notice) => Error::because(ErrorKind::Closed, notice),
            None => Error::closed(closed),
        };
        match verdict {
            Verdict::End => Self::Ended(cause),
            Verdict::Suspend => Self::Waits(cause),
            Verdict::Resume { at_once } => Self::Resumes { cause, at_once },
        }
    }
}
