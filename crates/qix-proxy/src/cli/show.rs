//! `qix-proxy show`: a recording, one line for each call.

use std::{
    io::{BufWriter, Write},
    path::PathBuf,
    time::Duration,
};

use clap::ValueEnum;
use tokio::time::{Instant, sleep};

use super::{
    exit::{self, CliError, Outcome},
    filter::FilterArgs,
    progress::{self, failed},
    terminal::Terminal,
    units,
};
use crate::{
    filter::Filter,
    record::{ReadError, Tail},
    show::{Format, Look, Show, What, World},
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
    #[arg(
        long, num_args = 2..=3, value_names = ["TIME", "WHAT", "OBJECT"], action = clap::ArgAction::Set,
        conflicts_with_all = ["follow", "body", "FilterArgs"]
    )]
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

/// How often it is looked for more.
const BEAT: Duration = Duration::from_millis(100);
/// How long a file may be missing before that is said.
const PATIENCE: Duration = Duration::from_secs(1);

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
        if let Some(error) = broken {
            return Err(failed(error));
        }
        if let Some(why) = show.why_silent() {
            tracing::warn!("{why}");
        }
        Ok(Outcome::Clean)
    }

    async fn follow(&self, show: Show, out: &mut dyn Write) -> Result<Outcome, CliError> {
        let [file] = &self.files[..] else {
            return Err(CliError::usage(
                "--follow takes one file: the first that is to be shown; those that continue it are found",
            ));
        };
        let mut stop = std::pin::pin!(exit::requested()?);
        let mut tail = std::pin::pin!(Tail::open(file));
        let mut is_said = false;
        let tail = loop {
            tokio::select! {
                tail = &mut tail => break tail.map_err(failed)?,
                () = &mut stop => return Ok(Outcome::Clean),
                () = sleep(PATIENCE), if !is_said => {
                    is_said = true;
                    tracing::warn!("{} is empty so far: waiting for its recorder", file.display());
                }
            }
        };
        match follow(tail, show, out, stop).await? {
            Some(error) => Err(failed(error)),
            None => Ok(Outcome::Clean),
        }
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
        let mut broken = None;
        for entry in &mut reading {
            match entry {
                Ok(entry) => {
                    if !world.take(entry) {
                        break;
                    }
                }
                Err(error) => broken = Some(error),
            }
        }
        reading.finish();
        let found = world.write(format, out)?;
        if !found && self.format == Kind::Text {
            writeln!(out, "nothing at {}", at[0])?;
        }
        out.flush()?;
        broken.map_or(Ok(Outcome::Clean), |error| Err(failed(error)))
    }
}

/// Writes the lines of a recording as they come, until it is sealed or `stop` is done. Returns why it cannot be read further, if that
/// is so.
async fn follow(
    mut tail: Tail,
    mut show: Show,
    out: &mut dyn Write,
    mut stop: impl Future<Output = ()> + Unpin,
) -> Result<Option<ReadError>, CliError> {
    let mut broken = None;
    // Since when a file is missing, and whether that was said.
    let mut missing: Option<(PathBuf, Instant, bool)> = None;
    loop {
        let entry = tokio::select! {
            entry = tail.ready() => entry,
            () = &mut stop => break,
        };
        match entry {
            Ok(Some(entry)) => {
                show.take(entry, out)?;
                continue;
            }
            Ok(None) if tail.is_ended() => break,
            // However soon more comes: whoever looks on is not to wait for it.
            Ok(None) => out.flush()?,
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
        match (tail.missing(), &mut missing) {
            (Some(path), Some((known, since, is_said))) if path == known => {
                if !*is_said && since.elapsed() >= PATIENCE {
                    *is_said = true;
                    tracing::warn!("waiting for {}, which is not there; Ctrl-C ends it", path.display());
                }
            }
            (path, _) => missing = path.map(|path| (path.to_owned(), Instant::now(), false)),
        }
        tokio::select! {
            () = sleep(BEAT) => {}
            () = &mut stop => break,
        }
    }
    show.finish(out)?;
    out.flush()?;
    Ok(broken)
}

#[cfg(test)]
mod tests {
    use std::{fs::OpenOptions, io};

    use super::*;

    /// Counts the flushes of what was written.
    #[derive(Default)]
    struct Flushed {
        text: Vec<u8>,
        flushes: usize,
    }

    impl Write for Flushed {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.text.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            self.flushes += 1;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_are_handed_out_while_more_come_all_the_time() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, "{\"qixrec\":[1,2],\"started\":\"2026-01-02T03:04:05Z\"}\n").unwrap();
        let tail = Tail::open(&path).await.unwrap();
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        let writing = async {
            for seq in 1..=50 {
                writeln!(file, "{{\"seq\":{seq},\"t\":{seq},\"kind\":\"note\",\"text\":\"n\"}}").unwrap();
                sleep(BEAT / 4).await;
            }
        };
        let mut out = Flushed::default();
        let show = Show::new(Filter::default(), Format::Json, false);
        let broken = follow(tail, show, &mut out, Box::pin(writing)).await.unwrap();
        assert!(broken.is_none() && !out.text.is_empty());
        assert!(out.flushes > 5, "{}", out.flushes);
    }

    #[tokio::test]
    async fn what_is_open_is_told_before_damage_ends_the_following() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        let mut bytes = crate::model::tests::recording(&crate::model::tests::OPENED[..6]);
        bytes.extend(b"junk\n");
        std::fs::write(&path, bytes).unwrap();
        let (tail, mut out) = (Tail::open(&path).await.unwrap(), Vec::new());
        let show = Show::new(Filter::default(), Format::Json, false);
        let broken = follow(tail, show, &mut out, std::future::pending()).await.unwrap();
        assert!(matches!(broken, Some(ReadError::Damaged { .. })), "{broken:?}");
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("\"unanswered\":1"), "{text}");
    }
}
