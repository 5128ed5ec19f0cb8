//! WebSocket close codes as Qlik deployments use them.

use std::fmt;

/// The code with which a WebSocket ended.
///
/// Meanings of 4001 to 4240 are those `@qlik/api` 2.19 knows; the rest is RFC 6455.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct CloseCode(u16);

impl CloseCode {
    /// A normal end.
    pub const NORMAL: Self = Self(1000);
    /// The peer goes away.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer saw something the protocol does not allow.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// Stands for a close frame without a code; never sent.
    pub const NO_STATUS: Self = Self(1005);
    /// Stands for a connection that ended without a close frame; never sent.
    pub const ABNORMAL: Self = Self(1006);
    /// A message was larger than the receiver takes.
    pub const TOO_BIG: Self = Self(1009);
    /// Stands for a failed TLS handshake; never sent.
    pub const TLS: Self = Self(1015);
    /// A client suspended its session by hand (enigma.js).
    pub const SUSPENDED: Self = Self(4000);

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

    /// Returns what the code means, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal end",
            1001 => "the peer goes away",
            1002 => "protocol error",
            1003 => "kind of data not accepted",
            1005 => "closed without a code",
            1006 => "connection lost without a close frame",
            1007 => "text that is not UTF-8",
            1008 => "against the peer's policy",
            1009 => "message too big",
            1010 => "an extension was missing",
            1011 => "error inside the peer",
            1012 => "the service restarts",
            1013 => "try again later",
            1014 => "bad gateway",
            1015 => "TLS failed",
            4000 => "suspended by the client",
            4001 => "idle for too long",
            4002 => "the licence must be renewed",
            4003 => "the engine terminates",
            4004 => "the app was moved or deleted from this engine",
            4005 => "session limit reached",
            4006 => "authentication failed or expired",
            4007 => "the app's mode changed",
            4200 => "error in the engine proxy",
            4201 => "the client closed or timed out",
            4202 => "bad request",
            4203 => "no permission",
            4204 => "app not found",
            4205 => "too many requests",
            4206 => "network error",
            4210 => "a dependency failed",
            4211 => "a dependency is unavailable",
            4220 => "engine error",
            4222 => "the session reservation is missing",
            4230 => "too many open apps",
            4240 => "no engine available",
            _ => "no known meaning",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0, self.meaning())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
