//! A reload from its first call to its last.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use qix_protocol::{
    ErrorCode, RequestId,
    schema::{DoReloadExResult, InteractDef, doc},
};
use serde_json::Value;
use tokio::time::sleep;

use super::{
    ReloadFailure, ReloadProgress, Reloaded, ScriptError, builder::Configure, outcome::SessionAppNotSaved,
};
use crate::{Call, Doc, Error, ErrorKind, Global};

/// Longer than an engine takes for what it knows without looking; it is asked again later.
const SOON: Duration = Duration::from_secs(30);

/// More errors of a script than anybody reads.
const MOST_ERRORS: usize = 1000;

/// What a question of the engine becomes.
pub(super) type Answered = dyn Future<Output = InteractDef> + Send;
pub(super) type Ask = Box<dyn FnMut(InteractDef) -> Pin<Box<Answered>> + Send>;

/// What is to be done.
pub(super) struct Plan {
    pub(super) doc: Doc,
    pub(super) global: Global,
    pub(super) start: Start,
    pub(super) configure: Configure,
    pub(super) every: Duration,
    pub(super) save: bool,
    pub(super) ask: Option<Ask>,
}

/// The call that runs the script.
pub(super) enum Start {
    Plain(Call<doc::DoReload>),
    Extended(Call<doc::DoReloadEx>),
}

/// What the run tells whoever watches.
#[derive(Debug, Default)]
pub(super) struct Told {
    progress: Mutex<VecDeque<ReloadProgress>>,
    pub(super) cancelled: AtomicBool,
    /// Whether the script may be running: it is sent, and no answer says that it is over.
    pub(super) running: AtomicBool,
}

impl Start {
    pub(super) fn id(&self) -> RequestId {
        match self {
            Self::Plain(call) => call.request_id(),
            Self::Extended(call) => call.request_id(),
        }
    }

    /// Says how long to wait, and whether the engine goes on when nobody waits any more.
    pub(super) fn keeping(self, timeout: Option<Duration>, detached: bool) -> Self {
        fn keep<M>(mut call: Call<M>, timeout: Option<Duration>, detached: bool) -> Call<M> {
            if let Some(timeout) = timeout {
                call = call.timeout(timeout);
            }
            if detached { call.detach() } else { call }
        }
        match self {
            Self::Plain(call) => Self::Plain(keep(call, timeout, detached)),
            Self::Extended(call) => Self::Extended(keep(call, timeout, detached)),
        }
    }

    async fn send(self) -> Result<DoReloadExResult, Error> {
        match self {
            Self::Plain(call) => {
                let mut result = DoReloadExResult::default();
                result.success = call.await?;
                Ok(result)
            }
            Self::Extended(call) => call.await,
        }
    }
}

impl Told {
    pub(super) fn push(&self, progress: ReloadProgress) {
        self.queue().push_back(progress);
    }

    pub(super) fn pop(&self) -> Option<ReloadProgress> {
        self.queue().pop_front()
    }

    pub(super) fn clear(&self) {
        self.queue().clear();
    }

    fn queue(&self) -> std::sync::MutexGuard<'_, VecDeque<ReloadProgress>> {
        // Nothing under this lock can panic half-way; a poisoned one is as good.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    /// Does all of it.
    pub(super) async fn run(self, told: Arc<Told>) -> Result<Reloaded, Error> {
        let Self { doc, global, start, configure, every, save, ask } = self;
        if save && is_session_app(&doc) {
            return Err(Error::because(ErrorKind::NotSaved, SessionAppNotSaved));
        }
        configure.send(&global).await?;
        told.running.store(true, Ordering::SeqCst);
        // Whoever cancels has either seen that it is running, and tells the engine, or is seen here.
        if told.cancelled.load(Ordering::SeqCst) {
            told.running.store(false, Ordering::SeqCst);
            return Err(Error::because(ErrorKind::ReloadCancelled, ReloadFailure::default()));
        }
        let mut watch = Watch { id: start.id(), global, ask, told: told.clone(), errors: Vec::new() };
        let answer = watch.until(start.send(), every).await;
        let cancelled = told.cancelled.load(Ordering::SeqCst);
        let result = match answer {
            Ok(result) => result,
            Err(error) if cancelled && aborted(&error) => {
                return Err(Error::because(ErrorKind::ReloadCancelled, error));
            }
            Err(error) => return Err(error),
        };
        let mut errors = watch.errors;
        if let Some(data) = result.failure_data {
            errors.extend(data.errors.into_iter().map(ScriptError::from));
        }
        let log_file = Some(result.script_log_file).filter(|path| !path.is_empty());
        let ended_with_memory_constraint = result.ended_with_memory_constraint;
        if !result.success {
            let kind = if cancelled { ErrorKind::ReloadCancelled } else { ErrorKind::ReloadFailed };
            return Err(Error::because(
                kind,
                ReloadFailure { errors, log_file, ended_with_memory_constraint },
            ));
        }
        if save {
            let saved = if is_without_data(&doc) { doc.save_objects().await } else { doc.do_save().await };
            saved.map_err(|error| match error.engine().map(|error| error.code) {
                Some(ErrorCode::PERSISTENCE_NOT_SUPPORTED_FOR_SESSION_APP) => {
                    Error::because(ErrorKind::NotSaved, SessionAppNotSaved)
                }
                _ => Error::because(ErrorKind::NotSaved, error),
            })?;
        }
        Ok(Reloaded { log_file, ended_with_memory_constraint, errors, cancelled, saved: save })
    }
}

