//! Engines and sessions for one test, on free ports of this machine.

use std::time::Duration;

use qix_client::{
    Doc, Session,
    transport::{Endpoint, WsConnect},
};
use qix_tests::{FakeEngine, FakeEngineConfig};

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

/// A session that must come about.
pub(crate) async fn session(engine: &FakeEngine) -> Session {
    let endpoint = Endpoint::parse(&engine.url("/app/engineData")).unwrap();
    bounded(Session::connect(&WsConnect::builder(endpoint).build().unwrap())).await.unwrap()
}

/// Opens the app that the engine has.
pub(crate) async fn sales(engine: &FakeEngine) -> Doc {
    let session = session(engine).await;
    bounded(session.global().open_doc("Sales.qvf")).await.unwrap()
}
