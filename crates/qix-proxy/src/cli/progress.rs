//! How far a command is, on standard error, once that takes longer than a second.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use qix_transport::printable;

use super::{exit::CliError, terminal::is_utf8};
use crate::{
    chain::chain,
    record::{Entry, ReadError, RecordingParts},
};

/// What takes less time has no bar.
const PATIENCE: Duration = Duration::from_secs(1);
/// After how many entries it is looked how far it is.
const STEP: u32 = 512;

/// The entries of a recording, with a bar that says how much of its files was read.
#[derive(Debug)]
pub(super) struct Reading {
    parts: RecordingParts,
    progress: Progress,
    since: u32,
}

/// A bar of bytes. There is none in a pipe, nor while the lines of a command scroll on the same terminal.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    total: u64,
    wanted: bool,
    bar: Option<ProgressBar>,
}

/// A line that says what is being done and for how long, where nobody knows how much is left.
#[derive(Debug, Default)]
pub(super) struct Working {
    over: Option<(mpsc::Sender<()>, JoinHandle<()>)>,
}

/// Opens all files of a recording. `scrolls` says that the command writes lines while it reads.
pub(super) fn open(files: &[PathBuf], scrolls: bool) -> Result<Reading, CliError> {
    let parts = RecordingParts::open(files).map_err(failed)?;
    Ok(Reading { parts, progress: Progress::new(files, scrolls), since: 0 })
}

/// Says what is wrong with a recording.
pub(super) fn failed(error: ReadError) -> CliError {
    CliError::recording(chain(&error))
}

/// Makes a bar of characters that the terminal has.
fn drawn(template: &str, total: Option<u64>) -> ProgressBar {
    let style = ProgressStyle::with_template(template).expect("the template is one");
    let style = if is_utf8() {
        style.progress_chars("█░░")
    } else {
        style.progress_chars("##-").tick_chars(r"|/-\ ")
    };
    ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr_with_hz(10)).with_style(style)
}

impl Reading {
    /// Takes the bar away, and says which files end in a line that was cut.
    pub(super) fn finish(&mut self) {
        self.progress.finish();
        for (path, torn) in self.parts.torn() {
            tracing::warn!(
                "the last line of {} (line {}, {} bytes) was cut and is left out: a recorder was stopped, or still writes; \
                 `qix-proxy repair` seals the file",
                path.display(),
                torn.line,
                torn.bytes
            );
        }
    }
}

impl Iterator for Reading {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.since += 1;
        if self.since >= STEP {
            self.since = 0;
            self.progress.at(self.parts.position());
        }
        self.parts.next()
    }
}

impl Progress {
    /// Starts for files that are read from their beginning to their end.
    pub(super) fn new<P: AsRef<Path>>(files: &[P], scrolls: bool) -> Self {
        let size = |file: &P| std::fs::metadata(file).map_or(0, |file| file.len());
        let wanted = io::stderr().is_terminal() && !(scrolls && io::stdout().is_terminal());
        Self { begun: Instant::now(), total: files.iter().map(size).sum(), wanted, bar: None }
    }

    /// Says how many bytes were read.
    pub(super) fn at(&mut self, bytes: u64) {
        if !self.wanted || self.begun.elapsed() < PATIENCE {
            return;
        }
        let (begun, total) = (self.begun, self.total);
        let bar = self.bar.get_or_insert_with(|| {
            let template = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {eta} left";
            drawn(template, Some(total)).with_elapsed(begun.elapsed())
        });
        bar.set_position(bytes);
    }

    /// Takes the bar away.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Working {
    /// Starts, with a name such as `scrubbing session.qixrec`. It ends when it is dropped.
    pub(super) fn new(what: &str, file: &Path) -> Self {
        if !io::stderr().is_terminal() {
            return Self::default();
        }
        let what = format!("{what} {}", printable(&file.display().to_string(), 60));
        let (over, is_over) = mpsc::channel();
        let shows = move || {
            if is_over.recv_timeout(PATIENCE) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            let bar = drawn("{spinner} {msg}  {elapsed}", None).with_message(what).with_elapsed(PATIENCE);
            bar.enable_steady_tick(Duration::from_millis(100));
            // The other end says nothing; it goes away.
            let _ = is_over.recv();
            bar.finish_and_clear();
        };
        Self { over: Some((over, thread::spawn(shows))) }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.over.take() {
            drop(over);
            let _ = thread.join();
        }
    }
}
