//! The options that say what happens to requests that are not in the recording.

use std::{env, path::PathBuf, time::Duration};

use clap::ValueEnum;

use crate::{
    chain::chain,
    cli::{
        engine::{LoginArgs, ProxyArgs, TrustArgs},
        exit::CliError,
        place::Place,
        session::SessionArgs,
        units,
    },
    record::{Appender, Redaction},
    replay::{OnMiss, Upstream},
};

/// What happens to a request that is not in the recording.
#[derive(Debug, clap::Args)]
pub(super) struct MissArgs {
    /// What to do about a request that is not in the recording [default: error, or upstream if one is given]
    #[arg(long, value_name = "WHAT")]
    on_miss: Option<What>,

    /// The engine to ask for what is not in the recording, as ws:// or wss:// URL; the path that the client asks for is added to it. Its
    /// answers are added to the recording
    #[arg(long, value_name = "URL", required_if_eq("on_miss", "upstream"))]
    upstream: Option<String>,

    /// How long the engine may take for a request, opening again what it is about included
    #[arg(long, value_name = "TIME", value_parser = units::time, default_value = "30s", requires = "upstream")]
    upstream_timeout: Duration,

    #[command(flatten)]
    login: LoginArgs,

    #[command(flatten)]
    session: SessionArgs,

    #[command(flatten)]
    trust: TrustArgs,

    #[command(flatten)]
    way: ProxyArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum What {
    /// Answer with an error of code -32099
    Error,
    /// Answer with that error and close the connection with code 4202, after which no client connects again by itself
    Close,
    /// Ask the engine that --upstream names, and add what it answers to the recording; not while CI is set
    Upstream,
}

/// What was asked for, checked as far as no file is needed.
pub(super) enum Way {
    Error,
    Close,
    Upstream { place: Box<Place>, patience: Duration },
}

impl MissArgs {
    /// Turns what was typed into what is to be done.
    pub(super) fn way(&self) -> Result<Way, CliError> {
        let url = match (self.on_miss, &self.upstream) {
            (Some(What::Error) | None, None) => return Ok(Way::Error),
            (Some(What::Close), None) => return Ok(Way::Close),
            (Some(What::Error | What::Close), Some(_)) => {
                return Err(CliError::usage(
                    "--upstream is for --on-miss upstream; leave one of the two options out",
                ));
            }
            (_, Some(url)) => url,
            (Some(What::Upstream), None) => {
                return Err(CliError::usage("--on-miss upstream needs --upstream URL"));
            }
        };
        if is_set(env::var_os("CI").as_deref()) {
            return Err(CliError::usage(
                "CI is set, so that no engine is asked and no recording changed; leave --upstream out, or unset CI to add to the \
                 recording",
            ));
        }
        self.trust.warn();
        let place = Place::new("--upstream", url, &self.login, &self.session, &self.trust, &self.way)?;
        // What cannot work at all is said now and not at the first miss.
        place.connect("/").map_err(CliError::usage)?;
        Ok(Way::Upstream { place: Box::new(place), patience: self.upstream_timeout })
    }
}

impl Way {
    /// Opens the recording, if it is to be added to.
    pub(super) fn on_miss(self, files: &[PathBuf], redaction: &Redaction) -> Result<OnMiss, CliError> {
        Ok(match self {
            Self::Error => OnMiss::Error,
            Self::Close => OnMiss::Close,
            Self::Upstream { place, patience } => {
                let appender =
                    Appender::open(files, redaction).map_err(|error| CliError::recording(chain(&error)))?;
                let upstream = Upstream::new(move |path| place.connect(path));
                OnMiss::Upstream(upstream.append_to(appender).patience(patience))
            }
        })
    }
}

/// Returns whether a variable such as `CI` says yes.
fn is_set(value: Option<&std::ffi::OsStr>) -> bool {
    value.is_some_and(|value| !value.is_empty() && value != "0" && !value.eq_ignore_ascii_case("false"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ci_is_set_unless_it_says_no() {
        for (value, set) in [
            (None, false),
            (Some(""), false),
            (Some("0"), false),
            (Some("False"), false),
            (Some("true"), true),
            (Some("1"), true),
        ] {
            assert_eq!(is_set(value.map(std::ffi::OsStr::new)), set, "{value:?}");
        }
    }
}
