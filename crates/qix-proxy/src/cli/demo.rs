//! `qix-proxy demo`: the main job on an embedded default.

use std::{
    io::Write,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::exit::{CliError, Outcome};
use crate::{
    ProxyError,
    chain::chain,
    demo::{self, DemoError, ScriptError},
};

/// Arguments of `qix-proxy demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DEMO)]
pub(crate) struct DemoArgs {
    /// Where to write the recording; it must not exist [default: a new file among the system's temporary files]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl DemoArgs {
    /// Runs the demo.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let file = self.out.unwrap_or_else(temporary);
        let report = demo::run(&file, out).await.map_err(failed)?;
        out.flush()?;
        Ok(if report.different.is_empty() && report.missed == 0 { Outcome::Clean } else { Outcome::Mismatch })
    }
}

fn failed(error: DemoError) -> CliError {
    match error {
        DemoError::Io(error) | DemoError::Script(ScriptError::Output(error)) => error.into(),
        DemoError::Proxy(ProxyError::Recorder(_)) => {
            CliError::usage(format!("{} (--out names the file)", chain(&error)))
        }
        error => CliError::network(chain(&error)),
    }
}

fn temporary() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("qix-demo-{}-{}.qixrec", now.as_secs(), std::process::id()))
}
