//! `qix-proxy scrub`: take secrets out of recordings, or find them.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use qix_transport::printable;

use super::{
    exit::{CliError, Outcome},
    progress::Working,
    redaction::RedactionArgs,
};
use crate::{
    chain::chain,
    count::count,
    scrub::{Anonymizer, ScrubError, check, scrub},
};

/// Arguments of `qix-proxy scrub`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::SCRUB)]
pub(crate) struct ScrubArgs {
    /// The recordings; they are only read
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The copy to write, if there is one recording; an existing file is never overwritten [default: NAME.scrubbed.qixrec, or NAME.scrubbed.qixrec.zst of a compressed one]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Write nothing; print where secrets are, never the secrets, and exit with 1 if there are any
    #[arg(long, conflicts_with_all = ["out", "anonymise"])]
    check: bool,

    /// Replace the values in the data too: equal ones stay equal, order, nulls and signs stay
    #[arg(long)]
    anonymise: bool,

    /// Replace titles too
    #[arg(long, requires = "anonymise")]
    anonymise_titles: bool,

    /// Keep what stands for which value, for `replay --anonymise-map`; who has this file can undo the replacement
    #[arg(long, requires = "anonymise", value_name = "FILE")]
    anonymise_map: Option<PathBuf>,

    #[command(flatten)]
    redaction: RedactionArgs,
}

impl ScrubArgs {
    /// Scrubs or checks one recording after the other.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let redaction = self.redaction.redaction()?;
        if self.out.is_some() && self.files.len() > 1 {
            return Err(CliError::usage(
                "--out names one copy; scrub one recording at a time, or leave it out",
            ));
        }
        if self.check {
            let mut outcome = Outcome::Clean;
            for file in &self.files {
                let working = Working::new("checking", file);
                let found = check(file, &redaction).map_err(failed)?;
                drop(working);
                warn_torn(file, found.torn);
                for place in &found.places {
                    let what = printable(&place.what, 200);
                    writeln!(out, "{}:{}: entry {}: {what}", file.display(), place.line, place.seq)?;
                    outcome = Outcome::Mismatch;
                }
                let secrets = count_places(found.places.len());
                writeln!(out, "{}: {secrets} in {} lines", file.display(), found.entries + 1)?;
            }
            return Ok(outcome);
        }
        let mut anonymizer = self.anonymise.then(|| Anonymizer::new(self.anonymise_titles));
        if let Some(anonymizer) = &mut anonymizer {
            for file in &self.files {
                let _working = Working::new("collecting the values of", file);
                anonymizer.collect_from(file).map_err(failed)?;
            }
            if let Some(map) = &self.anonymise_map {
                anonymizer.save(map).map_err(|error| CliError::usage(chain(&error)))?;
            }
        }
        for file in &self.files {
            let copy = self.out.clone().unwrap_or_else(|| scrubbed(file));
            let working = Working::new("scrubbing", file);
            let done = scrub(file, &copy, &redaction, anonymizer.as_mut()).map_err(failed)?;
            drop(working);
            warn_torn(file, done.torn);
            writeln!(out, "{}: replaced {}", copy.display(), count_places(done.places.len()))?;
        }
        Ok(Outcome::Clean)
    }
}

fn count_places(places: usize) -> String {
    match places {
        0 => "no secret".to_owned(),
        places => count(places as u64, "secret"),
    }
}

fn warn_torn(file: &Path, torn: Option<u64>) {
    if let Some(bytes) = torn {
        tracing::warn!("the last line of {} was cut after {bytes} bytes, and is left out", file.display());
    }
}

/// Returns the name of a copy: compressed if the recording's says so.
fn scrubbed(file: &Path) -> PathBuf {
    match file.extension() {
        Some(extension) if extension == "zst" => {
            file.with_extension("").with_extension("scrubbed.qixrec.zst")
        }
        _ => file.with_extension("scrubbed.qixrec"),
    }
}

fn failed(error: ScrubError) -> CliError {
    let text = chain(&error);
    match error {
        ScrubError::Read(_) => CliError::recording(text),
        ScrubError::Exists { .. } => CliError::usage(format!("{text} (--out names the file)")),
        ScrubError::Write { .. } => CliError::network(text),
    }
}
