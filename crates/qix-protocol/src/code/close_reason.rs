//! What a close frame says besides its code.

use std::fmt;

use serde::Deserialize;

/// The reason text of a close frame, read.
///
/// Qlik Cloud writes `{"code":"QEP-104","traceId":"…"}` (seen by `@qlik/api`); others write a sentence or nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CloseReason {
    /// The code, such as `QEP-104`.
    pub code: Option<String>,
    /// What the provider's support asks for. No secret, but it identifies one connection.
    pub trace_id: Option<String>,
    /// The whole text as it came.
    pub text: String,
}

impl CloseReason {
    /// Reads a reason; whatever is no object with a code or trace id is plain text.
    pub fn parse(text: &str) -> Self {
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct Coded {
            code: Option<String>,
            trace_id: Option<String>,
        }
        let Coded { code, trace_id } = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).unwrap_or_default()
        } else {
            Coded::default()
        };
        Self { code, trace_id, text: text.to_owned() }
    }
}

/// Writes the code, or the text if there is none.
impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_deref().unwrap_or(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reason_is_taken_apart() {
        let text = r#"{"code":"QEP-104","traceId":"0123abcd","more":[1]}"#;
        let reason = CloseReason::parse(text);
        assert_eq!((reason.code.as_deref(), reason.trace_id.as_deref()), (Some("QEP-104"), Some("0123abcd")));
        assert_eq!((reason.text.as_str(), reason.to_string().as_str()), (text, "QEP-104"));
        assert_eq!(CloseReason::parse(r#"{"code":"QEP-104"}"#).trace_id, None);
    }

    #[test]
    fn empty_reason_is_empty() {
        assert_eq!(CloseReason::parse(""), CloseReason::default());
    }

    #[test]
    fn reason_that_is_not_json_is_kept_as_text() {
        for text in [
            "restart",
            "{",
            r#"{"code":104}"#,
            "[1]",
            r#"["QEP-104",null]"#,
            r#"{"code":"\ud800"}"#,
            "\u{feff}{}",
        ] {
            let reason = CloseReason::parse(text);
            assert_eq!((reason.code, reason.trace_id, &*reason.text), (None, None, text));
        }
    }
}
