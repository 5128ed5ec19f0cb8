//! A recording inside a program: a connector whose sockets are answered from it.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use qix_transport::{CloseCode, Closed, ClosedBy, Connect, ConnectError, Message, Refusal, Socket};

use super::{
    LoadError, Miss, ReplayHandle, ReplaySettings, ReplaySummary, Tapes,
    conversation::{Conversation, Saying},
    path::SessionPath,
    sessions::Visitor,
    stage::Stage,
};

/// More answers than any client leaves unread.
const MOST_UNREAD: usize = 65_536;
/// Misses beyond this number are counted only.
const MOST_MISSES: usize = 1000;

/// Answers any client built on [`qix_transport`] from a recording, without a port and without a task: a call is answered while it
/// is sent. Cheap to clone; clones share sessions and counts.
///
/// ```
/// use qix_client::{Session, protocol::Handle};
/// use qix_proxy::replay::ReplayConnect;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("session.qixrec");
/// # std::fs::write(&path, r#"{"qixrec":[1,1]}
/// # {"seq":1,"t":0,"conn":1,"kind":"open","url":"/app/engineData","status":101}
/// # {"seq":2,"t":9,"conn":1,"kind":"frame","from":"client","json":{"id":1,"handle":-1,"method":"IsDesktopMode","params":[]}}
/// # {"seq":3,"t":9,"conn":1,"kind":"frame","from":"engine","json":{"id":1,"result":{"qReturn":true}}}
/// # "#)?;
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let replay = ReplayConnect::from_file(&path)?;
/// let session = Session::connect(&replay).await?;
/// let answer: serde_json::Value = session.call(Handle::GLOBAL, "IsDesktopMode", &[(); 0]).await?;
/// assert_eq!(answer["qReturn"], true);
/// assert!(replay.misses().is_empty());
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ReplayConnect {
    stage: Arc<Stage>,
    misses: Arc<Mutex<Vec<Miss>>>,
    visitor: Arc<Visitor>,
}

impl ReplayConnect {
    /// Replays a recording as fast as possible.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if the file cannot be read or holds no connection.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        let (tapes, _) = Tapes::open(path)?;
        if tapes.connections() == 0 {
            return Err(LoadError::NoConnection);
        }
        Ok(Self::new(Arc::new(tapes), &ReplaySettings::default()))
    }

    /// Replays tapes.
    ///
    /// # Panics
    ///
    /// If they hold no connection.
    pub fn new(tapes: Arc<Tapes>, settings: &ReplaySettings) -> Self {
        let misses = Arc::new(Mutex::new(Vec::new()));
        let heard = misses.clone();
        let on_miss = move |miss| {
            let mut misses = lock(&heard);
            if misses.len() < MOST_MISSES {
                misses.push(miss);
            }
        };
        // The path of the first connection, which is the only one more often than not.
        let path = SessionPath::parse(&tapes.tapes[0].path);
        let target = path.whole.as_str().into();
        let visitor = Arc::new(Visitor { path, target, ..Visitor::default() });
        Self { stage: Arc::new(Stage::new(tapes, settings, on_miss)), misses, visitor }
    }

    /// Connects as by this path, which chooses the recorded session. Default: the path of the first recorded connection.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        let visitor = Arc::make_mut(&mut self.visitor);
        visitor.path = SessionPath::parse(path);
        visitor.target = path.into();
        self
    }

    /// Sets the pace, as [`ReplaySettings::speed`] does, and begins anew: nothing has been asked, nobody is connected.
    #[must_use]
    pub fn speed(self, factor: f64) -> Self {
        let settings = self.stage.settings.clone().speed(factor);
        let visitor = self.visitor;
        Self { visitor, ..Self::new(self.stage.matcher.tapes().clone(), &settings) }
    }

    /// Returns what ends its sockets.
    pub fn handle(&self) -> ReplayHandle {
        ReplayHandle(self.stage.clone())
    }

    /// Returns what has been done so far.
    pub fn summary(&self) -> ReplaySummary {
        self.stage.summary()
    }

    /// Returns the requests so far that the recording cannot answer, the first thousand of them.
    pub fn misses(&self) -> Vec<Miss> {
        lock(&self.misses).clone()
    }

    /// Returns what is replayed.
    pub fn tapes(&self) -> &Tapes {
        self.stage.matcher.tapes()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that is done under this lock can panic half way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connect for ReplayConnect {
    type Socket = ReplaySocket;

    async fn connect(&self) -> Result<ReplaySocket, ConnectError> {
        if let Some(faults) = &self.stage.settings.faults
            && let Some(refused) = faults.upgrade(&self.visitor.target)
        {
            let (status, headers) = refused.head();
            let refusal = Refusal::new(status, headers.clone(), refused.body().clone());
            return Err(ConnectError::Upgrade { peer: "the replay".into(), refusal: Box::new(refusal) });
        }
        let conversation = Conversation::open(self.stage.clone(), &self.visitor);
        Ok(ReplaySocket { conversation, receiver: None, sender: None, ended: None })
    }
}

/// A socket that is answered from a recording, made by [`ReplayConnect`].
#[derive(Debug)]
pub struct ReplaySocket {
    conversation: Conversation,
    /// Who waits for something to receive.
    receiver: Option<Waker>,
    /// Who waits for room to send.
    sender: Option<Waker>,
    ended: Option<Closed>,
}

impl ReplaySocket {
    fn end(&mut self, closed: Closed) -> Closed {
        self.conversation.leave();
        self.ended.insert(closed).clone()
    }
}

impl Socket for ReplaySocket {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        if let Some(closed) = &self.ended {
            return Poll::Ready(Err(closed.clone()));
        }
        let Poll::Ready(saying) = self.conversation.poll_say(cx) else {
            match &mut self.receiver {
                Some(receiver) => receiver.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            return Poll::Pending;
        };
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
        Poll::Ready(match saying {
            Saying::Text(text) if text.is_utf8() => Ok(Message::Text(text.into_bytes())),
            Saying::Text(text) => Ok(Message::Binary(text.into_bytes())),
            Saying::Binary(bytes) => Ok(Message::Binary(bytes)),
            Saying::Close(code, reason) => {
                let code = code.map_or(CloseCode::NO_STATUS, CloseCode::new);
                Err(self.end(Closed::new(code, reason, ClosedBy::Peer)))
            }
            Saying::Drop | Saying::Abort(_) => {
                let error = io::Error::new(io::ErrorKind::ConnectionReset, "the connection was cut here");
                Err(self.end(Closed::broken(error)))
            }
        })
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        match &self.ended {
            Some(closed) => Poll::Ready(Err(closed.clone())),
            None if self.conversation.unsaid() < MOST_UNREAD => Poll::Ready(Ok(())),
            None => {
                self.sender = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        if let Some(closed) = &self.ended {
            return Err(closed.clone());
        }
        if !text.is_ascii() && str::from_utf8(&text).is_err() {
            let error = io::Error::new(io::ErrorKind::InvalidData, "the text is not UTF-8");
            let closed = Closed::new(CloseCode::new(1007), "", ClosedBy::Us);
            return Err(Closed { error: Some(Arc::new(error)), ..closed });
        }
        self.conversation.hear(&text);
        if let Some(receiver) = &self.receiver {
            receiver.wake_by_ref();
        }
        Ok(())
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(self.ended.clone().map_or(Ok(()), Err))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        if let Some(closed) = &self.ended {
            return Poll::Ready(closed.clone());
        }
        let code = if code.is_sendable() { code } else { CloseCode::NO_STATUS };
        Poll::Ready(self.end(Closed::new(code, reason, ClosedBy::Us)))
    }
}
