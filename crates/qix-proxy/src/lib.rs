//! Records and replays the conversation between a Qlik client and its engine.
//!
//! - [`record`] writes and reads recordings; their format is described in `docs/recording-format.md`.
//! - [`replay`] answers from a recording.
//! - [`import`] and [`export`] make recordings of what other tools have written, and the other way round.
//! - [`calls`] makes calls of the messages in a recording.
//! - [`model`] tells of a recording in the words of the app: calls, objects, selections, reloads.
//! - [`diff`] compares two recordings of the same app.
//! - [`redrive`] makes the recorded calls again at a live engine and compares its answers.
//! - [`faults`] breaks on purpose what either of them says.
//! - [`scrub`] takes secrets and data out of recordings.
//! - [`demo`] does both, on an embedded recording.
//! - [`doctor`] finds out why an engine cannot be reached.
//!
//! The binary `qix-proxy` is a thin command line on top. There are no cargo features: all of it is there.
//!
//! # Examples
//!
//! A program is recorded once, and answered from the recording ever after:
//!
//! ```no_run
//! use qix_client::Session;
//! use qix_proxy::{
//!     record::{RecordConnect, Recorder, RecorderConfig},
//!     replay::ReplayConnect,
//! };
//! use qix_transport::{Endpoint, WsConnect};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recorder = Recorder::create("session.qixrec", RecorderConfig::default())?;
//! let engine = WsConnect::builder(Endpoint::parse("ws://localhost:4848/app/engineData")?).build()?;
//! let session = Session::connect(&RecordConnect::new(engine, recorder.clone())).await?;
//! let version = session.global().engine_version().await?;
//! session.close().await;
//! recorder.seal().await;
//!
//! let session = Session::connect(&ReplayConnect::from_file("session.qixrec")?).await?;
//! assert_eq!(session.global().engine_version().await?, version);
//! # Ok(())
//! # }
//! ```

mod ask;
mod authority;
mod body;
pub mod calls;
mod chain;
mod cli;
mod compare;
mod config;
mod count;
pub mod demo;
pub mod diff;
pub mod doctor;
mod entrance;
pub mod export;
pub mod faults;
mod filter;
mod forward;
mod front;
mod go_json;
mod hangup;
pub mod import;
mod inspect;
pub mod lint;
mod listen;
mod listener;
mod live;
mod metrics;
pub mod model;
mod origin;
mod private;
mod rebinding;
pub mod record;
pub mod redrive;
mod relay;
pub mod replay;
pub mod report;
mod rewrite;
mod routes;
pub mod scrub;
mod show;
mod shutdown;
mod stats;
mod systemd;
mod upstream;
mod view;

pub use authority::{Authority, AuthorityError, AuthoritySettings, Leaf};
pub use cli::run;
pub use config::{ConfigError, ProxyBuilder};
pub use forward::{Forwarding, InterceptError};
pub use listen::{FrontTls, FrontTlsError, ListenError, ListenOn, ListenOnError};
pub use listener::{Proxy, ProxyError};

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// So do those about tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/testing.md")]
struct Testing;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
