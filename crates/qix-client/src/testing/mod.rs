//! A scripted engine, for tests of programs that use this crate.
//!
//! [`ScriptedEngine`] lives in the test's process: it is told which calls to expect and how to answer them, and says what an engine
//! says unasked. It needs no port and no time, and works under tokio's paused clock.
//!
//! # Examples
//!
//! A function of a program, and its test:
//!
//! ```
//! use qix_client::{Error, Session, protocol::Handle, testing::ScriptedEngine};
//! use serde_json::json;
//!
//! /// How many objects an app's sheet has.
//! async fn objects_of(session: &Session, app: &str, sheet: &str) -> Result<usize, Error> {
//!     let doc = session.global().open_doc(app).await?;
//!     let sheet = doc.get_object(sheet).await?;
//!     Ok(sheet.get_child_infos().await?.len())
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! // #[tokio::test]
//! // async fn counts_the_objects_of_a_sheet() {
//! let engine = ScriptedEngine::new();
//! engine.expect("OpenDoc").with(json!(["Sales"])).open(1, "Doc");
//! engine.expect("GetObject").on(1).with(json!(["S1"])).open(2, "GenericObject");
//! engine.expect("GetChildInfos").on(2).answer(json!({"qInfos": [{"qId": "a"}, {"qId": "b"}]}));
//!
//! let session = Session::connect(&engine).await?;
//! assert_eq!(objects_of(&session, "Sales", "S1").await?, 2);
//! engine.finish();
//! # Ok(())
//! # }
//! ```

mod difference;
mod engine;
mod expectation;
mod line;
mod script;

pub use engine::ScriptedEngine;
pub use expectation::Expected;
pub use script::Called;
