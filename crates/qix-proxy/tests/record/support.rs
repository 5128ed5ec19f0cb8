//! Peers that speak raw bytes, a proxy between them, and a look into the recording.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use qix_proxy::{
    ListenOn, Proxy, ProxyBuilder,
    record::{Closing, EntryKind, FrameText, RecordingReader, Sealed, Side},
};
use qix_transport::Endpoint;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The key that all raw clients send.
pub(crate) const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// Waits for `future`, but not for ever.
pub(crate) async fn bounded<F: IntoFuture>(future: F) -> F::Output {
    timeout(Duration::from_secs(60), future).await.expect("this should not take so long")
}

/// A running proxy with its recording.
pub(crate) struct Rig {
    pub(crate) address: SocketAddr,
    pub(crate) places: Vec<ListenOn>,
    pub(crate) fingerprint: Option<String>,
    pub(crate) path: PathBuf,
    stop: oneshot::Sender<()>,
    cut: oneshot::Sender<()>,
    running: JoinHandle<Sealed>,
    _dir: TempDir,
}

impl Rig {
    pub(crate) async fn new(upstream: SocketAddr) -> Self {
        Self::with(&format!("ws://{upstream}"), |config| config).await
    }

    pub(crate) async fn with(upstream: &str, change: impl FnOnce(ProxyBuilder) -> ProxyBuilder) -> Self {
        let upstream = Endpoint::parse(upstream).unwrap();
        Self::built(|config| change(config.upstream(upstream).listen(([127, 0, 0, 1], 0)))).await
    }

    /// Starts a proxy that has everything but its file from `change`.
    pub(crate) async fn built(change: impl FnOnce(ProxyBuilder) -> ProxyBuilder) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.qixrec");
        let proxy = change(Proxy::builder(&path)).bind().await.unwrap();
        let (address, places) = (proxy.local_addr(), proxy.local_addrs().to_vec());
        let fingerprint = proxy.fingerprint().map(str::to_owned);
        let (stop, stopped) = oneshot::channel::<()>();
        let (cut, cutting) = oneshot::channel::<()>();
        let shutdown = async { _ = stopped.await };
        let now = async { _ = cutting.await };
        let running = tokio::spawn(proxy.run_until(shutdown, now));
        Self { address, places, fingerprint, path, stop, cut, running, _dir: dir }
    }

    /// Asks the proxy to stop, and waits until it has.
    pub(crate) async fn finish(self) -> Recording {
        self.stop.send(()).unwrap();
        let sealed = bounded(self.running).await.unwrap();
        Recording::read(&sealed.path.clone(), sealed)
    }

    /// Stops the proxy without patience.
    pub(crate) async fn cut(self) -> Recording {
        self.cut.send(()).unwrap();
        self.stop.send(()).unwrap();
        let sealed = bounded(self.running).await.unwrap();
        Recording::read(&sealed.path.clone(), sealed)
    }
}

/// A finished recording.
pub(crate) struct Recording {
    pub(crate) sealed: Sealed,
    pub(crate) text: String,
    pub(crate) lines: Vec<Value>,
    entries: Vec<(Option<u64>, EntryKind)>,
}

impl Recording {
    fn read(path: &Path, sealed: Sealed) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        // What is JSON can still be too much for this parser, such as 1e400. The reader below checks every line.
        let parse = |line| serde_json::from_str(line).unwrap_or(Value::Null);
        let lines: Vec<Value> = text.lines().map(parse).collect();
        for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.is_object()).skip(1) {
            assert_eq!(line["seq"], at, "numbers have no gap");
        }
        let mut reader = RecordingReader::open(path).unwrap();
        let entries =
            reader.by_ref().map(|entry| entry.map(|entry| (entry.conn, entry.kind)).unwrap()).collect();
        assert!(reader.is_sealed() && reader.torn().is_none());
        assert_eq!(sealed.bytes, text.len() as u64);
        Self { sealed, text, lines, entries }
    }

    /// Returns the messages of connection `conn`.
    pub(crate) fn frames(&self, conn: u64) -> Vec<(Side, FrameText)> {
        let frame = |(found, kind): &(Option<u64>, EntryKind)| match kind {
            EntryKind::Frame { from, text } if *found == Some(conn) => Some((*from, text.clone())),
            _ => None,
        };
        self.entries.iter().filter_map(frame).collect()
    }

    /// Returns how connection `conn` ended.
    pub(crate) fn closing(&self, conn: u64) -> Closing {
        let closing = |(found, kind): &(Option<u64>, EntryKind)| match kind {
            EntryKind::Close(closing) if *found == Some(conn) => Some(closing.clone()),
            _ => None,
        };
        self.entries.iter().find_map(closing).expect("the connection has ended")
    }

    /// Returns the lines of a kind.
    pub(crate) fn kind(&self, kind: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["kind"] == kind).collect()
    }
}

/// One end of a connection, read and written as bytes.
pub(crate) struct Raw(pub(crate) TcpStream);

impl Raw {
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        bounded(self.0.write_all(bytes)).await.unwrap();
    }

    pub(crate) async fn expect(&mut self, bytes: &[u8]) {
        let mut found = vec![0; bytes.len()];
        bounded(self.0.read_exact(&mut found)).await.unwrap();
        assert!(found == bytes, "other bytes than expected came, of {}", bytes.len());
    }

    /// Reads to the end, be it orderly or not.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        _ = bounded(self.0.read_to_end(&mut rest)).await;
        rest
    }

    /// Reads the head of a request or an answer.
    pub(crate) async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(bounded(self.0.read_u8()).await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Connects to `address` and asks for an upgrade.
    pub(crate) async fn ask(address: SocketAddr, path: &str, headers: &str) -> Self {
        let mut client = Self(TcpStream::connect(address).await.unwrap());
        client.write(request(path, headers).as_bytes()).await;
        client
    }

    /// Reads an upgrade request and accepts it, with `more` headers and bytes that follow at once.
    pub(crate) async fn accept(&mut self, more: &str, first: &[u8]) -> String {
        let request = self.head().await;
        let answer = format!("{}{more}\r\n", switching(&request));
        self.write(&[answer.as_bytes(), first].concat()).await;
        request
    }
}

pub(crate) fn request(path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:9077\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
    )
}

/// Returns the answer that accepts an upgrade, without its last line.
pub(crate) fn switching(request: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n",
        derive_accept_key(header(request, "sec-websocket-key").unwrap().as_bytes())
    )
}

/// Returns the value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}

pub(crate) async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) async fn next(listener: &TcpListener) -> Raw {
    Raw(bounded(listener.accept()).await.unwrap().0)
}

/// Returns both ends of a WebSocket through the proxy, client first.
pub(crate) async fn open(rig: &Rig, engines: &TcpListener) -> (Raw, Raw) {
    let client = async {
        let mut client = Raw::ask(rig.address, "/app/x", "").await;
        assert!(client.head().await.starts_with("HTTP/1.1 101 "));
        client
    };
    let engine = async {
        let mut engine = next(engines).await;
        engine.accept("", b"").await;
        engine
    };
    tokio::join!(client, engine)
}

/// Writes a frame, masked as clients do or not.
pub(crate) fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    const MASK: [u8; 4] = [7, 0, 200, 33];
    let bit = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match payload.len() {
        length @ 0..126 => out.push(bit | length as u8),
        length @ 126..65536 => {
            out.push(bit | 126);
            out.extend((length as u16).to_be_bytes());
        }
        length => {
            out.push(bit | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend(MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        out.extend(payload);
    }
    out
}
