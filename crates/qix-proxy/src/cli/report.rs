//! `qix-proxy report`: write a recording as one page for a browser.

use std::{io::Write, path::PathBuf};

use super::{
    exit::{CliError, Outcome},
    progress::Progress,
    units::size_or_zero,
};
use crate::{
    chain::chain,
    count::count,
    live::size,
    record::WriteError,
    report::{ReportError, ReportSettings, beside, report},
};

/// Examples, as `--help` shows them.
const EXAMPLES: &str = "\
Examples:
  qix-proxy report session.qixrec
      Write session.html: open it in any browser, or send it to somebody
  qix-proxy report session.qixrec -o slow.html --bodies 200MB
      Embed what was said, up to 200 MB of it and 1 MiB of each text
  qix-proxy report session*.qixrec
      One page of a recording that has several files";

/// Arguments of `qix-proxy report`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReportArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The page to write; an existing file is never overwritten [default: NAME.html beside the recording]
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,

    /// How much of the page may be requests and answers, compressed; the longest are cut first, and the page says so. 0 leaves them out
    #[arg(long, value_name = "SIZE", default_value = "15MB", value_parser = size_or_zero)]
    bodies: u64,
}

impl ReportArgs {
    /// Writes the page.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let to = self.out.unwrap_or_else(|| beside(self.files.first().map_or("".as_ref(), PathBuf::as_path)));
        let settings = ReportSettings { bodies: self.bodies };
        let mut progress = Progress::new(&self.files, false);
        let report = report(&self.files, &to, &settings, &mut |bytes| progress.at(bytes));
        progress.finish();
        let report = report.map_err(failed)?;
        for left in &report.left_out {
            tracing::warn!("not in the report: {left}");
        }
        let failed = if report.failed == 0 { String::new() } else { format!(", {} failed", report.failed) };
        let findings = count(report.findings, "finding");
        let bytes = size(report.bytes);
        writeln!(out, "{}: {}{failed}, {findings}, {bytes}", to.display(), count(report.calls, "call"))?;
        Ok(Outcome::Clean)
    }
}

fn failed(error: ReportError) -> CliError {
    let text = chain(&error);
    match error {
        ReportError::Write(WriteError::Exists { .. }) => {
            CliError::usage(format!("{text} (-o names the page)"))
        }
        ReportError::Write(_) => CliError::network(text),
        ReportError::Read(_) => CliError::recording(text),
    }
}
