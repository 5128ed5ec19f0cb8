//! `qix-proxy import`: make recordings of what other tools have written.

use std::{io::Write, path::PathBuf};

use super::{
    exit::{CliError, Outcome},
    progress::Working,
    redaction::RedactionArgs,
};
use crate::{
    chain::chain,
    count::count,
    import::{Foreign, ImportError, ImportReport, ImportSettings, import},
};

/// How many things that were left out are named, unless all are asked for.
const NAMED: usize = 10;

/// Arguments of `qix-proxy import`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::IMPORT)]
pub(crate) struct ImportArgs {
    /// The file of the other tool: a HAR, a traffic log of enigma-go, or what corectl or qlik-cli printed with --traffic; - is
    /// standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The recording to write; an existing file is never overwritten [default: NAME.qixrec]
    #[arg(long, value_name = "FILE", required_if_eq("file", "-"))]
    out: Option<PathBuf>,

    /// What the file is [default: what its beginning tells]
    #[arg(long = "as", value_name = "KIND")]
    kind: Option<Kind>,

    /// Of a HAR, leave plain HTTP out
    #[arg(long)]
    no_http: bool,

    /// Of a HAR, take WebSockets over that are none to an engine
    #[arg(long)]
    all_sockets: bool,

    /// Name all that was left out, not only the first few
    #[arg(long)]
    all: bool,

    #[command(flatten)]
    redaction: RedactionArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// An HTTP archive of a browser, Playwright, mitmproxy or Proxyman
    Har,
    /// A traffic log of enigma-go
    EnigmaGo,
    /// What corectl or qlik-cli printed with --traffic
    Traffic,
}

impl ImportArgs {
    /// Makes the recording.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let mut settings =
            ImportSettings { redaction: self.redaction.redaction()?, ..ImportSettings::default() };
        settings.leave_out_http = self.no_http;
        settings.all_sockets = self.all_sockets;
        settings.kind = self.kind.map(|kind| match kind {
            Kind::Har => Foreign::Har,
            Kind::EnigmaGo => Foreign::EnigmaGo,
            Kind::Traffic => Foreign::Traffic,
        });
        let to = self.out.clone().unwrap_or_else(|| self.file.with_extension("qixrec"));
        let working = Working::new("importing", &self.file);
        let report = import(&self.file, &to, &settings).map_err(failed)?;
        drop(working);
        let ImportReport { kind, written, left_out, notes } = report;
        let shown = if self.all { left_out.len() } else { NAMED };
        for left in left_out.iter().take(shown) {
            tracing::warn!("{}: {}", left.place, left.why);
        }
        if left_out.len() > shown {
            tracing::warn!("and {} more were left out; --all names them", left_out.len() - shown);
        }
        for note in notes {
            tracing::warn!("{note}");
        }
        let exchanges = match written.exchanges {
            0 => String::new(),
            exchanges => format!(" and {}", count(exchanges, "HTTP exchange")),
        };
        writeln!(
            out,
            "{}: {} with {}{exchanges} from {kind}",
            to.display(),
            count(written.connections, "connection"),
            count(written.frames, "message"),
        )?;
        Ok(Outcome::Clean)
    }
}

fn failed(error: ImportError) -> CliError {
    let text = chain(&error);
    match error {
        ImportError::Write(crate::record::WriteError::Exists { .. }) => {
            CliError::usage(format!("{text} (--out names the file)"))
        }
        ImportError::Write(_) => CliError::network(text),
        _ => CliError::recording(text),
    }
}
