//! One socket of a scripted engine.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use qix_protocol::{
    CloseCode, RequestId,
    frame::{Raw, client},
};
use qix_transport::{Message, SocketExt, memory::MemorySocket};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::testing::script::{Called, Script};

/// What a socket is told to do.
pub(super) enum Outgoing {
    Text(String),
    Close(CloseCode, String),
    Cut,
}

/// The engine's end of one socket. Cheap to clone.
#[derive(Clone)]
pub(super) struct Line {
    outgoing: mpsc::UnboundedSender<Outgoing>,
    /// Calls that were made and are not answered yet.
    hanging: Arc<Mutex<HashSet<RequestId>>>,
}

impl Line {
    /// Starts the task of a socket.
    pub(super) fn start(socket: MemorySocket, script: Arc<Script>) -> Self {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let line = Self { outgoing, hanging: Arc::default() };
        tokio::spawn(serve(socket, queue, line.clone(), script));
        line
    }

    pub(super) fn say(&self, what: impl Into<Outgoing>) {
        // An error means that the socket has ended; then nobody listens.
        let _ = self.outgoing.send(what.into());
    }

    /// Says it after a while, unless the call is cancelled before.
    pub(super) fn say_later(&self, id: RequestId, delay: Duration, frame: Value) {
        self.hang(id);
        let line = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            if line.lock().remove(&id) {
                line.say(frame);
            }
        });
    }

    /// Leaves a call without an answer.
    pub(super) fn hang(&self, id: RequestId) {
        self.lock().insert(id);
    }

    /// Ends a call that is not answered yet, as an engine does when it is cancelled.
    pub(super) fn abort(&self, id: RequestId) {
        if self.lock().remove(&id) {
            let error = json!({"code": 15, "message": "Request aborted", "parameter": ""});
            self.say(json!({"jsonrpc": "2.0", "id": id, "error": error}));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<RequestId>> {
        self.hanging.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(
    mut socket: MemorySocket,
    mut queue: mpsc::UnboundedReceiver<Outgoing>,
    line: Line,
    script: Arc<Script>,
) {
    loop {
        tokio::select! {
            biased;
            outgoing = queue.recv() => match outgoing {
                Some(Outgoing::Text(text)) => {
                    // The end of the socket is what it reports next.
                    let _ = socket.send_text(text).await;
                }
                Some(Outgoing::Close(code, reason)) => {
                    socket.close(code, &reason).await;
                    return;
                }
                Some(Outgoing::Cut) | None => return,
            },
            message = socket.receive() => match message {
                Ok(Message::Text(text)) => match read(&text) {
                    Some(call) => script.hear(call, &line),
                    None => script.fault(format!("no request: {}", String::from_utf8_lossy(&text))),
                },
                Ok(_) => script.fault("a binary message".to_owned()),
                Err(_) => return,
            }
        }
    }
}

fn read(text: &[u8]) -> Option<Called> {
    let request = client::Request::parse(text).ok()?;
    Some(Called {
        id: RequestId::new(request.id?.as_integer()?),
        handle: request.handle,
        method: request.method.to_string(),
        params: request.params.map_or(Some(json!([])), |params: Raw<'_>| params.decode().ok())?,
        delta: request.delta,
    })
}
