//! One connector for tests: records where an engine is, replays where none is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    task::{Context, Poll},
};

use bytes::Bytes;
use qix_transport::{CloseCode, Closed, Connect, ConnectError, Message, Socket};

use super::{LoadError, ReplayConnect, ReplaySocket};
use crate::record::{RecordConnect, RecordSocket, Recorder, RecorderConfig, RecorderError};

/// Connects to the engine and records it, or replays what was recorded, as the environment says.
///
/// With `QIX_RECORD=1` the sockets of the given connector are recorded; otherwise the recording answers and nothing is connected to.
/// Where `CI` is set to anything but `0` and `false`, nothing is recorded, whatever is asked for.
///
/// ```no_run
/// use qix_client::Session;
/// use qix_proxy::replay::RecordOrReplay;
/// use qix_transport::{Endpoint, WsConnect};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let engine = WsConnect::builder(Endpoint::parse("ws://localhost:9076/app/Sales.qvf")?).build()?;
/// let connect = RecordOrReplay::from_env("tests/data/sales.qixrec", engine)?.url("/app/Sales.qvf");
/// let session = Session::connect(&connect).await?;
/// assert!(session.global().engine_version().await?.component_version.starts_with("12."));
/// session.close().await;
/// connect.finish().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RecordOrReplay<C>(Mode<C>);

#[derive(Debug)]
enum Mode<C> {
    Record { connect: RecordConnect<C>, recorder: Recorder, path: PathBuf },
    Replay(ReplayConnect),
}

