//! Runs the binary.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use qix_client::{
    Session,
    transport::{Endpoint, WsConnect},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStdout, Command},
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

/// Waits for `future`, but not for ever.
pub(crate) async fn bounded<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("this should not take so long")
}

/// The bundled recording of the demo.
pub(crate) fn bundled() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "assets", "demo.qixrec"].iter().collect()
}

pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qix-proxy"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.env_remove("QIX_PROXY_LOG").env("NO_COLOR", "1").kill_on_drop(true);
    command.env_remove("LC_ALL").env_remove("LC_CTYPE").env("LANG", "C.UTF-8");
    command
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a command line that ends by itself.
pub(crate) async fn run(args: &[&str]) -> Ended {
    bounded(command(args).output()).await.unwrap().into()
}

/// Runs a command line whose stdout nobody reads.
pub(crate) async fn unread(args: &[&str]) -> Ended {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    // `output` would make a pipe of its own.
    let child = command(args).stdout(writer).spawn().unwrap();
    bounded(child.wait_with_output()).await.unwrap().into()
}

/// A running process that listens.
pub(crate) struct Server {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// What it said first.
    pub(crate) line: String,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Server {
    /// Stops reading what the process writes, and asks it to stop.
    #[cfg(unix)]
    pub(crate) async fn terminate_unheard(self) -> Ended {
        drop(self.lines);
        let pid = self.child.id().unwrap().to_string();
        let status = bounded(Command::new("kill").args(["-s", "TERM", &pid]).status()).await.unwrap();
        assert!(status.success());
        bounded(self.child.wait_with_output()).await.unwrap().into()
    }

    /// Replays `file`.
    pub(crate) async fn replay(file: &Path) -> Self {
        Self::start(&["replay", "--listen", "127.0.0.1:0", file.to_str().unwrap()]).await
    }

    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::spawn(command(args)).await
    }

    pub(crate) async fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = bounded(lines.next_line()).await.unwrap().expect("it says where it listens");
        let address = line.split("ws://").nth(1).or_else(|| line.split("http://").nth(1)).unwrap();
        let address = address.split([' ', ',', ';']).next().unwrap().parse().unwrap();
        Self { child, address, line, lines }
    }

    /// Returns the next line that the process writes.
    pub(crate) async fn next_line(&mut self) -> String {
        bounded(self.lines.next_line()).await.unwrap().expect("it says more")
    }

    /// Sends the process a signal.
    #[cfg(unix)]
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(bounded(Command::new("kill").args(["-s", name, &pid]).status()).await.unwrap().success());
    }

    pub(crate) async fn session(&self) -> Session {
        let endpoint = Endpoint::parse(&format!("ws://{}/app/Sales.qvf", self.address)).unwrap();
        bounded(Session::connect(&WsConnect::builder(endpoint).build().unwrap())).await.unwrap()
    }

    /// Asks the process to stop, and waits until it has. `stdout` is what came after the first line.
    #[cfg(unix)]
    pub(crate) async fn terminate(mut self) -> Ended {
        let pid = self.child.id().unwrap().to_string();
        let status = bounded(Command::new("kill").args(["-s", "TERM", &pid]).status()).await.unwrap();
        assert!(status.success());
        let mut stdout = String::new();
        while let Some(line) = bounded(self.lines.next_line()).await.unwrap() {
            stdout += &line;
            stdout += "\n";
        }
        let output = bounded(self.child.wait_with_output()).await.unwrap();
        Ended { stdout, ..Ended::from(output) }
    }
}

/// A client that writes its messages itself, so that ids and order are those of the test.
pub(crate) struct RawClient(WebSocketStream<TcpStream>);

impl RawClient {
    /// Connects, and waits for the greeting.
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = bounded(TcpStream::connect(address)).await.unwrap();
        let url = format!("ws://{address}/app/Sales.qvf");
        let mut client = Self(bounded(client_async(url, stream)).await.unwrap().0);
        client.next().await;
        client
    }

    /// Sends a request.
    pub(crate) async fn ask(&mut self, id: u64, handle: i64, method: &str, params: Value) {
        let request =
            json!({"jsonrpc": "2.0", "id": id, "handle": handle, "method": method, "params": params});
        bounded(self.0.send(Message::text(request.to_string()))).await.unwrap();
    }

    /// Returns the next message.
    pub(crate) async fn next(&mut self) -> Value {
        let message = bounded(self.0.next()).await.expect("the connection is open").unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    /// Sends a request and waits for its answer.
    pub(crate) async fn call(&mut self, id: u64, handle: i64, method: &str, params: Value) -> Value {
        self.ask(id, handle, method, params).await;
        loop {
            let message = self.next().await;
            if message["id"] == id {
                return message;
            }
        }
    }

    /// Waits for the close frame of the other side: its code and reason.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        loop {
            match bounded(self.0.next()).await.expect("a close frame comes first").unwrap() {
                Message::Close(Some(frame)) => return (frame.code.into(), frame.reason.to_string()),
                Message::Close(None) => panic!("the close frame has no code"),
                _ => {}
            }
        }
    }

    /// Closes in order.
    pub(crate) async fn close(mut self) {
        bounded(self.0.close(None)).await.unwrap();
        while let Some(Ok(_)) = bounded(self.0.next()).await {}
    }
}
