//! What became of a reload.

use std::{error::Error as StdError, fmt};

use qix_protocol::{
    MessageCode,
    schema::{ErrorData, ErrorDataCode, ReloadError},
};

/// A reload that went well.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// Where the log of the script is; only `DoReloadEx` tells.
    pub log_file: Option<String>,
    /// Whether the engine had to do with less memory than it wanted; only `DoReloadEx` tells.
    pub ended_with_memory_constraint: bool,
    /// What was wrong and passed over.
    pub errors: Vec<ScriptError>,
    /// Whether the data is there, and what comes after loading, such as indexing, was cancelled.
    pub cancelled: bool,
    /// Whether the app was saved.
    pub saved: bool,
}

/// Why a reload ended without data: the source of errors of the kinds [`ReloadFailed`](crate::ErrorKind::ReloadFailed) and
/// [`ReloadCancelled`](crate::ErrorKind::ReloadCancelled).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReloadFailure {
    /// What was wrong, as far as the engine said.
    pub errors: Vec<ScriptError>,
    /// Where the log of the script is; only `DoReloadEx` tells.
    pub log_file: Option<String>,
    /// Whether the engine had to do with less memory than it wanted; only `DoReloadEx` tells.
    pub ended_with_memory_constraint: bool,
}

/// An error in a script.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ScriptError {
    /// How bad it is.
    pub severity: ErrorDataCode,
    /// What is wrong, in the engine's language.
    pub text: String,
    /// The statement.
    pub line: String,
    /// The rest of the statement.
    pub line_end: String,
    /// The number of the line, from 1, in the whole script; only `DoReloadEx` tells.
    pub line_number: Option<i32>,
    /// What is wrong, in no language; zero if the engine does not say.
    pub code: MessageCode,
    /// What the code is about, such as the name of a table.
    pub parameters: Vec<String>,
}

impl From<ErrorData> for ScriptError {
    fn from(data: ErrorData) -> Self {
        Self {
            severity: data.error_data_code,
            text: data.error_string,
            line: data.line,
            line_end: data.line_end,
            line_number: None,
            code: data.message.message_code,
            parameters: data.message.message_parameters,
        }
    }
}

impl From<ReloadError> for ScriptError {
    fn from(error: ReloadError) -> Self {
        let text = [error.error, error.description].into_iter().filter(|text| !text.is_empty());
        Self {
            severity: ErrorDataCode::Error,
            text: text.collect::<Vec<_>>().join(": "),
            line: error.line,
            line_end: String::new(),
            line_number: Some(error.line_number).filter(|number| *number > 0),
            code: MessageCode::default(),
            parameters: Vec::new(),
        }
    }
}

/// The text, and where the error is.
impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code.name() {
            _ if !self.text.is_empty() => f.write_str(&self.text)?,
            Some(name) if self.code != MessageCode::default() => f.write_str(name)?,
            _ => f.write_str("error in the script")?,
        }
        if let Some(number) = self.line_number {
            write!(f, " in line {number}")?;
        }
        if !self.line.is_empty() {
            write!(f, ": {}", self.line)?;
        }
        Ok(())
    }
}

impl fmt::Display for ReloadFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.errors.as_slice() {
            [] => f.write_str("the engine did not say what is wrong with the script"),
            [only] => write!(f, "{only}"),
            [first, rest @ ..] => write!(f, "{first} (and {} more)", rest.len()),
        }
    }
}

impl StdError for ReloadFailure {}

/// Why an app is not saved after its reload.
#[derive(Debug, thiserror::Error)]
#[error(
    "a session app lives as long as its session and cannot be saved: leave and_save() out, or save a copy with Global.SaveAs"
)]
pub(super) struct SessionAppNotSaved;
