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

mod answer;
mod cache;
mod history;
mod index;
mod key;
mod line;
mod lines;
mod listener;
mod load;
mod loader;
mod masks;
mod matcher;
mod miss;
mod nearest;
mod patches;
mod player;
mod server;
mod session;
mod sessions;
mod settings;
mod state;
mod tape;
mod template;
mod texts;
mod volatile;

#[cfg(test)]
mod tests;

pub use key::Key;
pub use load::{LoadError, LoadReport, LoadSettings};
pub use matcher::{Progress, ReplayMatcher};
pub use miss::{Difference, Miss};
pub use player::{Outgoing, Player};
pub use server::{ReplayServer, ReplaySummary};
pub use session::LiveSession;
pub use settings::{Repeat, ReplaySettings};
pub use tape::{Tapes, Unused};
pub use volatile::{Ignore, IgnoreError};
