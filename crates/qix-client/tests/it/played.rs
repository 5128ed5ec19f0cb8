//! Engines that a test plays itself, changes, or asks to evaluate.

use qix_client::{
    Doc, Error, Session, SessionConfig,
    transport::{
        Endpoint, Message, SocketExt, WsConnect,
        memory::{self, MemorySocket},
    },
};
use serde_json::{Value, json};

use crate::support::bounded;

/// A connector without credentials.
pub(crate) fn connector(url: &str) -> WsConnect {
    WsConnect::builder(Endpoint::parse(url).unwrap()).build().unwrap()
}

/// Lets the engine evaluate an expression, or pull a trigger.
pub(crate) async fn evaluate(doc: &Doc, expression: &str) -> Result<String, Error> {
    bounded(doc.evaluate(expression)).await
}

/// An engine that the test plays itself, over an in-memory pair.
pub(crate) struct Played(MemorySocket);

impl Played {
    pub(crate) fn start() -> (Session, Self) {
        Self::start_with(SessionConfig::default())
    }

    pub(crate) fn start_with(config: SessionConfig) -> (Session, Self) {
        let (client, engine) = memory::pair();
        (Session::over(client, config), Self(engine))
    }

    /// Reads the next request.
    pub(crate) async fn hears(&mut self) -> Value {
        match bounded(self.0.receive()).await {
            Ok(Message::Text(text)) => serde_json::from_slice(&text).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    /// Says a frame.
    pub(crate) async fn says(&mut self, frame: Value) {
        bounded(self.0.send_text(frame.to_string())).await.unwrap();
    }

    /// Answers the next request, and returns it.
    pub(crate) async fn answers(&mut self, result: Value) -> Value {
        let request = self.hears().await;
        self.says(json!({"jsonrpc": "2.0", "id": request["id"], "result": result})).await;
        request
    }

    /// Answers the next request with patches, and returns it.
    pub(crate) async fn patches(&mut self, result: Value) -> Value {
        let request = self.hears().await;
        self.says(json!({"jsonrpc": "2.0", "id": request["id"], "delta": true, "result": result})).await;
        request
    }

    /// Refuses the next request with this code, and returns it.
    pub(crate) async fn refuses(&mut self, code: i32) -> Value {
        let request = self.hears().await;
        self.says(json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": code}})).await;
        request
    }

    /// Answers the next request with a reference to an object that starts invalid.
    pub(crate) async fn opens(&mut self, handle: i32, kind: &str) -> Value {
        let request = self.hears().await;
        let reference = json!({"qType": kind, "qHandle": handle, "qGenericId": format!("id{handle}")});
        let result = json!({"qReturn": reference});
        self.says(json!({"id": request["id"], "result": result, "change": [handle]})).await;
        request
    }

    /// Opens an app on handle 1.
    pub(crate) async fn app(session: &Session, engine: &mut Self) -> Doc {
        let global = session.global();
        let (doc, _) = tokio::join!(global.open_doc("app").into_future(), engine.opens(1, "Doc"));
        doc.unwrap()
    }

    /// Proves that all that was said has been taken in.
    pub(crate) async fn settles(session: &Session, engine: &mut Self) {
        let global = session.global();
        let version = json!({"qVersion": {"qComponentVersion": "1"}});
        let (version, _) = tokio::join!(global.engine_version().into_future(), engine.answers(version));
        assert_eq!(version.unwrap().component_version, "1");
    }

    /// Ends the connection with a close frame.
    pub(crate) async fn closes(mut self, code: u16, reason: &str) {
        bounded(self.0.close(qix_client::transport::CloseCode::new(code), reason)).await;
    }
}
