//! A client that knows only text frames.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::super::{FakeEngine, FakeEngineConfig};

const LIMIT: Duration = Duration::from_secs(20);

/// Waits for something that must come.
pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future).await.expect("nothing came in time")
}

pub(super) async fn engine(config: FakeEngineConfig) -> FakeEngine {
    within(FakeEngine::start(config)).await.unwrap()
}

pub(super) struct Client {
    pub(super) socket: WebSocketStream<TcpStream>,
    id: u64,
}

impl Client {
    pub(super) async fn try_connect(
        engine: &FakeEngine,
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Result<Self, Error> {
        let mut request = format!("ws://{}{path}", engine.addr()).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let tcp = within(TcpStream::connect(engine.addr())).await?;
        let (socket, _) = within(client_async(request, tcp)).await?;
        Ok(Self { socket, id: 0 })
    }

    /// Connects without reading anything.
    pub(super) async fn connect(engine: &FakeEngine, path: &str) -> Self {
        Self::try_connect(engine, path, &[]).await.unwrap()
    }

    /// Connects, reads the greeting, and opens Sales on handle 1.
    pub(super) async fn open(engine: &FakeEngine, path: &str) -> Self {
        let mut client = Self::connect(engine, path).await;
        client.read().await;
        let answer = client.call(-1, "OpenDoc", json!(["Sales.qvf"])).await;
        assert_eq!(answer["result"]["qReturn"]["qHandle"], 1);
        client
    }

    pub(super) async fn send(&mut self, text: impl Into<String>) {
        within(self.socket.send(Message::text(text.into()))).await.unwrap();
    }

    /// Sends a request and returns its id.
    pub(super) async fn request(&mut self, handle: i64, method: &str, params: Value) -> u64 {
        self.id += 1;
        let frame =
            json!({"jsonrpc": "2.0", "id": self.id, "handle": handle, "method": method, "params": params});
        self.send(frame.to_string()).await;
        self.id
    }

    /// Sends a request and reads the next frame, which must be its answer.
    pub(super) async fn call(&mut self, handle: i64, method: &str, params: Value) -> Value {
        let id = self.request(handle, method, params).await;
        let answer = self.read().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    /// As `call`, asking for deltas.
    pub(super) async fn delta(&mut self, handle: i64, method: &str, params: Value) -> Value {
        self.id += 1;
        let frame =
            json!({"id": self.id, "handle": handle, "method": method, "params": params, "delta": true});
        self.send(frame.to_string()).await;
        self.read().await
    }

    pub(super) async fn code(&mut self, handle: i64, method: &str, params: Value) -> i64 {
        let answer = self.call(handle, method, params).await;
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer}"))
    }

    pub(super) async fn read_text(&mut self) -> String {
        match within(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(super) async fn read(&mut self) -> Value {
        serde_json::from_str(&self.read_text().await).unwrap()
    }

    /// Reads to the end; the code and reason of the close frame, if there was one.
    pub(super) async fn end(&mut self) -> Option<(u16, String)> {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Reads all that has been sent so far: a call that nothing overtakes marks the end.
    pub(super) async fn settle(&mut self) -> Vec<Value> {
        let id = self.request(-1, "QTProduct", json!([])).await;
        let mut seen = Vec::new();
        loop {
            let frame = self.read().await;
            if frame["id"] == id {
                return seen;
            }
            seen.push(frame);
        }
    }
}
