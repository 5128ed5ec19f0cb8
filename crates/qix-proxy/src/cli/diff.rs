//! `qix-proxy diff`: what two recordings differ in.

use std::{
    io::Write,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use super::{
    exit::{CliError, Outcome},
    progress::Progress,
    redrive::{app, tolerance},
    terminal::Terminal,
};
use crate::{
    chain::chain,
    diff::{DiffError, DiffSettings, diff},
    replay::Ignore,
};

/// Arguments of `qix-proxy diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::examples::DIFF)]
pub(crate) struct DiffArgs {
    /// The recording before, such as one that was made before an upgrade
    #[arg(value_name = "BEFORE")]
    before: PathBuf,

    /// The recording after
    #[arg(value_name = "AFTER")]
    after: PathBuf,

    /// How much numbers may differ, as part of the larger one, and in all if that is below 1 [default: 1e-9, but not at all if both
    /// are whole]
    #[arg(long, value_name = "NUMBER", value_parser = tolerance)]
    tolerance: Option<f64>,

    /// A place in results that is not compared, such as /qLayout/title, /qInfo/qId or GetAppLayout:/qTitle; * is any member or
    /// element, and stands for rows and for elements of lists without order, which have no numbers; can be repeated
    #[arg(long, value_name = "RULE")]
    ignore: Vec<Ignore>,

    /// Let the rows of hypercubes and list objects come in any order
    #[arg(long)]
    any_row_order: bool,

    /// Take another app for one of the recording before, both by id or name; can be repeated
    #[arg(long, value_name = "BEFORE=AFTER", value_parser = app)]
    app: Vec<(String, String)>,

    /// As what it is written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// For people, object by object
    Text,
    /// For programs, with everything
    Json,
    /// A page that needs nothing else
    Html,
}

impl DiffArgs {
    /// Compares, and says what differs.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let mut settings = DiffSettings::default().any_row_order(self.any_row_order);
        settings = self.ignore.into_iter().fold(settings, DiffSettings::ignore);
        settings = self.app.into_iter().fold(settings, |settings, (one, other)| settings.app(one, other));
        if let Some(tolerance) = self.tolerance {
            settings = settings.tolerance(tolerance);
        }
        // Each is read twice, unless the first time has shown that they are equal.
        let (one, other) = (&self.before, &self.after);
        let progress = Mutex::new((Progress::new(&[one, other, one, other], false), 0));
        let advanced = |bytes: u64| {
            let (progress, read) = &mut *progress.lock().unwrap_or_else(PoisonError::into_inner);
            *read += bytes;
            progress.at(*read);
        };
        let report = diff(one, other, &settings, &advanced).map_err(|error| match &error {
            DiffError::Spool(_) => CliError::network(chain(&error)),
            _ => CliError::recording(chain(&error)),
        })?;
        drop(progress);
        let text = match self.format {
            Format::Text => report.text(Terminal::stdout().colour),
            Format::Json => format!("{:#}\n", report.json()),
            Format::Html => report.html(),
        };
        // What was found decides the exit code, whether somebody reads it to its end or not.
        let outcome = if report.is_equal() { Outcome::Clean } else { Outcome::Mismatch };
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(outcome),
        }
    }
}
