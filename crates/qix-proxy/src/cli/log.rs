//! The options for the log, and where its lines go.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use clap::ValueEnum;
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

use super::exit::CliError;
use crate::live::{Feed, wants_colour};

/// What is logged to standard error, and how.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Log")]
pub(super) struct LogArgs {
    /// What to log to standard error: error, warn, info, debug, trace, off, or levels by part: warn,qix_proxy::calls=info logs each
    /// call that is recorded [default: the environment's QIX_PROXY_LOG, or warn]
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,

    /// How the log is written
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: Format,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// Lines for people
    Text,
    /// A JSON object a line
    Json,
}

impl LogArgs {
    /// Begins to log.
    ///
    /// # Errors
    ///
    /// Levels that are none.
    pub(super) fn start(&self) -> Result<(), CliError> {
        let given = self.log.clone().map(|log| ("--log", log));
        let environment = || Some(("QIX_PROXY_LOG", std::env::var("QIX_PROXY_LOG").ok()?));
        let filter = match given.or_else(environment) {
            Some((source, text)) => filter(&text).map_err(|fault| {
                CliError::usage(format!(
                    "{source} is {text:?}: {fault}; give error, warn, info, debug, trace or off, or levels by part such as \
                     warn,qix_proxy::calls=info"
                ))
            })?,
            None => EnvFilter::new("warn"),
        };
        let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines);
        match self.log_format {
            Format::Text => {
                log.with_ansi(io::stderr().is_terminal() && wants_colour()).with_target(false).init();
            }
            Format::Json => {
                log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
            }
        }
        Ok(())
    }
}

fn filter(text: &str) -> Result<EnvFilter, String> {
    // A word that is no level would be taken for a part of the program, and nothing be logged.
    for word in text.split(',').map(str::trim).filter(|word| !word.contains(['=', '['])) {
        if !word.is_empty() && word.parse::<LevelFilter>().is_err() {
            return Err(format!("{word:?} is no level"));
        }
    }
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}

/// Who shows lines of the log while the terminal is in use.
static TERMINAL: Mutex<Option<Arc<Feed>>> = Mutex::new(None);

/// Lets the reader of `feed` write what is logged from now on, until the feed ends.
pub(super) fn share_terminal(feed: Arc<Feed>) {
    *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = Some(feed);
}

/// Writes a line of the log, which comes in one piece.
struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let terminal = TERMINAL.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !terminal.is_some_and(|feed| feed.log(line)) {
            // There is nobody else to tell that nobody can be told.
            let _ = io::stderr().write_all(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_levels_are_refused() {
        for text in ["warn", "INFO", "off", "warn,qix_proxy::calls=info", "qix_proxy=debug", ""] {
            assert!(filter(text).is_ok(), "{text}");
        }
        for text in ["verbose", "warn,calls", "qix_proxy=loud"] {
            assert!(filter(text).is_err(), "{text}");
        }
    }
}