impl Configure {
    async fn send(self, global: &Global) -> Result<(), Error> {
        let Self { cancel_on_script_error, error_data, interact_on_error, wanted } = self;
        let told = global.configure_reload(cancel_on_script_error, error_data, interact_on_error).await;
        match told {
            // Without it there is less to learn of errors, and that is all.
            Err(error) if !wanted && error.kind() == ErrorKind::Engine => {
                tracing::debug!(error = &error as &dyn std::error::Error, "reload is not configured");
                Ok(())
            }
            told => told,
        }
    }
}

/// Asks for progress while the script runs.
struct Watch {
    id: RequestId,
    global: Global,
    ask: Option<Ask>,
    told: Arc<Told>,
    errors: Vec<ScriptError>,
}

impl Watch {
    /// Waits for the end of the reload, and takes in what the engine says until then.
    async fn until(
        &mut self,
        reload: impl Future<Output = Result<DoReloadExResult, Error>>,
        every: Duration,
    ) -> Result<DoReloadExResult, Error> {
        let mut reload = pin!(reload);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut reload => break answer,
                () = sleep(every) => {}
            }
            let asked = {
                let mut fetch = pin!(self.fetch());
                tokio::select! {
                    biased;
                    answer = &mut reload => {
                        // The engine tells each thing once: what is on its way is not told again.
                        fetch.await;
                        break answer;
                    }
                    asked = &mut fetch => asked,
                }
            };
            if asked {
                // A reload that ends by itself, as when it is cancelled, waits for no answer.
                tokio::select! {
                    biased;
                    answer = &mut reload => break answer,
                    () = self.interact() => {}
                }
            }
        };
        // What is left would turn up in the progress of a later reload.
        let over = match &answer {
            Ok(_) => true,
            Err(error) => matches!(error.kind(), ErrorKind::Engine | ErrorKind::TimedOut),
        };
        if over {
            // What is cancelled from now on is not this reload.
            self.told.running.store(false, Ordering::SeqCst);
            self.fetch().await;
        }
        answer
    }

    /// Takes in what is new; returns whether the engine asks something.
    async fn fetch(&mut self) -> bool {
        let data = match self.global.get_progress(self.id).timeout(SOON).detach().await {
            Ok(data) => data,
            Err(error) => {
                // The reload goes on, or its own answer says why not.
                tracing::debug!(error = &error as &dyn std::error::Error, "no progress");
                return false;
            }
        };
        let Some(progress) = ReloadProgress::new(data) else { return false };
        let room = MOST_ERRORS.saturating_sub(self.errors.len());
        self.errors.extend(progress.errors().into_iter().take(room));
        let asked = progress.data().user_interaction_wanted;
        self.told.push(progress);
        asked
    }

    /// Answers the engine's question.
    async fn interact(&mut self) {
        let done = match &mut self.ask {
            // What corectl does: the reload goes on with whatever is the default.
            None => self.global.interact_done(self.id, &InteractDef::default()).await,
            Some(ask) => match self.global.get_interact(self.id).await {
                Ok(asked) if asked.return_ => {
                    let answer = ask(asked.def).await;
                    self.global.interact_done(self.id, &answer).await
                }
                // Somebody else has answered.
                Ok(_) => Ok(()),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = done {
            // It is asked again with the next progress.
            tracing::warn!(error = &error as &dyn std::error::Error, "question of a reload is not answered");
        }
    }
}

fn aborted(error: &Error) -> bool {
    error.engine().is_some_and(|error| error.code == ErrorCode::GENERIC_ABORTED)
}

/// Whether the app goes with its session.
fn is_session_app(doc: &Doc) -> bool {
    doc.lineage().method().starts_with("CreateSessionApp")
        || doc.id().is_some_and(|id| id.starts_with("SessionApp_"))
        || doc.lineage().app().is_some_and(|id| id.starts_with("SessionApp_"))
}

/// Whether the app was opened without its data.
fn is_without_data(doc: &Doc) -> bool {
    let params = doc.opener().filter(|opener| opener.method == "OpenDoc").map(|opener| &opener.params);
    let Some(Ok(params)) = params.map(|params| serde_json::from_slice::<Value>(params)) else { return false };
    let without = if params.is_array() { params.get(4) } else { params.get("qNoData") };
    without == Some(&Value::Bool(true))
}
