//! How a reload is to be done.

use std::{fmt, future::IntoFuture, pin::Pin, time::Duration};

use qix_protocol::schema::{self, InteractDef};

use super::{
    Reloading,
    run::{Answered, Ask, Plan, Start},
};
use crate::{Doc, Error};

/// A reload that is not started yet, made by [`Doc::reload`]; `.await` starts it and waits for its end.
///
/// `ConfigureReload` is sent first, so that the engine tells errors of the script as data, then `DoReload`, or `DoReloadEx` if one of
/// its options is used. While it runs, the engine is asked for progress on the same socket each second, and once more at the end.
///
/// # Errors
///
/// [`ErrorKind::ReloadFailed`] if the script failed ([`Error::reload_failure`] says where), [`ErrorKind::ReloadCancelled`] if it was
/// cancelled by [`Reloading::cancel`], [`ErrorKind::NotSaved`] if it went well and saving did not; and those of any call. A socket that
/// ends meanwhile says nothing about the reload, which may go on; it is never started a second time.
///
/// # Cancellation
///
/// Dropping the future stops the watching and lets the reload run on in the engine, unless
/// [`cancel_on_drop`](Self::cancel_on_drop) says otherwise: hours of work should not go because of a forgotten future.
///
/// [`ErrorKind::ReloadFailed`]: crate::ErrorKind::ReloadFailed
/// [`ErrorKind::ReloadCancelled`]: crate::ErrorKind::ReloadCancelled
/// [`ErrorKind::NotSaved`]: crate::ErrorKind::NotSaved
/// [`Error::reload_failure`]: crate::Error::reload_failure
#[must_use = "a reload does nothing until it is awaited"]
pub struct Reload {
    doc: Doc,
    mode: ReloadMode,
    partial: bool,
    debug: bool,
    extended: Option<schema::DoReloadExParams>,
    configure: Configure,
    every: Duration,
    timeout: Option<Duration>,
    cancel_on_drop: bool,
    save: bool,
    ask: Option<Ask>,
}

/// What the engine does when the script has an error.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum ReloadMode {
    /// What the script's `ErrorMode` says.
    #[default]
    Script,
    /// Stop at the first error.
    StopOnError,
    /// Go on whatever happens.
    IgnoreErrors,
}

/// What `ConfigureReload` is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Configure {
    pub(super) cancel_on_script_error: bool,
    pub(super) error_data: bool,
    pub(super) interact_on_error: bool,
    /// Whether any of it was asked for, so that an engine that cannot do it must not go on.
    pub(super) wanted: bool,
}

impl Reload {
    pub(super) fn of(doc: Doc) -> Self {
        let configure = Configure {
            cancel_on_script_error: false,
            error_data: true,
            interact_on_error: false,
            wanted: false,
        };
        Self {
            doc,
            mode: ReloadMode::default(),
            partial: false,
            debug: false,
            extended: None,
            configure,
            every: Duration::from_secs(1),
            timeout: None,
            cancel_on_drop: false,
            save: false,
            ask: None,
        }
    }

    /// Sets what happens when the script has an error. Default: what the script says.
    pub fn mode(mut self, mode: ReloadMode) -> Self {
        self.mode = mode;
        self
    }

    /// Runs only the statements that are marked for partial reloads, and keeps the other tables. Default: no.
    pub fn partial(mut self, partial: bool) -> Self {
        self.partial = partial;
        self
    }

