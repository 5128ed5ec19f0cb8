//! `qix-proxy export`: write a recording as other tools read it.

use std::{io::Write, path::PathBuf};

use super::{
    exit::{CliError, Outcome},
    progress::Working,
};
use crate::{
    chain::chain,
    count::count,
    export::{ExportAs, ExportError, ExportSettings, export},
    record::WriteError,
};

/// Arguments of `qix-proxy export`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::EXPORT)]
pub(crate) struct ExportArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// As what it is written
    #[arg(long = "as", value_name = "KIND")]
    kind: Kind,

    /// The file to write; an existing one is never overwritten [default: NAME.har, NAME.enigma-go.json, NAME.calls.jsonl or
    /// NAME.parquet]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Only this connection, by its number in the recording
    #[arg(long, value_name = "NUMBER")]
    connection: Option<u64>,

    /// Give tables of calls a column with the results, patches applied; it makes them about as large as the recording
    #[arg(long)]
    results: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// An HTTP archive, for the network panel of a browser and for mitmproxy
    Har,
    /// The traffic log of one connection, from which the mock mode of enigma-go answers
    EnigmaGo,
    /// JSON Lines, one call a line
    Calls,
    /// Parquet, one call a row
    Parquet,
}

impl Kind {
    fn extension(self) -> &'static str {
        match self {
            Self::Har => "har",
            Self::EnigmaGo => "enigma-go.json",
            Self::Calls => "calls.jsonl",
            Self::Parquet => "parquet",
        }
    }
}

impl ExportArgs {
    /// Writes the file.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let mut settings = ExportSettings::new(match self.kind {
            Kind::Har => ExportAs::Har,
            Kind::EnigmaGo => ExportAs::EnigmaGo,
            Kind::Calls => ExportAs::Calls,
            Kind::Parquet => ExportAs::Parquet,
        });
        if self.results && !matches!(self.kind, Kind::Calls | Kind::Parquet) {
            return Err(CliError::usage("--results is for --as calls and --as parquet"));
        }
        settings.connection = self.connection;
        settings.results = self.results;
        let first = self.files.first().cloned().unwrap_or_default();
        let to = self.out.clone().unwrap_or_else(|| first.with_extension(self.kind.extension()));
        let working = Working::new("exporting", &first);
        let report = export(&self.files, &to, &settings).map_err(failed)?;
        drop(working);
        for left in &report.left_out {
            tracing::warn!("left out: {left}");
        }
        let what = match self.kind {
            Kind::Har => "entr",
            Kind::EnigmaGo => "message",
            Kind::Calls | Kind::Parquet => "call",
        };
        let written = match (what, report.written) {
            ("entr", 1) => "1 entry".to_owned(),
            ("entr", written) => format!("{written} entries"),
            (what, written) => count(written, what),
        };
        writeln!(out, "{}: {written}", to.display())?;
        Ok(Outcome::Clean)
    }
}

fn failed(error: ExportError) -> CliError {
    let text = chain(&error);
    match error {
        ExportError::Write(WriteError::Exists { .. }) => {
            CliError::usage(format!("{text} (--out names the file)"))
        }
        ExportError::Several { .. } | ExportError::NoConnection { .. } => CliError::usage(text),
        ExportError::Write(_) => CliError::network(text),
        _ => CliError::recording(text),
    }
}
