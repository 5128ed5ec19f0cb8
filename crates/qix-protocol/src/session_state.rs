//! What an engine says of a session in its greeting.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// `qSessionState` of `OnConnected`.
///
/// The list is open; the values are those of Qlik's documentation and of gopherciser.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum SessionState {
    /// The session is new.
    Created,
    /// The session existed: selections, session objects and the open app are as they were left.
    Attached,
    /// There is no licence.
    NoLicense,
    /// The licence must be renewed.
    LicenseRenew,
    /// The licence is not valid; only the newest engines say so.
    LicenseInvalid,
    /// The user has too many sessions.
    LimitExceeded,
    /// Another identity, or other claims, than those with which the session was made.
    SecurityHeaderChanged,
    /// The rules of access could not be loaded.
    AccessControlSetupFailure,
    /// The user may not open the app.
    AppAccessDenied,
    /// The app could not be opened.
    AppFailure,
    /// Anything else, as it was written.
    Unknown(Box<str>),
}

/// Each state but the unknown ones, and how it is written.
const NAMES: &[(SessionState, &str)] = &[
    (SessionState::Created, "SESSION_CREATED"),
    (SessionState::Attached, "SESSION_ATTACHED"),
    (SessionState::NoLicense, "SESSION_ERROR_NO_LICENSE"),
    (SessionState::LicenseRenew, "SESSION_ERROR_LICENSE_RENEW"),
    (SessionState::LicenseInvalid, "SESSION_ERROR_LICENSE_INVALID"),
    (SessionState::LimitExceeded, "SESSION_ERROR_LIMIT_EXCEEDED"),
    (SessionState::SecurityHeaderChanged, "SESSION_ERROR_SECURITY_HEADER_CHANGED"),
    (SessionState::AccessControlSetupFailure, "SESSION_ACCESS_CONTROL_SETUP_FAILURE"),
    (SessionState::AppAccessDenied, "SESSION_ERROR_APP_ACCESS_DENIED"),
    (SessionState::AppFailure, "SESSION_ERROR_APP_FAILURE"),
];

impl SessionState {
    /// Reads a state.
    pub fn new(text: &str) -> Self {
        let known = NAMES.iter().find(|(_, name)| *name == text);
        known.map_or_else(|| Self::Unknown(text.into()), |(state, _)| state.clone())
    }

    /// Returns the state as it is written on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Unknown(text) => text,
            known => NAMES.iter().find(|(state, _)| state == known).map_or("", |(_, name)| name),
        }
    }

    /// Returns whether the session cannot be used; of unknown states those that call themselves errors, as gopherciser
    /// takes them.
    pub fn is_fatal(&self) -> bool {
        match self {
            Self::Created | Self::Attached => false,
            Self::Unknown(text) => text.starts_with("SESSION_ERROR_"),
            _ => true,
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for SessionState {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

impl Serialize for SessionState {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_as_they_are_read() {
        for (state, name) in NAMES {
            assert_eq!((&SessionState::new(name), state.as_str()), (state, *name));
        }
        let text = r#""SESSION_SOMETHING_NEW""#;
        let state: SessionState = serde_json::from_str(text).unwrap();
        assert_eq!(state, SessionState::Unknown("SESSION_SOMETHING_NEW".into()));
        assert_eq!(serde_json::to_string(&state).unwrap(), text);
    }

    #[test]
    fn all_but_created_and_attached_are_fatal_and_of_the_unknown_ones_those_called_errors() {
        let fatal = |name: &&str| SessionState::new(name).is_fatal();
        let usable: Vec<_> = NAMES.iter().map(|(_, name)| *name).filter(|name| !fatal(name)).collect();
        assert_eq!(usable, ["SESSION_CREATED", "SESSION_ATTACHED"]);
        assert!(fatal(&"SESSION_ERROR_NEW") && !fatal(&"SESSION_NEW") && !fatal(&""));
    }
}
