//! What the engine and the proxy in front of it say before anything else.

use serde::Deserialize;

use crate::{SessionState, frame::Raw};

/// The latest greetings of a socket, kept so that whoever looks later misses nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Greetings {
    pub(crate) session_state: Option<SessionState>,
    pub(crate) authentication: Option<AuthenticationInformation>,
}

/// Who the Qlik Sense proxy takes the client for, as its `OnAuthenticationInformation` says. Engines without that proxy never say it.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, rename_all = "camelCase")]
#[non_exhaustive]
pub struct AuthenticationInformation {
    /// The user's name within the directory; `anonymous` and a GUID for anonymous users.
    pub user_id: Option<String>,
    /// The user directory; `NONE` for anonymous users.
    pub user_directory: Option<String>,
    /// Where to log out.
    pub logout_uri: Option<String>,
    /// Where to log in, if that is needed first.
    pub login_uri: Option<String>,
    /// Whether nothing will be answered before the user has logged in.
    pub must_authenticate: bool,
}

impl Greetings {
    /// Takes in a notification; all but the greetings are passed over. One that cannot be read changes nothing.
    pub(crate) fn latch(&mut self, method: &str, params: Option<Raw<'_>>) {
        #[derive(Deserialize)]
        struct Connected {
            #[serde(rename = "qSessionState")]
            state: SessionState,
        }
        let Some(params) = params else { return };
        match method {
            "OnConnected" => {
                if let Ok(Connected { state }) = params.decode() {
                    self.session_state = Some(state);
                }
            }
            "OnAuthenticationInformation" => {
                if let Ok(information) = params.decode() {
                    self.authentication = Some(information);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_latched_and_unreadable_ones_change_nothing() {
        let mut greetings = Greetings::default();
        let mut say = |method: &str, params: &str| {
            greetings.latch(method, Some(Raw::new(params.as_bytes()).unwrap()));
            greetings.clone()
        };
        say("OnConnected", r#"{"qSessionState":"SESSION_CREATED","more":1}"#);
        say("OnAuthenticationInformation", r#"{"userId":"me","userDirectory":"D","mustAuthenticate":false}"#);
        say("OnConnected", "[]");
        let after = say("OnAuthenticationInformation", "7");
        assert_eq!(after.session_state, Some(SessionState::Created));
        let known = after.authentication.unwrap();
        assert_eq!((known.user_id.as_deref(), known.must_authenticate), (Some("me"), false));
        let login = say("OnAuthenticationInformation", r#"{"loginUri":"/login","mustAuthenticate":true}"#);
        assert!(login.authentication.unwrap().must_authenticate);
    }
}
