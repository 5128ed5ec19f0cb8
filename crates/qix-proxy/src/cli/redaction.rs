//! Options that say what is a secret, shared by all commands that handle recordings.

use std::path::PathBuf;

use super::exit::CliError;
use crate::{chain::chain, record::Redaction};

/// What is a secret.
#[derive(Debug, clap::Args)]
pub(crate) struct RedactionArgs {
    /// Rules of your own for what else is a secret, as TOML; docs/recording-format.md says what can be in it
    #[arg(long, value_name = "FILE")]
    redact_rules: Option<PathBuf>,

    /// Treat script text as a secret too
    #[arg(long)]
    redact_script: bool,
}

impl RedactionArgs {
    /// Turns what was typed into rules.
    pub(crate) fn redaction(&self) -> Result<Redaction, CliError> {
        let redaction = Redaction::standard().script(self.redact_script);
        match &self.redact_rules {
            None => Ok(redaction),
            Some(file) => redaction.rules_file(file).map_err(|error| {
                CliError::usage(format!("--redact-rules {}: {}", file.display(), chain(&error)))
            }),
        }
    }
}
