//! Answers from a recording.
//!
//! ```text
//! RecordingReader ─▶ Tapes (what was said, by key) ─▶ ReplayMatcher (which answer is next) ─▶ Player (one live connection)
//!                                                                                              ▲ │
//!                                                                                 ReplayServer │ ▼ texts
//! ```
//!
//! A request is matched by *key*: the lineage of its handle, its method and its parameters. Ids and handles are those of the
//! live connection.

mod journal;
mod key;
mod load;
mod masks;
mod matcher;
mod miss;
mod player;
mod report;
mod server;
mod session;
mod settings;
mod tape;
mod template;
mod upstream;

#[cfg(test)]
mod tests;

pub use key::Key;
pub use load::{LoadError, LoadReport};
pub use matcher::{Progress, ReplayMatcher};
pub use miss::{Difference, Miss};
pub use player::{Outgoing, Player};
pub use report::{Report, UnusedCalls};
pub use server::{ReplayServer, ReplaySummary};
pub use session::LiveSession;
pub use settings::{OnMiss, Repeat, ReplaySettings};
pub use tape::Tapes;
pub use upstream::{Ask, Upstream};
