//! `qix-proxy stats`: a recording in numbers.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
};

use clap::ValueEnum;

use super::{
    exit::{CliError, Outcome},
    filter::FilterArgs,
    progress::{self, failed},
    terminal::Terminal,
};
use crate::{
    model::{Events, ModelBuilder},
    show::Look,
    stats::{Sort, Stats, write_csv, write_json, write_text},
};

const EXAMPLES: &str = "Examples:
  qix-proxy stats session.qixrec
  qix-proxy stats session*.qixrec --sort p95 --top 10
  qix-proxy stats session.qixrec --since 1m --until 2m --object 'Sales*'
  qix-proxy stats session.qixrec --format csv > session.csv

docs/show.md says what the columns and the members of the JSON mean.";

/// How many of the slowest calls are kept at most.
const MOST_SLOWEST: usize = 10_000;

/// Arguments of `qix-proxy stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// By what methods and objects are sorted
    #[arg(long, value_name = "COLUMN", default_value = "total")]
    sort: Sort,

    /// How many methods and objects to show as text (0 for all), and how many of the slowest calls as text and JSON (0 for 20)
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    top: usize,

    /// As what to write
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Kind,

    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    /// Tables for people
    Text,
    /// One JSON object
    Json,
    /// Comma-separated values: methods and objects
    Csv,
}

impl StatsArgs {
    /// Writes the tables.
    pub(crate) fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let filter = self.filter.filter()?;
        let builder = ModelBuilder::new();
        let builder = if filter.texts.is_some() { builder } else { builder.without_results() };
        let mut stats = Stats::new(filter, if self.top == 0 { 20 } else { self.top.min(MOST_SLOWEST) });
        let mut reading = progress::open(&self.files, false)?;
        let mut broken = None;
        for event in Events::with(&mut reading, builder) {
            match event {
                Ok(event) => stats.take(&event),
                Err(error) => broken = Some(error),
            }
        }
        reading.finish();
        let tables = stats.tables(self.sort);
        let mut out = BufWriter::new(out);
        match self.format {
            Kind::Text => {
                let Terminal { colour, width } = Terminal::stdout();
                let most = if self.top == 0 { usize::MAX } else { self.top };
                write_text(&mut out, &tables, Look { width, colour }, most)?;
            }
            Kind::Json => write_json(&mut out, &tables)?,
            Kind::Csv => write_csv(&mut out, &tables)?,
        }
        out.flush()?;
        match broken {
            Some(error) => Err(failed(error)),
            None => Ok(Outcome::Clean),
        }
    }
}
