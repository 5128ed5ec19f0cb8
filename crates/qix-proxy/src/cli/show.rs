//! `qix-proxy show`: a recording, one line for each call.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;
use tokio::time::timeout;

use super::{
    exit::{CliError, Outcome},
    filter::FilterArgs,
    progress::{self, failed},
    terminal::Terminal,
    units,
};
use crate::{
    filter::Filter,
    record::Tail,
    show::{Format, Look, Show, What, World},
    shutdown,
};

const EXAMPLES: &str = "Examples:
  qix-proxy show session.qixrec
  qix-proxy show session.qixrec --slower 500ms --object 'Sales*'
  qix-proxy show session.qixrec --errors --body
  qix-proxy show session.qixrec --follow --method 'Get*'
  qix-proxy show session.qixrec --at 12.5 layout 'KPI*'
  qix-proxy show session.qixrec --format json | jq 'select(.kind == \"call\") | .latency_us'

docs/show.md says what the columns and the members of the JSON mean.";

/// Arguments of `qix-proxy show`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ShowArgs {
    /// The recording; all its files, in any order, if it has several
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Go on while the file is being written, with the files that continue it too; Ctrl-C ends it
    #[arg(long)]
    follow: bool,

    /// Show what was said: parameters and results, patches applied
    #[arg(long)]
    body: bool,

    /// Show the state of the world at this time since the start: handles (what is open), layout OBJECT (what was known of it; a pattern)
    /// or selections
    #[arg(long, num_args = 2..=3, value_names = ["TIME", "WHAT", "OBJECT"], conflicts_with_all = ["follow", "body"])]
    at: Option<Vec<String>>,

    /// As what to write
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Kind,

    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Kind {
    /// For people
    Text,
    /// JSON, one object a line
    Json,
}

/// How long lines are held back while more come.
const PATIENCE: Duration = Duration::from_millis(100);

impl ShowArgs {
    /// Writes the lines.
    pub(crate) async fn exec(self, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let Terminal { colour, width } = Terminal::stdout();
        let format = match self.format {
            Kind::Text => Format::Text(Look { width, colour }),
            Kind::Json => Format::Json,
        };
        let filter = self.filter.filter()?;
        let mut out = BufWriter::with_capacity(1 << 16, out);
        if let Some(at) = &self.at {
            return self.world(at, format, &mut out);
        }
        let mut show = Show::new(filter, format, self.body);
        if self.follow {
            return self.follow(show, &mut out).await;
        }
        let mut reading = progress::open(&self.files, true)?;
        let mut broken = None;
        for entry in &mut reading {
            match entry {
                Ok(entry) => show.take(entry, &mut out)?,
                Err(error) => broken = Some(error),
            }
        }
        show.finish(&mut out)?;
        out.flush()?;
        reading.finish();
        match broken {
            Some(error) => Err(failed(error)),
            None => Ok(Outcome::Clean),
        }
    }

    async fn follow(&self, mut show: Show, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let [file] = &self.files[..] else {
            return Err(CliError::usage(
                "--follow takes one file: the first that is to be shown; those that continue it are found",
            ));
        };
        let stop = shutdown::requested()
            .map_err(|error| CliError::network(format!("the system lets no signals be caught: {error}")))?;
        let mut stop = std::pin::pin!(stop);
        let mut tail = tokio::select! {
            tail = Tail::open(file) => tail.map_err(failed)?,
            () = &mut stop => return Ok(Outcome::Clean),
        };
        loop {
            let entry = tokio::select! {
                entry = timeout(PATIENCE, tail.next()) => entry,
                () = &mut stop => break,
            };
            match entry {
                Ok(Some(entry)) => show.take(entry.map_err(failed)?, out)?,
                Ok(None) => break,
                Err(_) => out.flush()?,
            }
        }
        show.finish(out)?;
        out.flush()?;
        Ok(Outcome::Clean)
    }

    fn world(&self, at: &[String], format: Format, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let time = units::moment(&at[0]).map_err(|error| CliError::usage(format!("--at: {error}")))?;
        let what = match (&*at[1], at.get(2)) {
            ("handles", None) => What::Handles,
            ("selections", None) => What::Selections,
            ("layout", Some(object)) => {
                let wanted = Filter::new(&[], std::slice::from_ref(object));
                What::Layouts(wanted.map_err(|error| CliError::usage(format!("--at layout: {error}")))?)
            }
            ("layout", None) => {
                return Err(CliError::usage(
                    "--at TIME layout needs an OBJECT: a title, an id, a type, or a pattern",
                ));
            }
            _ => {
                return Err(CliError::usage(
                    "--at takes a time and one of: handles, layout OBJECT, selections; put the file before it",
                ));
            }
        };
        let mut world = World::new(what, time);
        let mut reading = progress::open(&self.files, false)?;
        for entry in &mut reading {
            if !world.take(entry.map_err(failed)?) {
                break;
            }
        }
        reading.finish();
        let found = world.write(format, out)?;
        if !found && self.format == Kind::Text {
            writeln!(out, "nothing at {}", at[0])?;
        }
        out.flush()?;
        Ok(Outcome::Clean)
    }
}