/// Why nothing can be recorded or replayed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordOrReplayError {
    /// Recording was asked for where it is forbidden.
    #[error(
        "CI is set, where nothing is recorded: unset QIX_RECORD to replay, or record on a machine of your own"
    )]
    Ci,
    /// There is no recording.
    #[error(
        "there is no recording {}: run this once with QIX_RECORD=1 where the engine can be reached",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The recording cannot be replayed.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The new recording cannot be begun.
    #[error(transparent)]
    Record(#[from] RecorderError),
    /// The new recording is complete, but not under its name.
    #[error("cannot keep the new recording as {}", path.display())]
    Keep {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

impl<C> RecordOrReplay<C> {
    /// Decides by `QIX_RECORD` and `CI`. Recording, the old file stays until [`finish`](Self::finish) replaces it.
    ///
    /// # Errors
    ///
    /// [`RecordOrReplayError`] says what to do.
    pub fn from_env(path: impl AsRef<Path>, connect: C) -> Result<Self, RecordOrReplayError> {
        // What is no Unicode is set all the same.
        Self::from_vars(path, connect, |name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// Decides as [`from_env`](Self::from_env) by variables from elsewhere.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn from_vars(
        path: impl AsRef<Path>,
        connect: C,
        var: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, RecordOrReplayError> {
        let is_set = |name| {
            let says_no = |value: &str| matches!(value, "" | "0") || value.eq_ignore_ascii_case("false");
            var(name).is_some_and(|value| !says_no(&value))
        };
        let path = path.as_ref();
        if !is_set("QIX_RECORD") {
            if !path.exists() {
                return Err(RecordOrReplayError::Missing { path: path.to_owned() });
            }
            return Ok(Self(Mode::Replay(ReplayConnect::from_file(path)?)));
        }
        if is_set("CI") {
            return Err(RecordOrReplayError::Ci);
        }
        let aside = aside(path);
        // What a test has left that failed.
        if let Err(error) = fs::remove_file(&aside)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(RecorderError::Create { path: aside, source: error }.into());
        }
        // In the names of recordings a per cent sign begins a time.
        let name = aside.to_string_lossy().replace('%', "%%");
        let recorder = Recorder::create(name, RecorderConfig::default())?;
        let connect = RecordConnect::new(connect, recorder.clone());
        Ok(Self(Mode::Record { connect, recorder, path: path.to_owned() }))
    }

    /// Sets path and query of the connections: what the recording has of them, and what chooses among several. Default: `/`, and
    /// those of the first recorded connection.
    #[must_use]
    pub fn url(self, path_and_query: &str) -> Self {
        Self(match self.0 {
            Mode::Record { connect, recorder, path } => {
                Mode::Record { connect: connect.url(path_and_query), recorder, path }
            }
            Mode::Replay(replay) => Mode::Replay(replay.path(path_and_query)),
        })
    }

    /// Returns the replay, unless this records.
    pub fn replay(&self) -> Option<&ReplayConnect> {
        match &self.0 {
            Mode::Replay(replay) => Some(replay),
            Mode::Record { .. } => None,
        }
    }

    /// Seals the new recording and puts it in the place of the old one; does nothing if this replays. Without it, as when a test fails
    /// before it gets here, the old recording stays.
    ///
    /// # Errors
    ///
    /// [`RecordOrReplayError::Keep`] if not all was written, or if it cannot be renamed.
    ///
    /// # Cancellation
    ///
    /// Dropping the future leaves the old recording in its place.
    pub async fn finish(&self) -> Result<(), RecordOrReplayError> {
        let Mode::Record { recorder, path, .. } = &self.0 else { return Ok(()) };
        let sealed = recorder.clone().seal().await;
        let kept = match sealed.fault {
            Some(fault) => Err(fault),
            None => fs::rename(&sealed.path, path),
        };
        kept.map_err(|source| RecordOrReplayError::Keep { path: path.clone(), source })
    }
}

/// Returns the name of a recording while it is made. It ends as the other does, which says whether it is compressed.
fn aside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("new.{name}"))
}

impl<C: Connect> Connect for RecordOrReplay<C> {
    type Socket = RecordOrReplaySocket<C::Socket>;

    async fn connect(&self) -> Result<Self::Socket, ConnectError> {
        Ok(RecordOrReplaySocket(match &self.0 {
            Mode::Record { connect, .. } => Either::Record(Box::new(connect.connect().await?)),
            Mode::Replay(replay) => Either::Replay(Box::new(replay.connect().await?)),
        }))
    }
}

/// A socket that is recorded or replayed, made by [`RecordOrReplay`].
#[derive(Debug)]
pub struct RecordOrReplaySocket<S>(Either<S>);

#[derive(Debug)]
enum Either<S> {
    Record(Box<RecordSocket<S>>),
    Replay(Box<ReplaySocket>),
}

impl<S: Socket> RecordOrReplaySocket<S> {
    fn inner(&mut self) -> &mut dyn Socket {
        match &mut self.0 {
            Either::Record(socket) => socket,
            Either::Replay(socket) => socket,
        }
    }
}

impl<S: Socket> Socket for RecordOrReplaySocket<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closed>> {
        self.inner().poll_receive(cx)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.inner().poll_ready(cx)
    }

    fn send(&mut self, text: Bytes) -> Result<(), Closed> {
        self.inner().send(text)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.inner().poll_flush(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, code: CloseCode, reason: &str) -> Poll<Closed> {
        self.inner().poll_close(cx, code, reason)
    }
}

#[cfg(test)]
mod tests {
    use qix_transport::{MemoryConnect, SocketExt};

    use super::*;

    const OLD: &str = "{\"qixrec\":[1,1]}\n{\"seq\":1,\"t\":0,\"conn\":1,\"kind\":\"open\",\"url\":\"/old\",\"status\":101}\n";

    fn decide(
        path: &Path,
        vars: &[(&str, &str)],
    ) -> (Result<RecordOrReplay<MemoryConnect>, RecordOrReplayError>, qix_transport::MemoryAcceptor) {
        let (connect, acceptor) = MemoryConnect::new();
        let var =
            |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        (RecordOrReplay::from_vars(path, connect, var), acceptor)
    }

    #[test]
    fn ci_refuses_to_record_and_touches_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.qixrec");
        fs::write(&path, OLD).unwrap();
        let (refused, _) = decide(&path, &[("QIX_RECORD", "1"), ("CI", "true")]);
        assert!(matches!(refused, Err(RecordOrReplayError::Ci)));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(&path).unwrap(), OLD);
        // Replaying is what CI is there for.
        assert!(decide(&path, &[("CI", "true")]).0.unwrap().replay().is_some());
        for off in ["", "0", "false", "False"] {
            let recording = decide(&path, &[("QIX_RECORD", "1"), ("CI", off)]).0.unwrap();
            assert!(recording.replay().is_none(), "{off:?}");
            assert!(decide(&path, &[("QIX_RECORD", off)]).0.unwrap().replay().is_some(), "{off:?}");
        }
    }

    #[test]
    fn missing_recording_says_how_to_make_one() {
        let dir = tempfile::tempdir().unwrap();
        let (missing, _) = decide(&dir.path().join("x.qixrec"), &[]);
        let words = missing.unwrap_err().to_string();
        assert!(words.contains("x.qixrec") && words.contains("QIX_RECORD=1"), "{words}");
    }

    #[tokio::test]
    async fn old_recording_stays_until_the_new_one_is_sealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("100%.qixrec");
        fs::write(&path, OLD).unwrap();
        for finishes in [false, true] {
            let (recording, mut acceptor) = decide(&path, &[("QIX_RECORD", "1")]);
            let recording = recording.unwrap().url("/new");
            let mut socket = recording.connect().await.unwrap();
            let mut engine = acceptor.accept().await.unwrap();
            socket.send_text(r#"{"id":1,"handle":-1,"method":"M","params":[]}"#).await.unwrap();
            engine.receive().await.unwrap();
            engine.send_text(r#"{"id":1,"result":{"q":1}}"#).await.unwrap();
            socket.receive().await.unwrap();
            drop(socket);
            assert_eq!(fs::read_to_string(&path).unwrap(), OLD);
            if finishes {
                recording.finish().await.unwrap();
            }
        }
        let replay = decide(&path, &[]).0.unwrap();
        let mut socket = replay.connect().await.unwrap();
        socket.send_text(r#"{"id":7,"handle":-1,"method":"M","params":[]}"#).await.unwrap();
        let answer = Message::Text(r#"{"jsonrpc":"2.0","id":7,"result":{"q":1}}"#.into());
        assert_eq!(socket.receive().await.unwrap(), answer);
    }
}
