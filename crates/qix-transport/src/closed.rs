//! How a socket ended, and what to make of it.

use std::{fmt, io, sync::Arc};

use qix_protocol::{Advice, CloseCode, CloseReason};

use crate::printable;

/// A close frame holds no more.
const MAX_REASON: usize = 123;

/// Who ended a socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ClosedBy {
    /// The peer sent a close frame.
    Peer,
    /// This side closed.
    Us,
    /// The connection broke, or broke the rules.
    Connection,
}

/// How a socket ended. Cheap to clone, so that every pending call can have it.
///
/// ```
/// use qix_transport::{CloseCode, Closed, ClosedBy};
///
/// let reason = r#"{"code":"QEP-104","traceId":"0123abcd"}"#;
/// let closed = Closed::new(CloseCode::APP_NOT_FOUND, reason, ClosedBy::Peer);
/// assert_eq!(
///     closed.to_string(),
///     "socket closed by the peer with 4204 (app not found): QEP-104, trace id 0123abcd"
/// );
/// assert!(!closed.is_retryable());
/// ```
#[derive(Clone, Debug)]
pub struct Closed {
    /// The close code; [`CloseCode::NO_STATUS`] and [`CloseCode::ABNORMAL`] stand for a missing one.
    pub code: CloseCode,
    /// The peer's reason, as it came; often JSON on Qlik Cloud, often empty.
    pub reason: Arc<str>,
    /// Who ended it.
    pub by: ClosedBy,
    /// What broke, if the connection did.
    pub error: Option<Arc<io::Error>>,
}

impl Closed {
    /// Describes an end by close frame, or by this side.
    pub fn new(code: CloseCode, reason: impl Into<Arc<str>>, by: ClosedBy) -> Self {
        Self { code, reason: reason.into(), by, error: None }
    }

    /// Describes a broken connection.
    pub fn broken(error: io::Error) -> Self {
        Self {
            code: CloseCode::ABNORMAL,
            reason: "".into(),
            by: ClosedBy::Connection,
            error: Some(Arc::new(error)),
        }
    }

    /// Returns the name of the code's constant in [`CloseCode`]; codes have no names on the wire.
    pub fn name(&self) -> Option<&'static str> {
        self.code.name()
    }

    /// Returns what the code means, in a few words.
    pub fn meaning(&self) -> &'static str {
        self.code.meaning()
    }

    /// Returns the peer's reason, read: the code and the trace id that Qlik Cloud writes into it, or plain text.
    pub fn parsed_reason(&self) -> CloseReason {
        CloseReason::parse(&self.reason)
    }

    /// Returns whether and when to connect again; [`CloseCode::judgement`] says how that is known.
    ///
    /// What this side ended, by wish or because it could not go on, is final whatever the code.
    pub fn advice(&self) -> Advice {
        match self.by {
            ClosedBy::Us => Advice::Final,
            ClosedBy::Peer | ClosedBy::Connection => self.code.judgement().advice,
        }
    }

    /// Returns whether connecting again makes sense, at once or later. Whether a call that was under way may be made again, its
    /// caller must know.
    pub fn is_retryable(&self) -> bool {
        self.advice() != Advice::Final
    }
}

/// Writes who closed, the code and its meaning, and the reason with its trace id, which is what support asks for.
impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.by {
            ClosedBy::Peer => "by the peer",
            ClosedBy::Us => "by this side",
            ClosedBy::Connection => "by the connection",
        };
        write!(f, "socket closed {by} with {}", self.code)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        let reason = self.parsed_reason();
        write!(f, ": {}", printable(&reason.to_string(), MAX_REASON))?;
        match reason {
            // Without a code the whole text was written, and the trace id with it.
            CloseReason { code: Some(_), trace_id: Some(trace_id), .. } => {
                write!(f, ", trace id {}", printable(&trace_id, MAX_REASON))
            }
            _ => Ok(()),
        }
    }
}

