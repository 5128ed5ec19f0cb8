//! What is known of a recording before its calls are made again.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use qix_protocol::frame::engine::{Frame, Kind};

use super::{RedriveSettings, refusal::Owned};
use crate::{
    calls::{Calls, Step},
    chain::chain,
    record::{EntryKind, FrameText, Opening, ReadError, RecordingParts, Side},
    replay::{SessionPath, Sessions},
};

/// How many remarks on a recording are kept.
const MOST_NOTES: usize = 100;

/// What is known of one recording.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) files: Vec<PathBuf>,
    /// The session of each connection, by its number.
    pub(super) sessions: HashMap<u64, usize>,
    pub(super) connections: u64,
    pub(super) calls: u64,
    /// Calls that change what outlives the session.
    pub(super) writes: u64,
    /// Methods that have opened something.
    pub(super) openers: HashSet<Box<str>>,
    /// What does not fit, in words.
    pub(super) notes: Vec<String>,
    /// Why it cannot be read further, if it cannot.
    pub(super) fault: Option<String>,
}

impl Survey {
    /// Reads the files of one recording.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if nothing can be read.
    pub(super) fn of(files: Vec<PathBuf>, settings: &RedriveSettings) -> Result<Self, ReadError> {
        let mut survey = Self { files, ..Self::default() };
        let mut groups = Groups::default();
        let mut owned: HashMap<u64, Owned> = HashMap::new();
        let mut calls = Calls::new(RecordingParts::open(&survey.files)?);
        for step in calls.by_ref() {
            match step {
                Ok(Step::Opened { conn, opening, .. }) => {
                    survey.connections += u64::from(groups.open(conn, &opening));
                }
                Ok(Step::Asked(asked)) => {
                    survey.calls += 1;
                    let owned = owned.entry(groups.session(asked.conn)).or_default();
                    survey.writes += u64::from(owned.effect(&asked).is_lasting());
                }
                Ok(Step::Answered(answered)) => {
                    if !answered.opened.is_empty() && !survey.openers.contains(&*answered.asked.method) {
                        survey.openers.insert((&*answered.asked.method).into());
                    }
                    owned.entry(groups.session(answered.asked.conn)).or_default().note(&answered, settings);
                }
                Ok(Step::Said { conn, from: Side::Engine, text: FrameText::Text(text), .. }) => {
                    groups.said(conn, &text);
                }
                Ok(Step::Said { seq, text: FrameText::Omitted(bytes), .. }) => {
                    survey.note(format!("entry {seq}: a message of {bytes} bytes was not kept"));
                }
                Ok(Step::Said { seq, from: Side::Client, .. }) => {
                    survey.note(format!(
                        "entry {seq}: the client says something that is no request, which is not said again"
                    ));
                }
                Ok(Step::Said { .. }) => {}
                Ok(Step::Closed { conn, .. }) => groups.close(conn),
                Ok(Step::Other(entry)) => {
                    if let EntryKind::Gap(gap) = &entry.kind {
                        survey.note(format!(
                            "before entry {}: {} messages are missing, which could not be recorded",
                            entry.seq, gap.frames
                        ));
                    }
                }
                Err(error) => survey.fault = Some(chain(&error)),
            }
        }
        for (path, torn) in calls.entries().torn() {
            survey.notes.push(format!(
                "line {} of {} was cut after {} bytes, and is left out",
                torn.line,
                path.display(),
                torn.bytes
            ));
        }
        survey.sessions = groups.sessions;
        Ok(survey)
    }

    /// Returns the name of the recording.
    pub(super) fn name(&self) -> String {
        self.files.first().map(|file: &PathBuf| Path::new(file).display().to_string()).unwrap_or_default()
    }

    fn note(&mut self, note: String) {
        if self.notes.len() < MOST_NOTES {
            self.notes.push(note);
        }
    }
}

/// Which connections were sockets of one session.
#[derive(Default)]
struct Groups {
    known: Sessions,
    /// The place of a connection among all, and its path, by its number.
    open: HashMap<u64, (usize, String)>,
    sessions: HashMap<u64, usize>,
    count: usize,
}

impl Groups {
    /// Returns whether it is a new one.
    fn open(&mut self, conn: u64, opening: &Opening) -> bool {
        if opening.continued && self.open.contains_key(&conn) {
            return false;
        }
        let path = opening.url.split('?').next().unwrap_or_default().to_owned();
        let names = SessionPath::parse(&path).has_identity
            || opening.request.iter().any(|(name, _)| name.eq_ignore_ascii_case("x-qlik-session"));
        let session = self.known.open(self.count, &path, names);
        self.sessions.insert(conn, session);
        self.open.insert(conn, (self.count, path));
        self.count += 1;
        true
    }

    fn session(&self, conn: u64) -> u64 {
        self.sessions.get(&conn).map_or(u64::MAX, |session| *session as u64)
    }

    fn said(&mut self, conn: u64, text: &Bytes) {
        let Some((at, path)) = self.open.get(&conn) else { return };
        if let Ok(Frame { kind: Kind::Notification { method, params, .. }, .. }) = Frame::parse(text)
            && method == "OnConnected"
            && let Some(state) = params.and_then(|params| params.member("qSessionState"))
        {
            let session = self.known.greeted(*at, path, state.as_bytes());
            self.sessions.insert(conn, session);
        }
    }

    fn close(&mut self, conn: u64) {
        if let Some((at, _)) = self.open.remove(&conn) {
            self.known.close(at);
        }
    }
}