    /// Runs the script in the debugger, which stops at breakpoints and asks whoever [answers](Self::on_interaction). Default: no.
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = debug;
        self
    }

    /// Leaves out the script's `STORE` statements. Default: no. Needs `DoReloadEx`.
    pub fn skip_store(mut self, skip: bool) -> Self {
        self.extended().skip_store = skip;
        self
    }

    /// Reads at most so many rows of each source. Default: all. Needs `DoReloadEx`.
    pub fn row_limit(mut self, rows: u32) -> Self {
        self.extended().row_limit = rows.into();
        self
    }

    /// Sets the id under which Qlik Cloud knows this reload. Default: none. Needs `DoReloadEx`.
    pub fn reload_id(mut self, id: impl Into<String>) -> Self {
        self.extended().reload_id = id.into();
        self
    }

    /// Uses `DoReloadEx` also without its options: it says where the log is, and more about what failed. The oldest engines lack it.
    /// Default: no.
    pub fn with_log(mut self) -> Self {
        self.extended();
        self
    }

    /// Stops at an error of the script that has `ErrorMode` 1. Default: no.
    pub fn cancel_on_script_error(mut self, cancel: bool) -> Self {
        (self.configure.cancel_on_script_error, self.configure.wanted) = (cancel, true);
        self
    }

    /// Asks for the errors of the script as data; without, they are among the messages only. Default: yes, where the engine can.
    pub fn error_data(mut self, data: bool) -> Self {
        (self.configure.error_data, self.configure.wanted) = (data, true);
        self
    }

    /// Stops at an error of the script to [ask](Self::on_interaction). Default: no.
    pub fn interact_on_error(mut self, interact: bool) -> Self {
        (self.configure.interact_on_error, self.configure.wanted) = (interact, true);
        self
    }

    /// Sets who answers when the reload asks something; it stands still until then. What is returned is the question with
    /// `result` or `input` filled in. Default: every question is answered by `InteractDone` with nothing in it, and the reload goes on.
    ///
    /// ```no_run
    /// # async fn example(doc: qix_client::Doc) -> Result<(), qix_client::Error> {
    /// use qix_client::protocol::schema::{InteractDef, InteractType};
    ///
    /// doc.reload()
    ///     .on_interaction(|mut question: InteractDef| async move {
    ///         if question.type_ == InteractType::Input {
    ///             question.input = "2026".to_owned();
    ///         }
    ///         question
    ///     })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_interaction<F, A>(mut self, mut answer: F) -> Self
    where
        F: FnMut(InteractDef) -> A + Send + 'static,
        A: Future<Output = InteractDef> + Send + 'static,
    {
        self.ask = Some(Box::new(move |question| Box::pin(answer(question)) as Pin<Box<Answered>>));
        self
    }

    /// Sets how often progress is asked for. Default: each second.
    pub fn every(mut self, interval: Duration) -> Self {
        self.every = interval;
        self
    }

    /// Gives the reload up, and cancels it, after this long. Default: never.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Cancels the reload in the engine when its future is dropped before its end. Default: it runs on.
    pub fn cancel_on_drop(mut self) -> Self {
        self.cancel_on_drop = true;
        self
    }

    /// Saves the app after a reload that went well: by `DoSave`, or by `SaveObjects` if it was opened without data. Default: what was
    /// loaded is lost when the app is closed.
    ///
    /// Session apps cannot be saved: for them this fails before anything is reloaded.
    pub fn and_save(mut self) -> Self {
        self.save = true;
        self
    }

    /// Returns the reload to be watched: a stream of its progress, and a future of its end. It is sent when one of them is first
    /// polled.
    pub fn start(self) -> Reloading {
        let global = self.doc.session().global();
        let start = match self.extended {
            None => {
                let call = self.doc.do_reload();
                Start::Plain(call.mode(self.mode.number().into()).partial(self.partial).debug(self.debug))
            }
            Some(mut params) => {
                params.mode = self.mode.number();
                (params.partial, params.debug) = (self.partial, self.debug);
                Start::Extended(self.doc.do_reload_ex().params(&params))
            }
        };
        let plan = Plan {
            global,
            doc: self.doc,
            start: start.keeping(self.timeout, !self.cancel_on_drop),
            configure: self.configure,
            every: self.every,
            save: self.save,
            ask: self.ask,
        };
        Reloading::new(plan)
    }

    fn extended(&mut self) -> &mut schema::DoReloadExParams {
        self.extended.get_or_insert_default()
    }
}

impl ReloadMode {
    fn number(self) -> i32 {
        match self {
            Self::Script => 0,
            Self::StopOnError => 1,
            Self::IgnoreErrors => 2,
        }
    }
}

impl IntoFuture for Reload {
    type Output = Result<super::Reloaded, Error>;
    type IntoFuture = Reloading;

    fn into_future(self) -> Reloading {
        self.start()
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload")
            .field("doc", &self.doc)
            .field("mode", &self.mode)
            .field("partial", &self.partial)
            .field("debug", &self.debug)
            .finish_non_exhaustive()
    }
}
