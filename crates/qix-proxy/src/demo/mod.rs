//! The whole path on an embedded recording: serve it, record a client in front of it, replay what was recorded.

mod script;

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
};

use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};
use tokio::{sync::oneshot, task::JoinHandle};

pub use script::{Answer, ScriptError, play};

use crate::{
    Proxy, ProxyError,
    record::RecordingReader,
    replay::{LoadError, ReplayServer, ReplaySummary, Tapes},
};

/// The recording that stands in for an engine; `cargo xtask demo-recording` makes it.
static RECORDING: &[u8] = include_bytes!("../../assets/demo.qixrec");

/// Any free port of this machine.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Why the demo did not come to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A port cannot be had, or the transcript cannot be written.
    #[error("the system failed")]
    Io(#[from] io::Error),
    /// A recording cannot be read.
    #[error("a recording cannot be replayed")]
    Recording(#[from] LoadError),
    /// The recorder did not work.
    #[error("the recorder failed")]
    Proxy(#[from] ProxyError),
    /// The client could not connect.
    #[error("the client cannot connect")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The client did not get its answers.
    #[error("the client did not come to its end")]
    Script(#[from] ScriptError),
}

/// How a demo went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoReport {
    /// Answers that were the same from the replay as through the recorder.
    pub equal: usize,
    /// What was asked where the answers differ.
    pub different: Vec<String>,
    /// Requests that were not in a recording.
    pub missed: u64,
}

/// Runs the demo: writes a recording to `file`, which must not exist, and a transcript to `out`.
///
/// # Errors
///
/// [`DemoError`] if a part of the path does not work. Answers that differ are no error; the report has them.
///
/// # Cancellation
///
/// Dropping the future leaves the servers running until the runtime ends; the recording then lacks its seal.
pub async fn run(file: &Path, out: &mut dyn Write) -> Result<DemoReport, DemoError> {
    let bundled = RecordingReader::new(RECORDING, "the bundled recording").map_err(LoadError::from)?;
    let engine = Replay::start(Tapes::load(bundled)?.0).await?;
    let upstream = endpoint(engine.address, "")?;
    let proxy = Proxy::builder(file).upstream(upstream).listen(ANY_PORT).bind().await?;
    let address = proxy.local_addr();
    let (stop, stopped) = oneshot::channel();
    let recorder = tokio::spawn(proxy.run(async {
        // A sender that is gone stops the recorder too.
        let _ = stopped.await;
    }));

    writeln!(out, "A conversation with a Qlik engine, recorded and replayed.\n")?;
    writeln!(out, "  engine    ws://{}  a bundled recording answers in its place", engine.address)?;
    writeln!(out, "  recorder  ws://{address}  writes {}", file.display())?;
    writeln!(out, "  client    qix-client            talks to the recorder as it would to the engine\n")?;
    let first = play(connect(address).await?, |line| writeln!(out, "  {line}")).await?;
    // The recorder is there until it is told to stop.
    let _ = stop.send(());
    let sealed = recorder.await.map_err(io::Error::other)?;
    if let Some(fault) = sealed.fault {
        return Err(fault.into());
    }
    let bundled = engine.stop().await?;
    writeln!(out, "\nThe recorder kept {} messages, {} bytes.", sealed.frames, sealed.bytes)?;
    writeln!(out, "The same script again, answered from that recording:\n")?;

    let replay = Replay::start(Tapes::open(file)?.0).await?;
    let second = play(connect(replay.address).await?, |_| Ok(())).await?;
    let replayed = replay.stop().await?;
    let mut report = DemoReport { equal: 0, different: Vec::new(), missed: bundled.missed + replayed.missed };
    for (one, two) in first.iter().zip(&second) {
        writeln!(out, "  {}  {}", if one == two { "same" } else { "DIFFERENT" }, one.question)?;
        match one == two {
            true => report.equal += 1,
            false => report.different.push(one.question.clone()),
        }
    }
    // The script asks the same number of questions each time, unless it is changed to depend on answers.
    let missing = first.len().abs_diff(second.len());
    report.different.extend((missing > 0).then(|| format!("{missing} questions were asked in one run only")));
    writeln!(out, "\n{} of {} answers are the same.\n\n{NEXT}", report.equal, first.len().max(second.len()))?;
    Ok(report)
}

/// What to try next.
const NEXT: &str = "\
Next, in front of an engine of your own. Point your client at ws://127.0.0.1:9077, and stop with Ctrl-C:

  Qlik Cloud         qix-proxy record --upstream wss://TENANT.REGION.qlikcloud.com --api-key-env QLIK_API_KEY
  enterprise server  qix-proxy record --upstream wss://SERVER:4747 --cert-dir CERTIFICATES --user 'DIRECTORY\\id'
  Desktop            qix-proxy record --upstream ws://localhost:4848";

fn endpoint(address: SocketAddr, path: &str) -> Result<Endpoint, DemoError> {
    Endpoint::parse(&format!("ws://{address}/{path}")).map_err(|error| DemoError::Connect(error.into()))
}

async fn connect(address: SocketAddr) -> Result<Session, DemoError> {
    let endpoint = endpoint(address, &format!("app/{}", script::APP))?;
    let connector = WsConnect::builder(endpoint).build().map_err(|error| DemoError::Connect(error.into()))?;
    Session::connect(&connector).await.map_err(|error| DemoError::Connect(error.into()))
}

/// A replay in the background.
struct Replay {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<ReplaySummary>,
}

impl Replay {
    async fn start(tapes: Tapes) -> io::Result<Self> {
        let server = ReplayServer::bind(tapes, ANY_PORT).await?;
        let address = server.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A sender that is gone stops the replay too.
            let _ = stopped.await;
        };
        let on_miss = |miss| tracing::warn!(%miss, "not in the recording");
        Ok(Self { address, stop, server: tokio::spawn(server.run(shutdown, on_miss)) })
    }

    async fn stop(self) -> io::Result<ReplaySummary> {
        // The server is there until it is told to stop.
        let _ = self.stop.send(());
        self.server.await.map_err(io::Error::other)
    }
}
