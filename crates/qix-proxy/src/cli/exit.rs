//! How the process ends: outcomes, errors, and the documented exit codes.

use std::{
    fmt::Display,
    io::{self, Write},
    process::ExitCode,
};

/// The exit codes, as `--help` shows them.
pub(super) const HELP: &str = "Exit codes: 0 done; 1 ran, but found differences, unmatched requests, secrets (scrub --check) \
                               or anything at all (lint --check); 2 wrong usage; 3 engine or network failed, the engine \
                               refused a call, or the output cannot be written; 4 recording unreadable";

/// A run that came to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// Everything as it should be.
    Clean,
    /// It ran, but requests found no answer, or answers differ.
    Mismatch,
    /// It ran, and has already said that the engine or the network does not do.
    Unreachable,
}

impl Outcome {
    pub(super) fn exit_code(self) -> ExitCode {
        match self {
            Self::Clean => ExitCode::SUCCESS,
            Self::Mismatch => ExitCode::from(1),
            Self::Unreachable => ExitCode::from(3),
        }
    }
}

/// A run that could not do its work.
#[derive(Debug)]
pub(crate) struct CliError {
    code: u8,
    message: String,
    broken_pipe: bool,
}

impl CliError {
    /// The command was called in a way that cannot work.
    pub(crate) fn usage(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string(), broken_pipe: false }
    }

    /// The engine, the network or the system failed.
    pub(crate) fn network(message: impl Display) -> Self {
        Self { code: 3, message: message.to_string(), broken_pipe: false }
    }

    /// A recording cannot be read.
    pub(crate) fn recording(message: impl Display) -> Self {
        Self { code: 4, message: message.to_string(), broken_pipe: false }
    }

    /// Puts words before the message.
    pub(super) fn before(self, words: &str) -> Self {
        Self { message: format!("{words}{}", self.message), ..self }
    }

    /// Prints the error, once, and returns the exit code.
    pub(super) fn report(&self, err: &mut dyn Write) -> ExitCode {
        if self.broken_pipe {
            // Whoever read the output has seen enough.
            return ExitCode::SUCCESS;
        }
        // Nothing is left to be done if even the error stream is gone.
        let _ = writeln!(err, "error: {}", self.message);
        ExitCode::from(self.code)
    }
}

/// Returns a future that is done when the process is asked to stop.
pub(super) fn requested() -> Result<impl Future<Output = ()>, CliError> {
    crate::shutdown::requested()
        .map_err(|error| CliError::network(format!("the system lets no signals be caught: {error}")))
}

impl From<io::Error> for CliError {
    /// Only writing the command's own output fails this way.
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        Self { code: 3, message: format!("cannot write the output: {error}"), broken_pipe }
    }
}
