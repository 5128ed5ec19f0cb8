//! An engine that is asked for what the recording does not have.

mod ask;
mod line;
mod mirror;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

pub use ask::Ask;
pub(super) use ask::{Body, Told};
use qix_transport::WsConnect;
use tokio::{sync::mpsc, task::JoinSet, time::timeout};

use super::journal::{Journal, Underway};
use crate::record::{AppendError, Appender};
use line::Line;

/// How long the connections may take to end, all together.
const GOODBYE: Duration = Duration::from_secs(5);
/// How many questions of one session may wait. A client that has more in flight gets errors.
const MOST_QUESTIONS: usize = 4096;

/// Makes the connector for a client's path and query.
type Connector = Box<dyn Fn(&str) -> Result<WsConnect, String> + Send + Sync>;

/// An engine that is asked for what the recording does not have, and the recording to which its answers are added.
///
/// A live session has one connection to it, made at the first miss, with the path of the client but an identity that nobody else has,
/// so that no other session's state is answered from. The objects that the client has
/// opened are opened there in the same way when they are needed, and what it has changed so far is changed there first, so
/// that the answer is one of the right state. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    connect: Connector,
    appender: Option<Appender>,
    patience: Duration,
    lines: Mutex<JoinSet<()>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("appender", &self.appender).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Asks what `connect` leads to, which is given path and query of the client and says in words if it cannot be used.
    pub fn new(connect: impl Fn(&str) -> Result<WsConnect, String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner {
            connect: Box::new(connect),
            appender: None,
            patience: Duration::from_secs(30),
            lines: Mutex::default(),
        }))
    }

    /// Adds what is asked and answered to a recording. Default: it is not kept.
    ///
    /// # Panics
    ///
    /// If it is in use already.
    #[must_use]
    pub fn append_to(mut self, appender: Appender) -> Self {
        self.inner().appender = Some(appender);
        self
    }

    /// Sets how long a question may take, connecting and all that must be done before included. Default: 30 s.
    ///
    /// # Panics
    ///
    /// If it is in use already.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.inner().patience = patience;
        self
    }

    fn inner(&mut self) -> &mut Inner {
        Arc::get_mut(&mut self.0).expect("settings are made before the upstream is shared")
    }

    /// Ends all connections, those of sessions that are over at once and those of others within a few seconds, and the recording.
    /// Returns how many connections were added to it.
    ///
    /// # Errors
    ///
    /// [`AppendError::Write`] if not all could be added.
    ///
    /// # Cancellation
    ///
    /// The recording may be left without its end.
    pub async fn finish(&self) -> Result<u64, AppendError> {
        let mut lines = std::mem::take(&mut *self.lines());
        let all = async { while lines.join_next().await.is_some() {} };
        if timeout(GOODBYE, all).await.is_err() {
            lines.shutdown().await;
        }
        self.0.appender.as_ref().map_or(Ok(0), Appender::seal)
    }

    /// Begins to take questions of a live session. It ends when the link is dropped.
    pub(super) fn link(&self, path_and_query: &str, journal: Arc<Mutex<Journal>>) -> Link {
        let (questions, asked) = mpsc::channel(MOST_QUESTIONS);
        let line = Line::new(self.clone(), path_and_query.to_owned(), journal.clone());
        let mut lines = self.lines();
        // Those of sessions that are over.
        while lines.try_join_next().is_some() {}
        lines.spawn(line.run(asked));
        Link { questions, journal }
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        // Tasks are only added and taken out.
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answered question, on its way back to the player that asked it.
pub(super) type Answered = (Box<Ask>, Result<Told, String>);

/// A question, and who wants to know.
#[derive(Debug)]
struct Question {
    ask: Box<Ask>,
    back: mpsc::UnboundedSender<Answered>,
    /// Whoever asks the recording meanwhile what this may change, is answered after it.
    underway: Underway,
}

/// A live session's way to the upstream.
#[derive(Debug)]
pub(super) struct Link {
    questions: mpsc::Sender<Question>,
    journal: Arc<Mutex<Journal>>,
}

impl Link {
    /// Asks, and has the answer sent `back`.
    pub(super) fn ask(&self, ask: Box<Ask>, back: mpsc::UnboundedSender<Answered>) {
        let underway = Underway::note(&self.journal, &ask.on, &ask.method);
        if let Err(error) = self.questions.try_send(Question { ask, back, underway }) {
            let (question, says) = match error {
                mpsc::error::TrySendError::Full(question) => {
                    (question, format!("more than {MOST_QUESTIONS} questions wait for it"))
                }
                mpsc::error::TrySendError::Closed(question) => {
                    (question, "the replay is being ended".to_owned())
                }
            };
            // An error means that the client is gone.
            let _ = question.back.send((question.ask, Err(says)));
        }
    }
}
