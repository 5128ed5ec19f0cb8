//! Records and replays the conversation between a Qlik client and its engine.
//!
//! - [`record`] writes and reads recordings; their format is described in `docs/recording-format.md`.
//! - [`replay`] answers from a recording.
//!
//! The binary `qix-proxy` is a thin command line on top.

mod cli;
pub mod record;
pub mod replay;
mod shutdown;

pub use cli::run;
