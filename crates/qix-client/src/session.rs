//! The cloneable front of a conversation with the engine.

use std::{
    fmt, io,
    marker::PhantomData,
    sync::{Arc, OnceLock},
};

use qix_protocol::{RequestId, RequestIds};
use qix_transport::{Connect, ConnectError, Socket};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    Error, ErrorKind, Global, Notifications, SessionConfig, State, States,
    command::{Command, Control},
    driver::Driver,
    layer::Calls,
    notifications::Notices,
    objects::Objects,
    resume::{ResumePolicy, ResumeReport},
};

/// A session with an engine, over one socket after the other. Cheap to clone.
///
/// One task owns the socket. It ends, and closes the socket with code 1000, when the last clone and the last object are
/// dropped, when [`close`](Self::close) is called, or when the socket
/// ends and is not to be [resumed](crate::ResumePolicy).
#[derive(Clone)]
pub struct Session(Arc<Front>);

/// What all clones of a session have in common; when it is dropped, the driver's queues end and the driver says goodbye.
struct Front {
    commands: mpsc::Sender<Command>,
    controls: mpsc::UnboundedSender<Control>,
    shared: Arc<Shared>,
}

/// What sessions and the driver share; it must not keep the driver's queue open.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ids: RequestIds,
    pub(crate) objects: Objects,
    pub(crate) end: OnceLock<Error>,
    pub(crate) delta: bool,
    pub(crate) state: watch::Sender<State>,
    pub(crate) notices: Notices,
    /// What calls go through; none if they go straight to the driver.
    pub(crate) layers: Option<Calls>,
}

