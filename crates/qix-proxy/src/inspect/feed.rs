//! Reads a recording, finished or still being written, for the page.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use super::{
    details::Details,
    journal::{Journal, Phase},
};
use crate::{
    chain::chain,
    lint::Linter,
    model::{Event, ModelBuilder, Notice, Weight},
    record::{ReadError, RecordingParts, Tail},
    view::{batch::Batcher, detail::Detail},
};

/// How many things a batch has at most, more or less.
const BATCH: usize = 4_000;
/// How often it is looked for more, and how often pages hear of it.
const BEAT: Duration = Duration::from_millis(100);
/// How much of each text of a call is kept, in bytes.
const LONGEST: usize = 8 << 20;

/// What is read.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// All files of a recording that is finished.
    Files(Vec<PathBuf>),
    /// The first file of one that is being written.
    Follow(PathBuf),
}

/// A thread that reads. It stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
}

impl Feed {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// What the system says if it gives no thread.
    pub(crate) fn start(source: Source, journal: Arc<Journal>, details: Arc<Details>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        thread::Builder::new().name("inspect".to_owned()).spawn(move || {
            let mut reading = Reading {
                journal,
                details,
                batcher: Batcher::new(),
                linter: Linter::new(),
                stopped,
                lost: None,
            };
            let phase = match reading.all(source) {
                Ok(()) => Phase::Ended,
                Err(words) => Phase::Failed(words.into()),
            };
            reading.journal.set(phase);
        })?;
        Ok(Self { stop })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

struct Reading {
    journal: Arc<Journal>,
    details: Arc<Details>,
    batcher: Batcher,
    linter: Linter,
    stopped: Arc<AtomicBool>,
    /// Why what is said in calls cannot be kept.
    lost: Option<String>,
}

impl Reading {
    fn all(&mut self, source: Source) -> Result<(), String> {
        match source {
            Source::Files(files) => {
                let mut parts = RecordingParts::open(&files).map_err(|error| chain(&error))?;
                let mut until = Duration::ZERO;
                let (mut builder, mut events, mut failed) = (ModelBuilder::new(), Vec::new(), None);
                for entry in parts.by_ref() {
                    match entry {
                        Ok(entry) => {
                            until = entry.at;
                            self.linter.see(&entry);
                            builder.take(entry, &mut |event| events.push(event));
                        }
                        Err(error) => failed = Some(chain(&error)),
                    }
                    for event in events.drain(..) {
                        self.take(&event)?;
                    }
                    if self.is_stopped() {
                        return Ok(());
                    }
                }
                for (_, torn) in parts.torn() {
                    let (line, bytes) = (torn.line, torn.bytes);
                    let words = format!(
                        "line {line} was cut after {bytes} bytes, as a crash leaves it; it is left out"
                    );
                    tracing::warn!("{words}");
                    let notice = Notice {
                        conn: None,
                        at: until,
                        weight: Weight::Odd,
                        words,
                        is_omitted_answer: false,
                    };
                    self.take(&Event::Notice(notice))?;
                }
                self.end(builder)?;
                failed.map_or(Ok(()), Err)
            }
            Source::Follow(path) => {
                // Files are read without holding anybody up but this thread.
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                runtime
                    .map_err(|error| format!("the system gives no timer: {error}"))?
                    .block_on(self.follow(path))
            }
        }
    }

    async fn follow(&mut self, path: PathBuf) -> Result<(), String> {
        let said = |error: ReadError| chain(&error);
        let mut tail = tokio::select! {
            tail = Tail::open(path) => tail.map_err(said)?,
            () = self.stopping() => return Ok(()),
        };
        let mut builder = ModelBuilder::new();
        let mut events = Vec::new();
        while !self.is_stopped() {
            let entry = tail.ready().await;
            match entry {
                Ok(Some(entry)) => {
                    self.linter.see(&entry);
                    builder.take(entry, &mut |event| events.push(event));
                }
                Ok(None) if tail.is_ended() => break,
                Ok(None) => {
                    self.flush()?;
                    self.journal.set(Phase::Following);
                    tokio::time::sleep(BEAT).await;
                }
                Err(error) => {
                    // What was found so far is told all the same.
                    self.end(builder)?;
                    return Err(said(error));
                }
            }
            for event in events.drain(..) {
                self.take(&event)?;
            }
        }
        self.end(builder)
    }

    async fn stopping(&self) {
        while !self.is_stopped() {
            tokio::time::sleep(BEAT).await;
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        self.linter.take(event);
        if let (Event::Called(called), None) = (event, &self.lost) {
            let detail = serde_json::to_vec(&Detail::new(&called.body, LONGEST));
            let kept =
                detail.map_err(io::Error::from).and_then(|text| self.details.put(called.call.seq, &text));
            if let Err(error) = kept {
                tracing::warn!("what is said in calls can no longer be kept for the page: {error}");
                self.lost = Some(error.to_string());
            }
        }
        self.batcher.take(event);
        if self.batcher.waiting() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn end(&mut self, mut builder: ModelBuilder) -> Result<(), String> {
        let mut events = Vec::new();
        builder.finish(&mut |event| events.push(event));
        for event in events {
            self.take(&event)?;
        }
        for finding in std::mem::take(&mut self.linter).finish() {
            self.batcher.find(finding);
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<(), String> {
        if self.batcher.waiting() == 0 {
            return Ok(());
        }
        let batch = serde_json::to_vec(&self.batcher.batch()).map_err(|error| error.to_string())?;
        self.journal.add(&batch).map_err(|error| error.to_string())
    }
}
