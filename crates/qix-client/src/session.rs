//! The cloneable front of one socket.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use qix_protocol::{Connection, ConnectionConfig, RequestId, RequestIds};
use qix_transport::{Connect, Socket};
use tokio::sync::{mpsc, watch};

use crate::{
    Error, ErrorKind, Global, SessionConfig,
    command::{Command, Control},
    driver::Driver,
    layer::Calls,
    objects::Objects,
};

/// A session with an engine over one socket. Cheap to clone.
///
/// One task owns the socket. It ends, and closes the socket with code 1000, when the last clone and the last object are
/// dropped, when [`close`](Self::close) is called, or when the socket ends.
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
    pub(crate) connected: watch::Sender<Option<String>>,
    /// What calls go through; none if they go straight to the driver.
    pub(crate) layers: Option<Calls>,
}

impl Session {
    /// Connects and starts a session with default settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] if no socket comes about.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect<C: Connect>(connector: &C) -> Result<Self, Error> {
        Self::connect_with(connector, SessionConfig::default()).await
    }

    /// Connects and starts a session with these settings.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Connect`] if no socket comes about.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives the attempt up; nothing stays open.
    pub async fn connect_with<C: Connect>(connector: &C, config: SessionConfig) -> Result<Self, Error> {
        Ok(Self::over(connector.connect().await?, config))
    }

    /// Starts a session over a connected socket.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn over(socket: impl Socket + 'static, config: SessionConfig) -> Self {
        let max_pending = config.max_pending.max(1);
        let connection = Connection::new(ConnectionConfig::default().max_pending(max_pending));
        let (commands, command_queue) = mpsc::channel(config.queue.max(1));
        let (controls, control_queue) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            ids: connection.ids().clone(),
            objects: Objects::new(),
            end: OnceLock::new(),
            delta: config.delta,
            connected: watch::Sender::default(),
            layers: config.layers.build(),
        });
        let driver =
            Driver::new(socket, connection, max_pending, command_queue, control_queue, shared.clone());
        tokio::spawn(driver.run());
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
        let mut connected = self.0.shared.connected.subscribe();
        tokio::select! {
            () = self.0.commands.closed() => {}
            // An error would mean that the session has ended; it holds the sender itself.
            _ = connected.wait_for(Option::is_some) => {}
        }
        // A greeting may be followed by the end at once: it counts all the same.
        let state = connected.borrow().clone();
        state.ok_or_else(|| self.ended())
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