impl Session {
    /// Connects and starts a session with default settings, over this one socket: it ends with it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] if no socket comes about.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect<C: Connect>(connector: &C) -> Result<Self, Error> {
        Ok(Self::over(connector.connect().await?, SessionConfig::default()))
    }

    /// Connects and starts a session with these settings. The connector is kept for when the session resumes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] if no socket comes about.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect_with<C: Connect + Clone + 'static>(
        connector: &C,
        config: SessionConfig,
    ) -> Result<Self, Error> {
        let connector = connector.clone();
        let socket = connector.connect().await?;
        Ok(Self::spawn(connector, Some(socket), config))
    }

    /// Returns the session at once, while it connects: its state is [`State::Connecting`], and calls wait. If no socket comes
    /// about, the session ends with [`ErrorKind::Connect`].
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start<C: Connect + 'static>(connector: C, config: SessionConfig) -> Self {
        Self::spawn(connector, None, config)
    }

    /// Starts a session over a connected socket. There will be no other: the session ends with it, whatever the policy says.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn over(socket: impl Socket + 'static, config: SessionConfig) -> Self {
        let config = config.resume(ResumePolicy::never());
        Self::spawn(Never(PhantomData), Some(socket), config)
    }

    fn spawn<C: Connect + 'static>(connector: C, socket: Option<C::Socket>, config: SessionConfig) -> Self {
        let connection = Driver::<C>::connection();
        let (commands, command_queue) = mpsc::channel(config.queue.max(1));
        let (controls, control_queue) = mpsc::unbounded_channel();
        let state = match socket {
            Some(_) => State::Open { greeting: None, report: None },
            None => State::Connecting,
        };
        let shared = Arc::new(Shared {
            ids: connection.ids().clone(),
            objects: Objects::new(),
            end: OnceLock::new(),
            delta: config.delta,
            state: watch::Sender::new(state),
            notices: Notices::default(),
            layers: config.layers.build(),
        });
        let driver = Driver::new(
            Arc::new(connector),
            connection,
            config,
            command_queue,
            control_queue,
            shared.clone(),
        );
        tokio::spawn(driver.run(socket));
        Self(Arc::new(Front { commands, controls, shared }))
    }

    /// Returns the object that is always open.
    pub fn global(&self) -> Global {
        Global::of(self.clone())
    }

    /// Waits for the engine's `OnConnected` and returns the state it names, such as `SESSION_CREATED` or `SESSION_ATTACHED`.
    ///
    /// Behind a Qlik Sense proxy the greeting may come only after the first request, and the oldest engines send none: do not
    /// wait for it without a deadline before the first call.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the session ends first.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn connected(&self) -> Result<String, Error> {
        let mut state = self.0.shared.state.subscribe();
        // An error would mean that the session has ended; it holds the sender itself.
        let _ = state.wait_for(|state| state.greeting().is_some() || state.is_closed()).await;
        // A greeting may be followed by the end at once: it counts all the same.
        let greeting = state.borrow().greeting().map(|state| state.as_str().to_owned());
        greeting.or_else(|| self.0.shared.notices.greeting()).ok_or_else(|| self.ended())
    }

    /// Returns what the session is doing.
    pub fn state(&self) -> State {
        self.0.shared.state.borrow().clone()
    }

    /// Returns the states of the session, the present one first. The stream keeps no session alive.
    pub fn states(&self) -> States {
        States::new(self.0.shared.state.subscribe())
    }

    /// Returns what the engine, and the proxy in front of it, say unasked, from the beginning: whoever begins to listen late hears the
    /// greetings and the latest 64 others first. The stream keeps no session alive.
    pub fn notifications(&self) -> Notifications {
        Notifications::new(self.0.shared.clone())
    }

    /// Closes the socket with code 4000, but keeps the session: [`resume`](Self::resume) brings it back. Until then calls fail
    /// with [`ErrorKind::Suspended`]. Calls in flight fail with it too, or with [`ErrorKind::OutcomeUnknown`] if they may have
    /// had an effect.
    ///
    /// Returns once the socket has ended. What is already suspended stays so, and an automatic resume is stopped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] if the session has ended.
    ///
    /// # Cancellation
    ///
    /// Dropping the future lets the goodbye run on in the background.
    pub async fn suspend(&self) -> Result<(), Error> {
        let (done, suspended) = oneshot::channel();
        self.control(Control::Suspend(done));
        suspended.await.map_err(|_| self.ended())
    }

    /// Connects again after [`suspend`](Self::suspend), opens the app and makes the objects again that somebody still holds.
    ///
    /// There is one attempt; if it fails, the session stays suspended. While an automatic resume is under way, it is hastened, and
    /// its outcome returned. If the session is open, nothing is done.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] if no socket comes about, [`ErrorKind::Closed`] if the session has ended or the new socket does.
    ///
    /// # Cancellation
    ///
    /// Dropping the future lets the attempt run on in the background.
    pub async fn resume(&self) -> Result<Arc<ResumeReport>, Error> {
        self.ask_to_resume(false).await
    }

    /// Resumes as [`resume`](Self::resume) does, but only if the engine still has the session.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotAttached`] if it has not: the session stays suspended. Otherwise those of `resume`.
    ///
    /// # Cancellation
    ///
    /// Dropping the future lets the attempt run on in the background.
    pub async fn resume_if_attached(&self) -> Result<Arc<ResumeReport>, Error> {
        self.ask_to_resume(true).await
    }

    async fn ask_to_resume(&self, only_if_attached: bool) -> Result<Arc<ResumeReport>, Error> {
        let (asked, outcome) = oneshot::channel();
        self.control(Control::Resume { only_if_attached, asked });
        outcome.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Says goodbye to the engine with code 1000 and waits until the socket has ended. Calls in flight fail.
    ///
    /// # Cancellation
    ///
    /// Dropping the future lets the goodbye run on in the background.
    pub async fn close(&self) {
        // An error means that the session has ended already.
        let _ = self.0.controls.send(Control::Close);
        self.0.commands.closed().await;
    }

    /// Waits until the session has ended, and returns why.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn closed(&self) -> Error {
        self.0.commands.closed().await;
        self.ended()
    }

    pub(crate) fn ids(&self) -> &RequestIds {
        &self.0.shared.ids
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.0.shared.objects
    }

    pub(crate) fn commands(&self) -> &mpsc::Sender<Command> {
        &self.0.commands
    }

    pub(crate) fn cancel(&self, id: RequestId) {
        self.control(Control::Cancel(id));
    }

    pub(crate) fn control(&self, control: Control) {
        // An error means that the session has ended, and all calls and objects with it.
        let _ = self.0.controls.send(control);
    }

    /// Whether calls ask for delta answers if they do not say.
    pub(crate) fn delta(&self) -> bool {
        self.0.shared.delta
    }

    pub(crate) fn layers(&self) -> Option<&Calls> {
        self.0.shared.layers.as_ref()
    }

    pub(crate) fn has_ended(&self) -> Option<Error> {
        self.0.shared.end.get().cloned()
    }

    pub(crate) fn ended(&self) -> Error {
        self.has_ended().unwrap_or_else(|| Error::new(ErrorKind::Closed))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("ended", &self.0.shared.end.get().is_some()).finish_non_exhaustive()
    }
}

impl Shared {
    /// What the last resume brought back.
    pub(crate) fn report(&self) -> Arc<ResumeReport> {
        match &*self.state.borrow() {
            State::Open { report: Some(report), .. } => report.clone(),
            _ => Arc::new(ResumeReport { attached: true, ..ResumeReport::default() }),
        }
    }
}

/// A connector for sessions that were started over a socket.
struct Never<S>(PhantomData<fn() -> S>);

impl<S: Socket + 'static> Connect for Never<S> {
    type Socket = S;

    async fn connect(&self) -> Result<S, ConnectError> {
        let source = io::Error::new(
            io::ErrorKind::Unsupported,
            "this session was started over one socket; start it with a connector so that it can resume",
        );
        Err(ConnectError::Tcp { peer: "the engine".into(), source })
    }
}
