//! WebSocket close codes as Qlik deployments use them.

use std::fmt;

use super::{
    Advice::{self, Final, Reconnect, ReconnectLater},
    Judgement,
    Source::{self, Client, Inferred},
};

/// The code with which a WebSocket ended.
///
/// Any number is kept. Codes below 4000 are those of RFC 6455; 4000 is enigma.js' own; the others, their texts and, up to 4007,
/// what is done about them are those of `@qlik/api` 2.19.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CloseCode(u16);

struct Entry {
    code: u16,
    name: &'static str,
    meaning: &'static str,
    advice: Advice,
    source: Source,
}

macro_rules! close_codes {
    ($($code:literal $name:ident $meaning:literal $advice:ident $source:ident)+) => {
        impl CloseCode {
            $(
                #[doc = concat!($code, ": ", $meaning, ".")]
                pub const $name: Self = Self($code);
            )+
        }

        /// All that have a name, in ascending order.
        const TABLE: &[Entry] = &[$(Entry {
            code: $code,
            name: stringify!($name),
            meaning: $meaning,
            advice: $advice,
            source: $source,
        }),+];
    };
}

close_codes! {
    1000 NORMAL "normal end" Final Client
    1001 GOING_AWAY "the peer goes away" ReconnectLater Client
    1002 PROTOCOL_ERROR "protocol error" ReconnectLater Client
    1003 UNSUPPORTED "kind of data not accepted" ReconnectLater Client
    1005 NO_STATUS "closed without a code" ReconnectLater Client
    1006 ABNORMAL "connection lost without a close frame" ReconnectLater Client
    1007 NOT_UTF8 "text that is not UTF-8" ReconnectLater Client
    1008 POLICY "against the peer's policy" ReconnectLater Client
    1009 TOO_BIG "message too big" ReconnectLater Client
    1010 EXTENSION_MISSING "an extension was missing" ReconnectLater Client
    1011 INTERNAL_ERROR "error inside the peer" ReconnectLater Client
    1012 RESTART "the service restarts" ReconnectLater Client
    1013 TRY_AGAIN_LATER "try again later" ReconnectLater Client
    1014 BAD_GATEWAY "bad gateway" ReconnectLater Client
    1015 TLS "TLS failed" ReconnectLater Client
    4000 SUSPENDED "suspended by the client" Final Client
    4001 IDLE "idle for too long" ReconnectLater Client
    4002 LICENSE_RENEWAL "the licence must be renewed" ReconnectLater Client
    4003 ENGINE_TERMINATING "the engine terminates" Reconnect Client
    4004 APP_MOVED "the app was moved or deleted from this engine" Reconnect Client
    4005 SESSION_LIMIT "session limit reached" Final Client
    4006 AUTHENTICATION_FAILED "authentication failed or expired" Final Client
    4007 APP_MODE_CHANGED "the app's mode changed" Reconnect Client
    4200 PROXY_ERROR "error in the engine proxy" ReconnectLater Inferred
    4201 PROXY_CLIENT_CLOSED "the client closed or timed out" ReconnectLater Inferred
    4202 BAD_REQUEST "bad request" Final Inferred
    4203 NO_PERMISSION "no permission" Final Inferred
    4204 APP_NOT_FOUND "app not found" Final Inferred
    4205 TOO_MANY_REQUESTS "too many requests" ReconnectLater Inferred
    4206 NETWORK_ERROR "network error" Reconnect Inferred
    4210 DEPENDENCY_FAILED "a dependency failed" ReconnectLater Inferred
    4211 DEPENDENCY_UNAVAILABLE "a dependency is unavailable" ReconnectLater Inferred
    4220 ENGINE_ERROR "engine error" ReconnectLater Inferred
    4222 NO_RESERVATION "the session reservation is missing" Reconnect Inferred
    4230 TOO_MANY_APPS "too many open apps" Final Inferred
    4240 NO_ENGINE "no engine available" ReconnectLater Inferred
}

impl CloseCode {
    /// Wraps a code; any number is kept.
    pub const fn new(code: u16) -> Self {
        Self(code)
    }

    /// Returns the number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Returns whether the code may stand in a close frame: 1005, 1006 and 1015 are local, and below 1000 nothing is.
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1004 | 1007..=1014 | 3000..=4999)
    }

    /// Returns the name of the code's constant here; the codes have no names on the wire.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.name)
    }

    /// Returns what the code means, in a few words.
    pub fn meaning(self) -> &'static str {
        self.entry().map_or("no known meaning", |entry| entry.meaning)
    }

    /// Returns whether and when to connect again, and how that is known.
    pub fn judgement(self) -> Judgement {
        let Some(entry) = self.entry() else {
            return Judgement::new(ReconnectLater, Client, OTHER);
        };
        let reason = match entry.code {
            1000 | 4000 => "somebody wanted the end: enigma.js reports neither as closed nor as suspended",
            4003 | 4004 | 4007 => "@qlik/api resumes at once",
            4005 => "@qlik/api does not resume: another session has to end first",
            4006 => "@qlik/api does not resume: log in again",
            4202..=4204 => "the same URL and user fail again",
            4205 => "back off",
            4230 => "fails until apps are closed",
            4200.. => "what the text says; @qlik/api only shows it",
            _ => OTHER,
        };
        Judgement::new(entry.advice, entry.source, reason)
    }

    fn entry(self) -> Option<&'static Entry> {
        TABLE.binary_search_by_key(&self.0, |entry| entry.code).ok().map(|found| &TABLE[found])
    }
}

const OTHER: &str =
    "@qlik/api resumes when the user is active again, as after any code it does not single out";

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(codes: &[u16]) -> Vec<Advice> {
        let mut found: Vec<_> = codes.iter().map(|code| CloseCode::new(*code).judgement().advice).collect();
        found.dedup();
        found
    }

    #[test]
    fn local_codes_are_never_sendable() {
        for code in [0, 999, 1005, 1006, 1015, 2999, 5000] {
            assert!(!CloseCode::new(code).is_sendable(), "{code}");
        }
        for code in [1000, 1001, 1011, 3000, 4000, 4204, 4999] {
            assert!(CloseCode::new(code).is_sendable(), "{code}");
        }
    }

    #[test]
    fn display_names_number_and_meaning() {
        assert_eq!(CloseCode::new(4204).to_string(), "4204 (app not found)");
        assert_eq!(CloseCode::APP_NOT_FOUND.name(), Some("APP_NOT_FOUND"));
        assert_eq!(CloseCode::new(3999).to_string(), "3999 (no known meaning)");
    }

    #[test]
    fn table_is_in_ascending_order() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
    }

    #[test]
    fn close_1000_and_4000_end_for_good() {
        assert_eq!(advice(&[1000, 4000]), [Final]);
        assert_eq!(CloseCode::NORMAL.judgement().source, Client);
    }

    #[test]
    fn close_1006_and_its_like_are_resumed_later() {
        assert_eq!(advice(&[1001, 1005, 1006, 1012, 1013, 1014, 4001, 4205, 4240, 3999]), [ReconnectLater]);
    }

    #[test]
    fn close_4003_4004_and_4007_are_resumed_at_once() {
        assert_eq!(advice(&[4003, 4004, 4007]), [Reconnect]);
    }

    #[test]
    fn close_4006_and_4204_are_final() {
        assert_eq!(advice(&[4005, 4006, 4202, 4203, 4204, 4230]), [Final]);
        assert_eq!(CloseCode::APP_NOT_FOUND.judgement().source, Inferred);
    }
}
