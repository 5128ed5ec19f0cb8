//! Errors and ends in words.

use qix_protocol::{CloseCode, CloseReason, EngineError, ErrorCode, frame::Raw};
use qix_transport::printable;

use crate::{
    calls::each_error,
    record::{Redaction, Side},
};

/// How much of a text that somebody else wrote is shown, in characters.
const LONGEST: usize = 200;

/// Why a call failed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    /// The engine's code; none if the engine says failure in its result alone.
    pub(crate) code: Option<ErrorCode>,
    /// Where it was said.
    pub(crate) place: Place,
    /// The code's name and what was said of it, without secrets and fit for a terminal.
    pub(crate) words: String,
}

/// Where a failure is said.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Place {
    /// The engine refused the call.
    Call,
    /// The call succeeded, and an object's layout has an error in it.
    Layout,
    /// The call succeeded, and its result says that a script failed.
    Script,
}

/// Returns text of others without secrets and without what controls a terminal.
pub(crate) fn shown(redaction: &Redaction, text: &str) -> String {
    printable(redaction.text(text.trim()).trim(), LONGEST)
}

impl Fault {
    /// Puts an answer's error into words. `raw` is the error as it was written, for what only some engines add.
    pub(crate) fn of_answer(redaction: &Redaction, error: &EngineError, raw: Option<Raw<'_>>) -> Self {
        let extended = raw.and_then(|raw| raw.member("extendedMessage")?.decode::<String>().ok());
        let said = [Some(error.message.clone()), Some(error.parameter.clone()), extended];
        Self::of_code(redaction, error.code, said.into_iter().flatten())
    }

    /// Puts the first error that a layout has in it into words.
    pub(crate) fn in_layout(redaction: &Redaction, layout: Raw<'_>) -> Option<Self> {
        let mut fault = None;
        each_error(layout, &mut |error| {
            if fault.is_none() {
                fault = Self::of_layout(redaction, error);
            }
        });
        fault
    }

    fn of_layout(redaction: &Redaction, error: Raw<'_>) -> Option<Self> {
        let text = |name: &str| error.member(name).and_then(|text| text.decode::<String>().ok());
        let code: ErrorCode = error.member("qErrorCode")?.decode().ok()?;
        if code.get() == 0 {
            return None;
        }
        let said = [text("qContext"), text("qExtendedMessage")];
        let mut fault = Self::of_code(redaction, code, said.into_iter().flatten());
        fault.place = Place::Layout;
        fault.words.insert_str(0, "in the layout: ");
        Some(fault)
    }

    /// Says that a script failed, which is no error on the wire.
    pub(crate) fn script() -> Self {
        Self { code: None, place: Place::Script, words: "the script failed".to_owned() }
    }

    fn of_code(redaction: &Redaction, code: ErrorCode, said: impl Iterator<Item = String>) -> Self {
        let mut words = code.get().to_string();
        if let Some(name) = code.name() {
            words += " ";
            words += name.strip_prefix("LOCERR_").unwrap_or(name);
        }
        let mut said: Vec<_> =
            said.map(|text| shown(redaction, &text)).filter(|text| !text.is_empty()).collect();
        said.dedup();
        if said.is_empty() {
            said.extend(Some(code.judgement().reason.to_owned()).filter(|reason| !reason.is_empty()));
        }
        if !said.is_empty() {
            words += ": ";
            words += &said.join("; ");
        }
        Self { code: Some(code), place: Place::Call, words }
    }
}

/// Puts the end of a connection into words.
pub(crate) fn ended(
    redaction: &Redaction,
    by: Option<Side>,
    code: Option<u16>,
    reason: &str,
    clean: bool,
    error: Option<&str>,
) -> String {
    let who = by.map_or("the recorder", |side| match side {
        Side::Client => "the client",
        Side::Engine => "the engine",
    });
    if !clean {
        let why = error.map(|error| format!(": {}", shown(redaction, error))).unwrap_or_default();
        return format!("cut by {who} without a close frame{why}");
    }
    let code = CloseCode::new(code.unwrap_or(CloseCode::NO_STATUS.get()));
    let reason = CloseReason::parse(reason).to_string();
    let reason = shown(redaction, &reason);
    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
    format!("closed by {who} with {code}{reason}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: i32, message: &str, parameter: &str, raw: &str) -> String {
        let error = EngineError {
            code: ErrorCode::new(code),
            parameter: parameter.to_owned(),
            message: message.to_owned(),
        };
        let raw = Raw::new(raw.as_bytes()).unwrap();
        Fault::of_answer(&Redaction::standard(), &error, Some(raw)).words
    }

    #[test]
    fn errors_have_name_and_meaning() {
        assert_eq!(
            fault(1002, "App already open", "Sales", r#"{"extendedMessage":"on node 2"}"#),
            "1002 APP_ALREADY_OPEN: App already open; Sales; on node 2"
        );
        assert_eq!(fault(999_999, "", "", "{}"), "999999");
        assert!(fault(15, "", "", "{}").starts_with("15 GENERIC_ABORTED: state changed"));
    }

    #[test]
    fn error_texts_have_no_secrets_and_no_escapes() {
        let words = fault(1, "failed at https://h/?qlikTicket=s3cret", "\u{1b}[31mpassword=s3cret", "{}");
        assert!(!words.contains("s3cret") && !words.contains('\u{1b}'), "{words}");
    }

    #[test]
    fn layouts_may_have_an_error_in_them() {
        let of = |text: &str| Fault::of_layout(&Redaction::standard(), Raw::new(text.as_bytes()).unwrap());
        let fault = of(r#"{"qErrorCode":7005,"qExtendedMessage":"Select one region"}"#).unwrap();
        assert_eq!(fault.words, "in the layout: 7005 CALC_EVAL_CONDITION_FAILED: Select one region");
        assert_eq!(of(r#"{"qErrorCode":0}"#), None);
    }

    #[test]
    fn ends_are_said_in_words() {
        let end =
            |by, code, reason, clean, error| ended(&Redaction::standard(), by, code, reason, clean, error);
        assert_eq!(
            end(Some(Side::Engine), Some(4204), r#"{"code":"QEP-104","traceId":"1"}"#, true, None),
            "closed by the engine with 4204 (app not found): QEP-104"
        );
        assert_eq!(
            end(Some(Side::Client), None, "", true, None),
            "closed by the client with 1005 (closed without a code)"
        );
        assert_eq!(
            end(Some(Side::Engine), None, "", false, Some("reset")),
            "cut by the engine without a close frame: reset"
        );
        assert_eq!(end(None, None, "", false, None), "cut by the recorder without a close frame");
    }
}
