//! The error member of an answer.

use serde_json::{Value, json};

/// An error as the engine writes it: `{code, parameter, message}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EngineError {
    pub(crate) code: i64,
    pub(crate) parameter: String,
    pub(crate) message: &'static str,
}

impl EngineError {
    /// Returns the error of `code`, with its fixed text and a free detail.
    pub(crate) fn new(code: i64, parameter: impl Into<String>) -> Self {
        Self { code, parameter: parameter.into(), message: message(code) }
    }

    pub(crate) fn invalid_params(detail: impl Into<String>) -> Self {
        Self::new(-32602, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(2, detail)
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({ "code": self.code, "parameter": self.parameter, "message": self.message })
    }
}

/// Returns the short fixed text of a code; codes without one of their own share "Unknown error".
pub(crate) fn message(code: i64) -> &'static str {
    match code {
        -32700 => "Parse error",
        -32604 => "Response too large",
        -32603 => "Internal error",
        -32602 => "Invalid parameters",
        -32601 => "Method not found",
        -32600 => "Invalid Request",
        -128 => "Internal error",
        2 => "Not found",
        3 => "Already exists",
        4 => "Invalid path",
        5 => "Access denied",
        8 => "Invalid parameters",
        15 => "Request aborted",
        20 => "Not implemented",
        1000 => "App already exists",
        1001 => "Invalid app name",
        1002 => "App already open",
        1003 => "App not found",
        1007 => "App invalid",
        1009 => "App already open in different mode",
        1017 => "App not open",
        6000 => "Invalid object",
        6003 => "Modal object error",
        7000 => "Invalid calculation definition",
        7001 => "Not in library",
        7003 => "Calculation too large",
        7005 => "Calculation condition not fulfilled",
        7009 => "Calculation pages too large",
        9009 => "Operation not supported for session app",
        9011 => "Object locked",
        11000 => "Reload already in progress",
        18000 => "Variable has no name",
        18001 => "Duplicate variable name",
        _ => "Unknown error",
    }
}
