//! What a new socket hears first.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use qix_protocol::frame::engine::{Frame, Kind};

/// What a new socket hears before it is answered anything.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Greeting {
    /// What the recorded client heard, with the truth about the live session: created or attached.
    #[default]
    Recorded,
    /// Nothing, as from the oldest engines.
    None,
    /// One `OnConnected`, as from an engine or from Qlik Cloud.
    Connected,
    /// `OnAuthenticationInformation` and `OnConnected`, as from a Qlik Sense proxy on Windows.
    Windows,
}

impl std::str::FromStr for Greeting {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "recorded" => Ok(Self::Recorded),
            "none" => Ok(Self::None),
            "connected" => Ok(Self::Connected),
            "windows" => Ok(Self::Windows),
            _ => Err("say recorded, none, connected or windows".to_owned()),
        }
    }
}

impl Greeting {
    /// Returns the greetings that are said whatever the recording has.
    pub(super) fn fixed(self, attached: bool) -> Vec<Bytes> {
        const WHO: &str = r#"{"jsonrpc":"2.0","method":"OnAuthenticationInformation","params":{"userId":"replay","userDirectory":"QIX","logoutUri":"","mustAuthenticate":false}}"#;
        let connected = || {
            let state = if attached { "SESSION_ATTACHED" } else { "SESSION_CREATED" };
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"OnConnected","params":{{"qSessionState":"{state}"}}}}"#
            );
            Bytes::from(text)
        };
        match self {
            Self::Recorded | Self::None => Vec::new(),
            Self::Connected => vec![connected()],
            Self::Windows => vec![Bytes::from_static(WHO.as_bytes()), connected()],
        }
    }
}

/// Returns whether a text greets: says who the client is, or that its session is ready.
pub(super) fn greets(text: &[u8]) -> bool {
    // Most notifications are something else, and all of them are short.
    let named = |name: &str| memmem::find(text, name.as_bytes()).is_some();
    if !named("OnConnected") && !named("OnAuthenticationInformation") {
        return false;
    }
    let Ok(Frame { kind: Kind::Notification { method, .. }, .. }) = Frame::parse(text) else { return false };
    matches!(&*method, "OnConnected" | "OnAuthenticationInformation")
}

/// Returns a greeting with the state of the live session. What refuses a client is left as it is.
pub(super) fn truthful(text: &Bytes, attached: bool) -> Cow<'_, Bytes> {
    const STATES: [&[u8]; 2] = [br#""SESSION_CREATED""#, br#""SESSION_ATTACHED""#];
    let (from, to) = if attached { (STATES[0], STATES[1]) } else { (STATES[1], STATES[0]) };
    let Some(at) = memmem::find(text, from) else { return Cow::Borrowed(text) };
    let (head, tail) = (&text[..at], &text[at + from.len()..]);
    Cow::Owned([head, to, tail].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONNECTED: &[u8] =
        br#"{"jsonrpc":"2.0","method":"OnConnected","params":{"qSessionState":"SESSION_CREATED"}}"#;

    #[test]
    fn state_is_made_true_and_the_rest_stays() {
        let text = Bytes::from_static(CONNECTED);
        assert_eq!(*truthful(&text, false), text);
        let attached = truthful(&text, true).into_owned();
        assert_eq!(attached, std::str::from_utf8(CONNECTED).unwrap().replace("CREATED", "ATTACHED"));
        assert_eq!(*truthful(&attached, false), text);
        let refused = Bytes::from_static(br#"{"qSessionState":"SESSION_ERROR_NO_LICENSE"}"#);
        assert_eq!(*truthful(&refused, true), refused);
    }

    #[test]
    fn greetings_are_told_from_other_news() {
        assert!(greets(CONNECTED));
        assert!(greets(br#"{"method":"OnAuthenticationInformation","params":{}}"#));
        assert!(!greets(br#"{"method":"OnLogout","params":{"text":"OnConnected"}}"#));
        assert!(!greets(b"OnConnected"));
    }

    #[test]
    fn fixed_greetings_are_those_of_their_deployment() {
        assert!(Greeting::None.fixed(true).is_empty());
        assert_eq!(Greeting::Connected.fixed(false), [Bytes::from_static(CONNECTED)]);
        let windows = Greeting::Windows.fixed(true);
        assert!(windows.iter().all(|text| greets(text)) && windows.len() == 2);
    }
}
