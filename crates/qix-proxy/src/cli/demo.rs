//! `qix-proxy demo`: the main job on an embedded default.

use std::{
    io::Write,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use super::exit::{CliError, Outcome, chain};
use crate::demo;

/// Arguments of `qix-proxy demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoArgs {
    /// Where to write the recording; it must not exist [default: a new file among the system's temporary files]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl DemoArgs {
    /// Runs the demo.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let file = self.out.unwrap_or_else(temporary);
        let report = demo::run(&file, out).await.map_err(|error| CliError::network(chain(&error)))?;
        out.flush()?;
        Ok(if report.different.is_empty() && report.missed == 0 { Outcome::Clean } else { Outcome::Mismatch })
    }
}

fn temporary() -> PathBuf {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    std::env::temp_dir().join(format!("qix-demo-{}-{}.qixrec", now.as_secs(), std::process::id()))
}
