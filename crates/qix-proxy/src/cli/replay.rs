//! `qix-proxy replay`: answer a client from a recording.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use super::exit::{CliError, Outcome, chain};
use crate::replay::{LoadReport, ReplayServer, Tapes};

/// Arguments of `qix-proxy replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// The recording
    file: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9077")]
    listen: SocketAddr,
}

impl ReplayArgs {
    /// Serves the recording until Ctrl-C or SIGTERM.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let (tapes, report) = Tapes::open(&self.file).map_err(|error| CliError::recording(chain(&error)))?;
        warn(&report);
        let (connections, calls) = (tapes.connections(), tapes.calls());
        let server = ReplayServer::bind(tapes, self.listen).await.map_err(|error| {
            CliError::network(format!(
                "cannot listen on {}: {error}; choose another address with --listen",
                self.listen
            ))
        })?;
        let address = server.local_addr()?;
        writeln!(
            out,
            "replaying {connections} connections with {calls} calls from {} on ws://{address}",
            self.file.display()
        )?;
        out.flush()?;
        let shutdown = crate::shutdown::requested()?;
        let summary = server
            .run(shutdown, |miss| {
                // The terminal may be gone; the exit code tells all the same.
                let _ = writeln!(io::stderr(), "not in the recording: {miss}");
            })
            .await;
        writeln!(
            out,
            "replayed {} connections, answered {} requests, {} not in the recording",
            summary.connections, summary.answered, summary.missed
        )?;
        Ok(if summary.missed == 0 { Outcome::Clean } else { Outcome::Mismatch })
    }
}

fn warn(report: &LoadReport) {
    if let Some(torn) = report.torn {
        tracing::warn!("line {} was cut after {} bytes, and is left out", torn.line, torn.bytes);
    }
    if report.unanswered > 0 {
        tracing::warn!("{} requests were recorded without an answer, and get none", report.unanswered);
    }
    for left_out in &report.left_out {
        tracing::warn!("left out: {left_out}");
    }
}
