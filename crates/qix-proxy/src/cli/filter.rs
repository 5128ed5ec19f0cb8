//! The options that choose calls, the same for all commands that show some.

use std::time::Duration;

use super::{exit::CliError, units};
use crate::filter::Filter;

/// Which calls are shown.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Filter")]
pub(super) struct FilterArgs {
    /// Only calls of methods like this, such as 'Get*', or 'HTTP *' for plain HTTP; can be repeated
    #[arg(long, value_name = "PATTERN")]
    method: Vec<String>,

    /// Only calls on objects whose name, title, id or type is like this, such as 'Sheet*', as far as it was known when they were
    /// answered, and plain HTTP whose path is; can be repeated
    #[arg(long, value_name = "PATTERN")]
    object: Vec<String>,

    /// Only this connection, by its number in the recording; can be repeated
    #[arg(long, value_name = "NUMBER")]
    conn: Vec<u64>,

    /// Only from this time since the start of the recording, such as 12.5 (seconds) or 1m 30s
    #[arg(long, value_name = "TIME", value_parser = units::moment)]
    since: Option<Duration>,

    /// Only before this time since the start of the recording
    #[arg(long, value_name = "TIME", value_parser = units::moment)]
    until: Option<Duration>,

    /// Only what took at least this long, such as 500ms
    #[arg(long, value_name = "TIME", value_parser = units::time)]
    slower: Option<Duration>,

    /// Only what has a request or an answer of at least this size, such as 1MB
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    larger: Option<u64>,

    /// Only what failed
    #[arg(long)]
    errors: bool,

    /// Only calls in whose request or answer, patches applied, this regular expression is found
    #[arg(long, value_name = "REGEX")]
    grep: Option<String>,
}

impl FilterArgs {
    /// Returns the filter.
    pub(super) fn filter(&self) -> Result<Filter, CliError> {
        let mut filter = Filter::new(&self.method, &self.object)
            .map_err(|error| CliError::usage(format!("--method or --object cannot be a pattern: {error}")))?;
        filter.connections.clone_from(&self.conn);
        (filter.slower, filter.larger, filter.errors) = (self.slower, self.larger, self.errors);
        if self.since.is_some() || self.until.is_some() {
            let (since, until) = (self.since.unwrap_or_default(), self.until.unwrap_or(Duration::MAX));
            if since >= until {
                return Err(CliError::usage("--until must be later than --since"));
            }
            filter.time = Some(since..until);
        }
        if let Some(wanted) = &self.grep {
            let wanted = regex::bytes::Regex::new(wanted);
            filter.texts = Some(wanted.map_err(|error| {
                CliError::usage(format!(
                    "--grep is no regular expression: {error}; a \\ takes the meaning from a sign"
                ))
            })?);
        }
        Ok(filter)
    }
}
