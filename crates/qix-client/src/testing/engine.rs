//! The scripted engine.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use qix_protocol::CloseCode;
use qix_transport::{Connect, ConnectError, MemorySocket, memory};
use serde_json::{Value, json};

use crate::testing::{
    expectation::Expected,
    line::{Line, Outgoing},
    script::{Called, Script},
};

/// An engine that does as a test says. Give it to [`Session::connect`](crate::Session::connect).
///
/// Calls are matched with what is [expected](Self::expect) in any order, unless it is asked to be strict. A call that is not
/// expected is refused, and fails the test when the engine is dropped or [finished](Self::finish), as does one that was expected and
/// not made. What this crate calls by itself need not be expected: `CancelRequest` for dropped calls, and the destruction of session
/// objects.
///
/// Every connection made with it is a socket of the same engine; what it says unasked goes to the newest. Clones are the same
/// engine, and only the first one checks when it is dropped.
pub struct ScriptedEngine {
    shared: Arc<Shared>,
    first: bool,
}

struct Shared {
    script: Arc<Script>,
    /// The newest socket.
    line: Mutex<Option<Line>>,
    greeting: Mutex<Option<String>>,
    unreachable: AtomicBool,
}

impl ScriptedEngine {
    /// Makes an engine that expects nothing yet, and greets with `SESSION_CREATED`.
    pub fn new() -> Self {
        let shared = Shared {
            script: Arc::default(),
            line: Mutex::default(),
            greeting: Mutex::new(Some("SESSION_CREATED".to_owned())),
            unreachable: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared), first: true }
    }

    /// Expects calls in the order in which they are said to be expected.
    pub fn in_order(self) -> Self {
        self.shared.script.in_order();
        self
    }

    /// Expects a call of this method; what it returns says more.
    pub fn expect(&self, method: &str) -> Expected {
        Expected::new(self.shared.script.clone(), method)
    }

    /// Greets sockets that are connected from now on with this `qSessionState`, or not at all.
    pub fn greet(&self, session_state: Option<&str>) {
        *self.shared.greeting.lock().unwrap_or_else(PoisonError::into_inner) =
            session_state.map(str::to_owned);
    }

    /// Lets connections fail from now on, or not.
    pub fn unreachable(&self, unreachable: bool) {
        self.shared.unreachable.store(unreachable, Ordering::Relaxed);
    }

    /// Says that these objects have changed.
    pub fn change(&self, handles: &[i32]) {
        self.say(json!({"jsonrpc": "2.0", "change": handles}));
    }

    /// Says that these objects are closed.
    pub fn close_objects(&self, handles: &[i32]) {
        self.say(json!({"jsonrpc": "2.0", "close": handles}));
    }

    /// Sends a notification.
    pub fn notify(&self, method: &str, params: Value) {
        self.say(json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends any frame.
    pub fn say(&self, frame: Value) {
        self.tell(frame);
    }

    /// Sends any text, also one that is no frame.
    pub fn say_text(&self, text: impl Into<String>) {
        self.tell(Outgoing::Text(text.into()));
    }

    /// Closes the newest socket.
    pub fn close(&self, code: CloseCode, reason: &str) {
        self.tell(Outgoing::Close(code, reason.to_owned()));
    }

    /// Breaks the newest socket off without a goodbye, as a network does.
    pub fn cut(&self) {
        self.tell(Outgoing::Cut);
    }

    /// Returns the calls that were made so far, on all sockets.
    pub fn calls(&self) -> Vec<Called> {
        self.shared.script.calls()
    }

    /// Waits until all that is expected was called, or something unexpected was: for calls that nobody awaits.
    ///
    /// # Cancellation
    ///
    /// Safe: nothing is lost by dropping the future.
    pub async fn settled(&self) {
        loop {
            let progress = self.shared.script.progress.notified();
            let mut progress = std::pin::pin!(progress);
            // What happens between the look and the wait must not be missed.
            progress.as_mut().enable();
            if self.shared.script.is_settled() {
                return;
            }
            progress.await;
        }
    }

    /// Checks that what was expected was called, and nothing else. Dropping the engine does the same.
    ///
    /// # Panics
    ///
    /// If something else was called, or something was not.
    #[track_caller]
    pub fn finish(mut self) {
        self.check();
    }

    #[track_caller]
    fn check(&mut self) {
        if std::mem::take(&mut self.first)
            && let Some(verdict) = self.shared.script.verdict()
        {
            panic!("the scripted engine was not used as it expected:\n{verdict}");
        }
    }

    fn tell(&self, what: impl Into<Outgoing>) {
        if let Some(line) = &*self.shared.line.lock().unwrap_or_else(PoisonError::into_inner) {
            line.say(what);
        }
    }
}

impl Connect for ScriptedEngine {
    type Socket = MemorySocket;

    async fn connect(&self) -> Result<MemorySocket, ConnectError> {
        if self.shared.unreachable.load(Ordering::Relaxed) {
            let source = io::Error::new(io::ErrorKind::ConnectionRefused, "the test says so");
            return Err(ConnectError::Tcp { peer: "scripted:0".into(), source });
        }
        let (client, engine) = memory::pair();
        let line = Line::start(engine, self.shared.script.clone());
        if let Some(state) = &*self.shared.greeting.lock().unwrap_or_else(PoisonError::into_inner) {
            let params = json!({"qSessionState": state});
            line.say(json!({"jsonrpc": "2.0", "method": "OnConnected", "params": params}));
        }
        *self.shared.line.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
        Ok(client)
    }
}

impl Default for ScriptedEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for ScriptedEngine {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), first: false }
    }
}

impl Drop for ScriptedEngine {
    fn drop(&mut self) {
        // One panic says enough.
        if !std::thread::panicking() {
            self.check();
        }
    }
}

impl fmt::Debug for ScriptedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedEngine").field("calls", &self.calls().len()).finish_non_exhaustive()
    }
}
