//! Recordings that are to be made again, from opening to the report.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    path::{Path, PathBuf},
};

use qix_transport::Connect;

use super::{
    DifferentAnswer, RedriveReport, RedriveSettings,
    drive::{Drive, Stop},
    survey::Survey,
};
use crate::{
    calls::Calls,
    chain::chain,
    record::{ReadError, RecordingParts, RecordingReader},
};

/// Recordings whose calls are to be made again.
///
/// ```no_run
/// use qix_proxy::redrive::{Redrive, RedriveSettings, Verdict};
/// use qix_transport::{Endpoint, WsConnect};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Endpoint::parse("ws://localhost:9076")?;
/// let connect = |path: &str| {
///     let endpoint = engine.with_path(path).map_err(|error| error.to_string())?;
///     WsConnect::builder(endpoint).build().map_err(|error| error.to_string())
/// };
/// let redrive = Redrive::open(["session.qixrec"], RedriveSettings::default())?;
/// let report = redrive.run(connect, std::future::pending(), |_| {}).await;
/// assert_eq!(report.verdict(), Verdict::Equal, "{}", report.text(false));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Redrive {
    settings: RedriveSettings,
    surveys: Vec<Survey>,
    faults: Vec<String>,
}

/// Why there is nothing to be made again.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedriveError {
    /// No file can be read.
    #[error("no recording can be read")]
    Read(#[from] ReadError),
    /// No file has a connection.
    #[error("no connection is recorded in these files")]
    NoConnection,
    /// Nothing was given.
    #[error("no file was given")]
    NoFile,
}

impl Redrive {
    /// Reads recordings once, to know what is in them. Files of one recording are taken together, in any order; those of others, and
    /// those that cannot be read, do not keep the rest from being made again.
    ///
    /// # Errors
    ///
    /// [`RedriveError`] if there is nothing to be made again.
    pub fn open<P: AsRef<Path>>(
        files: impl IntoIterator<Item = P>,
        settings: RedriveSettings,
    ) -> Result<Self, RedriveError> {
        let mut groups: Vec<Group> = Vec::new();
        let mut known = HashSet::new();
        let (mut faults, mut first) = (Vec::new(), None);
        let mut fail = |error: ReadError| {
            faults.push(chain(&error));
            first.get_or_insert(error);
        };
        for file in files {
            let file = file.as_ref().to_owned();
            if !known.insert(file.canonicalize().unwrap_or_else(|_| file.clone())) {
                fail(ReadError::Twice { path: file });
                continue;
            }
            match RecordingReader::open(&file) {
                Ok(mut reader) => {
                    let started = reader.header().started.clone();
                    let first = reader.next().and_then(Result::ok).map(|entry| entry.seq);
                    match groups.iter_mut().find(|group| group.takes(&started, first)) {
                        Some(group) => {
                            group.files.push(file);
                            group.firsts.extend(first);
                        }
                        None => {
                            let firsts = first.into_iter().collect();
                            groups.push(Group { started, firsts, files: vec![file] });
                        }
                    }
                }
                Err(error) => fail(error),
            }
        }
        let mut surveys = Vec::new();
        for group in groups {
            match Survey::of(group.files, &settings) {
                Ok(survey) => surveys.push(survey),
                Err(error) => fail(error),
            }
        }
        if surveys.iter().any(|survey| survey.connections > 0) {
            return Ok(Self { settings, surveys, faults });
        }
        Err(match first {
            Some(error) => error.into(),
            None if surveys.is_empty() => RedriveError::NoFile,
            None => RedriveError::NoConnection,
        })
    }

    /// Returns how many connections were recorded.
    pub fn connections(&self) -> u64 {
        self.surveys.iter().map(|survey| survey.connections).sum()
    }

    /// Returns how many calls were recorded.
    pub fn calls(&self) -> u64 {
        self.surveys.iter().map(|survey| survey.calls).sum()
    }

    /// Returns how many calls will not be sent, as they change what outlives the session.
    pub fn refused(&self) -> u64 {
        let writes = self.surveys.iter().map(|survey| survey.writes).sum();
        if self.settings.allow_writes { 0 } else { writes }
    }

    /// Makes the calls again, over connections that `connect` makes for a path and query, one recording after the other, until the
    /// end or until `stop` is done. `on_different` is told of each answer that differs.
    ///
    /// # Cancellation
    ///
    /// Connections are cut, and what was compared is lost; let `stop` be done instead.
    pub async fn run<C: Connect>(
        &self,
        mut connect: impl FnMut(&str) -> Result<C, String>,
        stop: impl Future<Output = ()>,
        mut on_different: impl FnMut(&DifferentAnswer),
    ) -> RedriveReport {
        let mut report = RedriveReport { faults: self.faults.clone(), ..RedriveReport::default() };
        let several = self.surveys.len() > 1;
        let mut stop = std::pin::pin!(stop);
        for survey in &self.surveys {
            let run = format!("redrive-{:016x}", RandomState::new().hash_one(()));
            if several {
                report.within = Some(survey.name());
            }
            survey.notes.iter().for_each(|note| report.note(note));
            report.faults.extend(survey.fault.clone());
            let mut drive =
                Drive::new(&self.settings, survey, &run, &mut connect, &mut report, &mut on_different);
            let stopped = tokio::select! {
                biased;
                () = &mut stop => None,
                stopped = all(&mut drive, survey) => Some(stopped),
            };
            match stopped {
                Some(None) => {}
                Some(Some(Stop::Enough)) => {
                    report.cut = true;
                    break;
                }
                Some(Some(Stop::Unreachable)) => break,
                None => {
                    report.interrupted = true;
                    break;
                }
            }
        }
        report.within = None;
        report
    }
}

/// Files of one recording, as far as can be told.
struct Group {
    started: String,
    /// The numbers of their first entries: no two files of a recording have the same.
    firsts: Vec<u64>,
    files: Vec<PathBuf>,
}

impl Group {
    /// Whether a file can be of this recording. What was imported without times is all of the same time.
    fn takes(&self, started: &str, first: Option<u64>) -> bool {
        self.started == started && first.is_none_or(|first| !self.firsts.contains(&first))
    }
}

/// Goes through all steps of a recording.
async fn all<C: Connect>(
    drive: &mut Drive<'_, impl FnMut(&str) -> Result<C, String>, impl FnMut(&DifferentAnswer)>,
    survey: &Survey,
) -> Option<Stop> {
    // It was read once; what was damaged then is known.
    let mut steps = RecordingParts::open(&survey.files).ok().map(Calls::new);
    while let Some(steps) = &mut steps
        && let Some(step) = steps.next()
    {
        steps.given_up().iter().for_each(|asked| drive.give_up(asked));
        let Ok(step) = step else { continue };
        if let Err(stop) = drive.step(step).await {
            return Some(stop);
        }
        // Whoever wants to stop this is heard, though nothing was waited for.
        tokio::task::consume_budget().await;
    }
    drive.finish().await;
    None
}
