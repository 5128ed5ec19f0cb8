//! Engines and sessions for one test.

use std::time::Duration;

use qix_client::{
    Doc, GenericObject, Session, SessionConfig,
    testing::ScriptedEngine,
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
pub(crate) async fn session(url: &str) -> Session {
    let connector = WsConnect::builder(Endpoint::parse(url).unwrap()).build().unwrap();
    bounded(Session::connect(&connector)).await.unwrap()
}

/// Opens the app that the engine has.
pub(crate) async fn sales(session: &Session) -> Doc {
    bounded(session.global().open_doc("Sales.qvf")).await.unwrap()
}

/// Connects, and opens the app that the engine has.
pub(crate) async fn app(engine: &FakeEngine) -> Doc {
    sales(&session(&engine.url("/app/engineData")).await).await
}

/// A session with a scripted engine.
pub(crate) async fn scripted(engine: &ScriptedEngine, config: SessionConfig) -> Session {
    bounded(Session::connect_with(engine, config)).await.unwrap()
}

/// The app, handle 1, of a scripted engine.
pub(crate) async fn doc(engine: &ScriptedEngine, session: &Session) -> Doc {
    engine.expect("OpenDoc").open(1, "Doc");
    bounded(session.global().open_doc("Sales")).await.unwrap()
}

/// An object, handle 2, in the app, handle 1, of a scripted engine.
pub(crate) async fn object(engine: &ScriptedEngine, session: &Session) -> GenericObject {
    let doc = doc(engine, session).await;
    engine.expect("GetObject").on(1).open(2, "GenericObject");
    bounded(doc.get_object("x")).await.unwrap()
}
