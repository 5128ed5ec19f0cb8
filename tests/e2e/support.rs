//! Engines, recorders, replays and clients for one test, all on free ports of this machine.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use qix_client::{
    Doc, Error, Session,
    transport::{Connect, ConnectError, Endpoint, Message, SocketExt, WsConnect, WsSocket},
};
use qix_proxy::{
    Proxy, ProxyBuilder,
    record::{Closing, Entry, EntryKind, FrameText, RecordingReader, Sealed, Side},
    replay::{LoadReport, ReplayServer, ReplaySummary, Tapes},
};
use qix_tests::{
    FakeEngine, FakeEngineConfig,
    fake_engine::{Direction, LogEntry},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
};

/// Any free port of this machine.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Waits for `future`, but not for ever.
pub(crate) async fn bounded<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this should not take so long")
}

/// Starts an engine with default settings.
pub(crate) async fn engine() -> FakeEngine {
    engine_with(|_| {}).await
}

/// Starts an engine with changed settings.
pub(crate) async fn engine_with(change: impl FnOnce(&mut FakeEngineConfig)) -> FakeEngine {
    let mut config = FakeEngineConfig::default();
    change(&mut config);
    bounded(FakeEngine::start(config)).await.unwrap()
}

/// A connector without credentials.
pub(crate) fn connector(url: &str) -> WsConnect {
    WsConnect::builder(Endpoint::parse(url).unwrap()).build().unwrap()
}

/// A session that must come about.
pub(crate) async fn session(url: &str) -> Session {
    bounded(Session::connect(&connector(url))).await.unwrap()
}

/// A session that must not come about: its error.
pub(crate) async fn refused(connector: &WsConnect) -> Error {
    bounded(Session::connect(connector)).await.expect_err("the connection should be refused")
}

/// Why connecting failed.
pub(crate) fn cause(error: &Error) -> &ConnectError {
    std::error::Error::source(error).unwrap().downcast_ref().unwrap()
}

/// Opens the app that the engine has.
pub(crate) async fn sales(session: &Session) -> Doc {
    bounded(session.global().open_doc("Sales.qvf")).await.unwrap()
}

/// Lets the engine evaluate an expression, or pull a trigger.
pub(crate) async fn evaluate(doc: &Doc, expression: &str) -> Result<String, Error> {
    let out: Value = bounded(doc.call::<Value>("Evaluate", &[expression]).into_future()).await?;
    Ok(out["qReturn"].as_str().unwrap().to_owned())
}

/// Definition of a session object.
pub(crate) fn definition(id: &str, what: Value) -> Value {
    let mut definition = json!({"qInfo": {"qId": id, "qType": "test"}});
    definition.as_object_mut().unwrap().extend(what.as_object().unwrap().clone());
    definition
}

/// Sales by region.
pub(crate) fn cube(id: &str) -> Value {
    definition(
        id,
        json!({"qHyperCubeDef": {
            "qDimensions": [{"qDef": {"qFieldDefs": ["Region"]}}],
            "qMeasures": [{"qDef": {"qDef": "Sum(Sales)"}}],
            "qInitialDataFetch": [{"qTop": 0, "qLeft": 0, "qWidth": 2, "qHeight": 50}],
        }}),
    )
}

/// The rows on the first page of a hypercube.
pub(crate) fn rows(layout: &Value) -> Vec<Value> {
    layout["qHyperCube"]["qDataPages"][0]["qMatrix"].as_array().unwrap().clone()
}

/// A client that speaks text frames and nothing else.
pub(crate) struct Raw(pub(crate) WsSocket);

impl Raw {
    pub(crate) async fn connect(url: &str) -> Self {
        Self(bounded(connector(url).connect()).await.unwrap())
    }

    /// Connects and reads the greeting.
    pub(crate) async fn greeted(url: &str) -> Self {
        let mut raw = Self::connect(url).await;
        assert_eq!(raw.json().await["method"], "OnConnected");
        raw
    }

    pub(crate) async fn say(&mut self, text: impl Into<Bytes> + Send) {
        bounded(self.0.send_text(text)).await.unwrap();
    }

    pub(crate) async fn text(&mut self) -> Bytes {
        match bounded(self.0.receive()).await {
            Ok(Message::Text(text)) => text,
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn json(&mut self) -> Value {
        serde_json::from_slice(&self.text().await).unwrap()
    }

    /// Says a frame and reads the next one, which must have the same id.
    pub(crate) async fn ask(&mut self, frame: Value) -> Value {
        self.say(frame.to_string()).await;
        let answer = self.json().await;
        assert_eq!(answer["id"], frame["id"], "{answer}");
        answer
    }

    pub(crate) async fn bye(mut self) {
        bounded(self.0.close(qix_client::transport::CloseCode::NORMAL, "")).await;
    }
}

/// A recording proxy in the background.
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Sealed>,
    dir: TempDir,
}

impl Recorder {
    pub(crate) async fn start(engine: &FakeEngine) -> Self {
        Self::with(&engine.base_url(), |config| config).await
    }

