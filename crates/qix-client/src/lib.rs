//! An asynchronous, typed client for the Qlik engine.
//!
//! A [`Session`] is a cheap clone in front of one task that owns the socket. Objects of the engine ([`Global`], [`Doc`],
//! [`GenericObject`]) are cheap clones too; they know their handle and hear of its changes. Calls run concurrently, in one
//! burst per wake-up, and dropping a call cancels it in the engine.
//!
//! A session outlives its socket if its [`ResumePolicy`] says so. Every method of every engine can be called by name with
//! [`Session::call`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `arrow` | hypercubes as record batches of Apache Arrow |
//!
//! # Examples
//!
//! ```no_run
//! use qix_client::{Session, transport::{Endpoint, WsConnect}};
//! use serde_json::{Value, json};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoint = Endpoint::parse("ws://localhost:9076/app/engineData")?;
//! let session = Session::connect(&WsConnect::builder(endpoint).build()?).await?;
//! let doc = session.global().open_doc("Sales.qvf").await?;
//! let listbox = doc.get_object("LB01").await?;
//!
//! let mut changes = listbox.changes();
//! while changes.next().await.is_some() {
//!     let layout: Value = listbox.get_layout().await?;
//!     println!("{}", layout["qListObject"]["qSize"]);
//! }
//! # Ok(())
//! # }
//! ```

mod api;
pub mod app;
mod builder;
mod call;
mod changes;
mod command;
mod config;
pub mod data;
mod driver;
mod error;
mod fatal;
pub mod layer;
mod layouts;
pub mod lists;
mod notifications;
mod object;
mod objects;
mod open_app;
mod params;
mod reload;
mod request;
mod resume;
mod returns;
mod route;
pub mod selections;
mod session;
mod state;
mod stopwatch;
mod tap;
pub mod testing;
mod wire;

#[cfg(test)]
mod tests;

pub use api::{
    Doc, Field, GenericBookmark, GenericDimension, GenericMeasure, GenericObject, GenericVariable, Global,
    Variable,
};
pub use builder::SessionBuilder;
pub use call::{Call, CallFuture};
pub use changes::Changes;
pub use config::SessionConfig;
pub use error::{Error, ErrorKind};
pub use fatal::FatalNotice;
pub use layouts::Layouts;
pub use notifications::Notifications;
pub use object::Object;
pub use open_app::{OpenApp, OpenAppError};
pub use qix_protocol as protocol;
pub use qix_transport as transport;
pub use reload::{
    CancelReload, Reload, ReloadFailure, ReloadMessage, ReloadMode, ReloadProgress, Reloaded, Reloading,
    ScriptError,
};
pub use request::Request;
pub use resume::{Fate, ResumePolicy, ResumeReport, Selections};
pub use returns::{As, Dynamic, Opened, Returns, Untouched};
pub use session::Session;
pub use state::{State, States, SuspendedBy};
pub use tap::{Direction, Tap, Traffic};
pub use wire::Sent;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
