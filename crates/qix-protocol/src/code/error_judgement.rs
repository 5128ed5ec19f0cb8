//! What to do about an engine's error.

use super::{
    Advice::{Final, Reconnect, Retry, RetryLater},
    ErrorCode, Judgement,
    Source::{Client, Inferred, Official},
};

impl ErrorCode {
    /// Returns what to do about the error, and how that is known.
    ///
    /// Codes of which nothing is known but their name are final with no source.
    pub fn judgement(self) -> Judgement {
        let (advice, source, reason) = match self {
            Self::GENERIC_ABORTED => (
                Retry,
                Client,
                "state changed, or the call was cancelled: enigma.js' example, catwalk, gopherciser and @qlik/api send it again \
                 unless they cancelled it themselves",
            ),
            Self::HC_MODAL_OBJECT_ERROR => (
                Retry,
                Client,
                "another object holds the modal state: @qlik/api calls AbortModal(true) on the app first",
            ),
            Self::RELOAD_IN_PROGRESS => (
                RetryLater,
                Client,
                "catwalk repeats GetActiveDoc, OpenDoc and CreateSessionObject every 500 ms",
            ),
            Self::CALC_TIMEOUT => (RetryLater, Inferred, "the engine may be less busy later"),
            Self::GENERIC_WRITE_OPERATIONS_LIMIT_REACHED => {
                (RetryLater, Inferred, "a limit per time; back off")
            }
            Self::GENERIC_CONNECTION_LOST | Self::GENERIC_ENGINE_TERMINATED => {
                (Reconnect, Inferred, "the engine behind this socket is gone")
            }
            Self::APP_ALREADY_OPEN => {
                (Final, Client, "catwalk and corectl take the app from GetActiveDoc instead")
            }
            Self::APP_ALREADY_OPEN_IN_DIFFERENT_MODE => (
                Final,
                Client,
                "open with and without data are different sessions: connect with another identity",
            ),
            Self::APP_NOT_FOUND | Self::APP_INVALID | Self::APP_CONNECT_FAILED => {
                (Final, Client, "corectl creates a missing app when told to, and gives up otherwise")
            }
            Self::GENERIC_NOT_FOUND => {
                (Final, Client, "there is no such id; phoenix raises this code for null references too")
            }
            Self::GENERIC_ACCESS_DENIED | Self::USER_ACCESS_DENIED => {
                (Final, Client, "the rights stay the same")
            }
            Self::CALC_EVAL_CONDITION_FAILED => (
                Final,
                Client,
                "an unfulfilled calculation condition of the layout; a warning to gopherciser",
            ),
            Self::CALC_PAGES_TOO_LARGE => {
                (Final, Official, "a call returns at most 10,000 cells: ask for smaller pages")
            }
            Self::HC_RESULT_TOO_LARGE | Self::CALC_TOO_LARGE | Self::JSON_RPC_RESPONSE_TOO_LARGE => {
                (Final, Inferred, "ask for less")
            }
            Self::GENERIC_OUT_OF_MEMORY | Self::GENERIC_MEMORY_LIMIT_REACHED => {
                (Final, Inferred, "repeating makes it worse")
            }
            Self::PERSISTENCE_NOT_SUPPORTED_FOR_SESSION_APP => {
                (Final, Official, "session apps are not stored")
            }
            Self::RELOAD_ACTION_BLOCKED_ENTITLEMENT => (Final, Inferred, "the licence does not cover it"),
            Self::JSON_RPC_METHOD_NOT_FOUND => {
                (Final, Official, "the class of the handle, or an engine this old, has no such method")
            }
            Self::JSON_RPC_INVALID_PARAMETERS => {
                (Final, Official, "wrong parameters, or on some builds a handle that is not open")
            }
            Self::JSON_RPC_PARSE_ERROR => {
                (Final, Inferred, "the frame was not JSON; the answer may lack an id")
            }
            Self(5000..=5009) => {
                (Final, Inferred, "a matter of the licence or the server, for the user to see")
            }
            _ => return Judgement::NONE,
        };
        Judgement::new(advice, source, reason)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Source, *};

    #[test]
    fn judgements_are_those_of_the_clients_in_the_field() {
        for (code, advice, source) in [
            (15, Retry, Client),
            (6003, Retry, Client),
            (11000, RetryLater, Client),
            (7004, RetryLater, Inferred),
            (22, RetryLater, Inferred),
            (16, Reconnect, Inferred),
            (21, Reconnect, Inferred),
            (1002, Final, Client),
            (1003, Final, Client),
            (5, Final, Client),
            (7009, Final, Official),
            (5006, Final, Inferred),
            (-32601, Final, Official),
        ] {
            let found = ErrorCode::new(code).judgement();
            assert_eq!((found.advice, found.source), (advice, source), "{code}");
            assert!(!found.reason.is_empty(), "{code}");
        }
    }

    #[test]
    fn codes_nobody_speaks_of_are_final_without_a_claim() {
        for code in [99_999, -11, 23015] {
            let found = ErrorCode::new(code).judgement();
            assert_eq!((found.advice, found.source, found.reason), (Final, Source::Nobody, ""));
        }
    }
}