impl std::error::Error for Closed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.as_deref().map(|error| error as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = r#"{"code":"QEP-104","traceId":"0123abcd"}"#;

    fn peer(code: u16, reason: &str) -> Closed {
        Closed::new(CloseCode::new(code), reason, ClosedBy::Peer)
    }

    fn assert_advice(codes: impl IntoIterator<Item = u16>, advice: Advice) {
        for code in codes {
            let closed = peer(code, "");
            assert_eq!(closed.advice(), advice, "{closed}");
            assert_eq!(closed.is_retryable(), advice != Advice::Final, "{closed}");
        }
    }

    #[test]
    fn reason_cannot_change_a_terminal() {
        let shown = peer(4200, "\u{1b}[2J\n✓ engine\u{202e}").to_string();
        assert!(shown.ends_with(": \u{fffd}[2J\u{fffd}✓ engine\u{fffd}"), "{shown:?}");
        let shown = peer(4200, r#"{"code":"\u001b[2J","traceId":"\u001b[2J"}"#).to_string();
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }

    #[test]
    fn json_reason_is_shown_as_code_and_trace_id() {
        let closed = peer(4204, REASON);
        assert_eq!(
            closed.to_string(),
            "socket closed by the peer with 4204 (app not found): QEP-104, trace id 0123abcd"
        );
        assert_eq!((closed.name(), closed.meaning()), (Some("APP_NOT_FOUND"), "app not found"));
        let reason = closed.parsed_reason();
        assert_eq!(
            (reason.code.as_deref(), reason.trace_id.as_deref(), &*reason.text),
            (Some("QEP-104"), Some("0123abcd"), REASON)
        );
    }

    #[test]
    fn trace_id_is_never_lost() {
        let closed = peer(4220, r#"{"traceId":"0123abcd"}"#);
        assert!(closed.to_string().ends_with(r#": {"traceId":"0123abcd"}"#), "{closed}");
    }

    #[test]
    fn plain_and_empty_reasons_are_shown_as_they_came() {
        assert!(peer(1012, "restart").to_string().ends_with("1012 (the service restarts): restart"));
        assert!(peer(1012, "").to_string().ends_with("1012 (the service restarts)"));
        assert!(peer(4204, r#"{"code":"QEP-104"}"#).to_string().ends_with(": QEP-104"));
        assert!(peer(1001, "{").to_string().ends_with(": {"));
    }

    #[test]
    fn every_documented_code_has_a_name_and_a_meaning() {
        let codes = (1000..=1003).chain(1005..=1015).chain(4000..=4007).chain(4200..=4206);
        for code in codes.chain([4210, 4211, 4220, 4222, 4230, 4240]) {
            let closed = peer(code, "");
            assert!(closed.name().is_some() && closed.meaning() != "no known meaning", "{closed}");
        }
    }

    #[test]
    fn normal_and_manual_ends_are_final() {
        assert_advice([1000, 4000], Advice::Final);
    }

    #[test]
    fn ends_from_rfc_6455_are_retried_later() {
        assert_advice((1001..=1003).chain(1005..=1015), Advice::ReconnectLater);
    }

    #[test]
    fn idle_and_licence_ends_are_retried_later() {
        assert_advice([4001, 4002], Advice::ReconnectLater);
    }

    #[test]
    fn terminating_engine_moved_app_and_changed_mode_are_retried_at_once() {
        assert_advice([4003, 4004, 4007], Advice::Reconnect);
    }

    #[test]
    fn session_limit_and_failed_authentication_are_final() {
        assert_advice([4005, 4006], Advice::Final);
    }

    #[test]
    fn engine_proxy_refusals_are_final() {
        assert_advice([4202, 4203, 4204, 4230], Advice::Final);
    }

    #[test]
    fn engine_proxy_troubles_are_retried_later() {
        assert_advice([4200, 4201, 4205, 4210, 4211, 4220, 4240], Advice::ReconnectLater);
    }

    #[test]
    fn network_error_and_missing_reservation_are_retried_at_once() {
        assert_advice([4206, 4222], Advice::Reconnect);
    }

    #[test]
    fn unknown_codes_are_retried_later() {
        assert_advice([3999, 4999], Advice::ReconnectLater);
    }

    #[test]
    fn broken_connection_is_retried_later() {
        let closed = Closed::broken(io::ErrorKind::ConnectionReset.into());
        assert_eq!((closed.code, closed.advice()), (CloseCode::ABNORMAL, Advice::ReconnectLater));
        assert_eq!(
            closed.to_string(),
            "socket closed by the connection with 1006 (connection lost without a close frame)"
        );
    }

    #[test]
    fn what_this_side_ended_is_final_whatever_the_code() {
        for code in [CloseCode::NORMAL, CloseCode::TOO_BIG, CloseCode::GOING_AWAY] {
            assert!(!Closed::new(code, "", ClosedBy::Us).is_retryable());
        }
    }
}