    pub(crate) async fn with(upstream: &str, change: impl FnOnce(ProxyBuilder) -> ProxyBuilder) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.qixrec");
        let config = Proxy::builder(&path).upstream(Endpoint::parse(upstream).unwrap()).listen(ANY_PORT);
        let proxy = bounded(change(config).bind()).await.unwrap();
        let address = proxy.local_addr();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(proxy.run(async { _ = stopped.await }));
        Self { address, stop, running, dir }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}/app/{path}", self.address)
    }

    /// Stops the proxy. The folder of the recording is gone with the second value.
    pub(crate) async fn seal(self) -> (Sealed, TempDir) {
        _ = self.stop.send(());
        let sealed = bounded(self.running).await.unwrap();
        assert!(sealed.fault.is_none(), "{:?}", sealed.fault);
        (sealed, self.dir)
    }

    /// Stops the proxy and reads what it has recorded.
    pub(crate) async fn finish(self) -> Recording {
        let (sealed, dir) = self.seal().await;
        let mut reader = RecordingReader::open(&sealed.path).unwrap();
        let entries: Vec<Entry> = reader.by_ref().map(Result::unwrap).collect();
        assert!(reader.is_sealed() && reader.torn().is_none());
        Recording { path: sealed.path.clone(), sealed, entries, _dir: dir }
    }
}

/// A sealed recording.
pub(crate) struct Recording {
    pub(crate) path: PathBuf,
    pub(crate) sealed: Sealed,
    pub(crate) entries: Vec<Entry>,
    _dir: TempDir,
}

impl Recording {
    /// Returns what one side of a connection said.
    pub(crate) fn said(&self, conn: u64, side: Side) -> Vec<FrameText> {
        let frame = |entry: &Entry| match &entry.kind {
            EntryKind::Frame { from, text } if entry.conn == Some(conn) && *from == side => {
                Some(text.clone())
            }
            _ => None,
        };
        self.entries.iter().filter_map(frame).collect()
    }

    /// Returns how a connection ended.
    pub(crate) fn closing(&self, conn: u64) -> Closing {
        let closing = |entry: &Entry| match &entry.kind {
            EntryKind::Close(closing) if entry.conn == Some(conn) => Some(closing.clone()),
            _ => None,
        };
        self.entries.iter().find_map(closing).expect("the connection has ended")
    }

    /// Checks that the text frames of both directions are those that the engine read and wrote, byte for byte and in order.
    pub(crate) fn assert_same_as(&self, log: &[LogEntry]) {
        let connections: std::collections::BTreeSet<u64> = log.iter().map(|entry| entry.connection).collect();
        assert_eq!(connections.len() as u64, self.sealed.connections, "every connection has said something");
        for conn in connections {
            for (direction, side) in [(Direction::Received, Side::Client), (Direction::Sent, Side::Engine)] {
                let wire: Vec<&str> = log
                    .iter()
                    .filter(|entry| entry.connection == conn && entry.direction == direction)
                    .map(|entry| entry.text.as_str())
                    .collect();
                let recorded = self.said(conn, side);
                let recorded: Vec<&str> = recorded
                    .iter()
                    .filter_map(|text| match text {
                        FrameText::Text(text) => Some(std::str::from_utf8(text).unwrap()),
                        _ => None,
                    })
                    .collect();
                assert_eq!(recorded, wire, "connection {conn}, {side}");
            }
        }
    }

    pub(crate) async fn replay(&self) -> Replay {
        Replay::open(&self.path).await.0
    }
}

/// A replay in the background.
pub(crate) struct Replay {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    running: JoinHandle<ReplaySummary>,
    misses: Arc<Mutex<Vec<String>>>,
}

impl Replay {
    pub(crate) async fn open(path: &Path) -> (Self, LoadReport) {
        let (tapes, report) = Tapes::open(path).unwrap();
        (Self::start(tapes).await, report)
    }

    pub(crate) async fn start(tapes: Tapes) -> Self {
        let server = bounded(ReplayServer::bind(tapes, ANY_PORT)).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let misses = Arc::new(Mutex::new(Vec::new()));
        let heard = misses.clone();
        let running = tokio::spawn(server.run(async { _ = stopped.await }, move |miss| {
            heard.lock().unwrap().push(miss.to_string());
        }));
        Self { address, stop, running, misses }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}/app/{path}", self.address)
    }

    /// Stops the server; returns what it has done, and the requests that were not in the recording.
    pub(crate) async fn finish(self) -> (ReplaySummary, Vec<String>) {
        _ = self.stop.send(());
        let summary = bounded(self.running).await.unwrap();
        let misses = std::mem::take(&mut *self.misses.lock().unwrap());
        assert_eq!(summary.missed, misses.len() as u64);
        (summary, misses)
    }

    /// Stops the server, which must have known all that it was asked.
    pub(crate) async fn finish_without_miss(self) -> ReplaySummary {
        let (summary, misses) = self.finish().await;
        assert!(misses.is_empty(), "{misses:#?}");
        summary
    }
}

/// Sends bytes to a port and reads all that comes back.
pub(crate) async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = bounded(TcpStream::connect(address)).await.unwrap();
    // Whoever hangs up at the first wrong byte does not take the rest.
    _ = bounded(stream.write_all(bytes)).await;
    _ = bounded(stream.shutdown()).await;
    let mut answer = Vec::new();
    _ = bounded(stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Makes a WebSocket of a bare connection, without reading a frame.
pub(crate) async fn upgraded(address: SocketAddr, path: &str) -> TcpStream {
    let mut stream = bounded(TcpStream::connect(address)).await.unwrap();
    let mut request = Vec::new();
    write!(
        request,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    bounded(stream.write_all(&request)).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(bounded(stream.read_u8()).await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}
