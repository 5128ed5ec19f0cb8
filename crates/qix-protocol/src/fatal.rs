//! Which news of an engine or a proxy means that the socket is of no more use.

use crate::{Notification, SessionState, frame::Raw};

/// After these the Windows proxy closes the socket, whatever severity they carry or lack. From its documentation, save for
/// `OnLicenseAccessDeniedPendingUserSync`, which only gopherciser knows.
const FATAL: &[&str] = &[
    "OnDataPrepServiceWebsocketFailed",
    "OnEngineWebsocketFailed",
    "OnLicenseAccessDenied",
    "OnLicenseAccessDeniedPendingUserSync",
    "OnMaxParallelSessionsExceeded",
    "OnNoDataPrepServiceAvailable",
    "OnNoEngineAvailable",
    "OnNoPrintingServiceAvailable",
    "OnNoRepositoryAvailable",
    "OnRepositoryWebsocketFailed",
    "OnSessionClosed",
    "OnSessionLoggedOut",
    "OnSessionTimedOut",
];

impl Notification {
    /// Returns whether the socket is of no more use after this: [`is_fatal`].
    pub fn is_fatal(&self) -> bool {
        is_fatal(&self.method, self.params())
    }
}

/// Returns whether the socket is of no more use after the notification `method` with `params`.
///
/// It is if the sender calls it fatal, if it is one of those after which the proxy closes, if `OnConnected` names an error, and
/// if `OnAuthenticationInformation` says that the user must log in. A severity of `notice` or `warning` does not make it so:
/// these exist, though qsocks gives up on any severity.
pub fn is_fatal(method: &str, params: Raw<'_>) -> bool {
    match method {
        "OnConnected" => {
            let state = text(params, "qSessionState");
            state.is_some_and(|state| SessionState::new(&state).is_fatal())
        }
        "OnAuthenticationInformation" => {
            params.member("mustAuthenticate").is_some_and(|value| value.as_bytes() == b"true")
        }
        _ => FATAL.contains(&method) || text(params, "severity").as_deref() == Some("fatal"),
    }
}

fn text(params: Raw<'_>, name: &str) -> Option<String> {
    params.member(name)?.decode().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fatal(method: &str, params: &str) -> bool {
        is_fatal(method, Raw::new(params.as_bytes()).unwrap())
    }

    #[test]
    fn severity_of_any_notification_counts() {
        assert!(fatal(
            "OnSomethingNew",
            r#"{"severity":"fatal","timestamp":"2026-01-02T03:04:05.6789012Z"}"#
        ));
        assert!(fatal("OnSomethingNew", r#"{"severity":"notice","severity":"fat\u0061l"}"#));
        for params in [r#"{"severity":"notice"}"#, r#"{"severity":"warning"}"#, "{}", "[]", "null"] {
            assert!(!fatal("OnSomethingNew", params), "{params}");
            assert!(!fatal("OnExcessLicenseAssignment", params), "{params}");
        }
    }

    #[test]
    fn names_after_which_the_proxy_closes_need_no_severity() {
        for method in FATAL {
            assert!(fatal(method, "null"), "{method}");
        }
    }

    #[test]
    fn greeting_is_fatal_if_its_state_is() {
        assert!(!fatal("OnConnected", r#"{"qSessionState":"SESSION_CREATED"}"#));
        assert!(fatal("OnConnected", r#"{"qSessionState":"SESSION_ERROR_NO_LICENSE"}"#));
        for params in ["null", "{}", r#"{"qSessionState":7}"#, r#"{"qSessionState":"\ud800"}"#] {
            assert!(!fatal("OnConnected", params), "{params}");
        }
    }

    #[test]
    fn users_who_must_log_in_get_no_further() {
        assert!(fatal("OnAuthenticationInformation", r#"{"loginUri":"x","mustAuthenticate":true}"#));
        assert!(!fatal("OnAuthenticationInformation", r#"{"userId":"x","mustAuthenticate":false}"#));
        assert!(!fatal("OnAuthenticationInformation", "null"));
    }
}
