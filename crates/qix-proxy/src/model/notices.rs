//! What happens besides calls, in words.

use qix_protocol::{AuthenticationInformation, SessionState, frame::Raw, is_fatal};
use qix_transport::printable;

use super::words::shown;
use crate::record::Redaction;

/// Something that people want to know and that is no call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Notice {
    /// The connection; 0 if it belongs to none.
    pub(crate) conn: u64,
    /// When, in microseconds since the recording began.
    pub(crate) t: u64,
    /// How bad it is.
    pub(crate) weight: Weight,
    /// What happened, without secrets and fit for a terminal.
    pub(crate) text: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Weight {
    /// As it should be.
    Normal,
    /// To be looked at.
    Odd,
    /// Something does not work.
    Bad,
}

/// Puts a notification of the engine, or of the proxy in front of it, into words.
pub(crate) fn notification(redaction: &Redaction, method: &str, params: Option<Raw<'_>>) -> (Weight, String) {
    let empty = Raw::new(b"{}").ok();
    let fatal = params.or(empty).is_some_and(|params| is_fatal(method, params));
    let text = |name: &str| params.and_then(|params| params.member(name)?.decode::<String>().ok());
    let weight = match text("severity").as_deref() {
        _ if fatal => Weight::Bad,
        Some("warning") => Weight::Odd,
        _ => Weight::Normal,
    };
    let said = match method {
        "OnConnected" => connected(text("qSessionState").as_deref().unwrap_or_default()),
        "OnAuthenticationInformation" => {
            let known = params.and_then(|params| params.decode::<AuthenticationInformation>().ok());
            if known.is_some_and(|known| known.must_authenticate) {
                "the user must log in first: nothing will be answered on this connection".to_owned()
            } else {
                "the user is logged in".to_owned()
            }
        }
        "OnLicenseAccessDenied" => "the licence gives this user no access".to_owned(),
        "OnLicenseAccessDeniedPendingUserSync" => {
            "the licence gives this user no access yet: the user is not synchronised, try again later"
                .to_owned()
        }
        "OnMaxParallelSessionsExceeded" => "the user has too many sessions: log out of one".to_owned(),
        "OnNoEngineAvailable" => "no engine is available for the app".to_owned(),
        "OnEngineWebsocketFailed" => "the proxy has lost its connection to the engine".to_owned(),
        "OnNoRepositoryAvailable" | "OnRepositoryWebsocketFailed" => {
            "the repository is not available".to_owned()
        }
        "OnNoPrintingServiceAvailable" => "no printing service is available".to_owned(),
        "OnNoDataPrepServiceAvailable" | "OnDataPrepServiceWebsocketFailed" => {
            "the data preparation service is not available".to_owned()
        }
        "OnSessionTimedOut" => "the session has timed out".to_owned(),
        "OnSessionLoggedOut" => "the user has logged out".to_owned(),
        "OnSessionClosed" => "the session was closed".to_owned(),
        _ => String::new(),
    };
    let mut words = printable(method, 60);
    let message = text("message").map(|message| shown(redaction, &message)).unwrap_or_default();
    for part in [said, message].into_iter().filter(|part| !part.is_empty()) {
        words += ": ";
        words += &part;
    }
    (weight, words)
}

fn connected(state: &str) -> String {
    let state = SessionState::new(state);
    match state {
        SessionState::Created => "a new session".to_owned(),
        SessionState::Attached => "an existing session, as it was left".to_owned(),
        _ => printable(state.as_str(), 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn say(method: &str, params: &str) -> (Weight, String) {
        notification(&Redaction::standard(), method, Some(Raw::new(params.as_bytes()).unwrap()))
    }

    #[test]
    fn greetings_and_ends_are_told_by_how_bad_they_are() {
        assert_eq!(
            say("OnConnected", r#"{"qSessionState":"SESSION_CREATED"}"#),
            (Weight::Normal, "OnConnected: a new session".to_owned())
        );
        let (weight, text) = say("OnConnected", r#"{"qSessionState":"SESSION_ERROR_NO_LICENSE"}"#);
        assert_eq!((weight, &*text), (Weight::Bad, "OnConnected: SESSION_ERROR_NO_LICENSE"));
        let (weight, text) =
            say("OnAuthenticationInformation", r#"{"loginUri":"/login?x","mustAuthenticate":true}"#);
        assert!(weight == Weight::Bad && text.contains("must log in") && !text.contains("/login"), "{text}");
        let (weight, text) = say("OnSessionTimedOut", r#"{"severity":"fatal","message":"idle too long"}"#);
        assert_eq!(
            (weight, &*text),
            (Weight::Bad, "OnSessionTimedOut: the session has timed out: idle too long")
        );
        assert_eq!(say("OnSomething", r#"{"severity":"warning"}"#).0, Weight::Odd);
    }

    #[test]
    fn who_the_user_is_is_not_shown() {
        let (weight, text) = say(
            "OnAuthenticationInformation",
            r#"{"userId":"ada","userDirectory":"ACME","mustAuthenticate":false}"#,
        );
        assert_eq!((weight, &*text), (Weight::Normal, "OnAuthenticationInformation: the user is logged in"));
    }
}
