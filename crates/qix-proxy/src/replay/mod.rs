//! Answers from a recording.
//!
//! ```text
//! RecordingReader ─▶ Tapes (what was said, by key) ─▶ ReplayMatcher (which recorded call is it; keeps nothing)
//!                                                          │  Progress (what a live session has taken)
//! LiveSessions (who belongs to whom) ─▶ LiveSession ─▶ Player (one live socket: ids, handles, dialect)
//!                                                          │  Said {after, what}
//!                                            Conversation (when is what said) ─▶ ReplayServer, ReplayConnect
//! ```
//!
//! A request is matched by *key*: the lineage of its handle, its method and its parameters. Ids and handles are those of the
//! live connection.

mod answer;
mod cache;
mod connect;
mod conversation;
mod frames;
mod greeting;
mod grouping;
mod history;
mod index;
mod journal;
mod key;
mod known;
mod line;
mod lines;
mod listener;
mod load;
mod loader;
mod masks;
mod matcher;
mod miss;
mod nearest;
mod pages;
mod patches;
mod path;
mod player;
mod record_or_replay;
mod recorded;
mod report;
mod server;
mod session;
mod sessions;
mod settings;
mod stage;
mod state;
mod tape;
mod template;
mod testing;
mod text;
mod texts;
mod upstream;
mod volatile;
mod wire;

#[cfg(test)]
mod live_tests;
#[cfg(test)]
mod tests;

pub use connect::{ReplayConnect, ReplaySocket};
pub use greeting::Greeting;
pub(crate) use grouping::Sessions;
pub(crate) use journal::Reach;
pub use key::Key;
pub(crate) use key::{RecentRequests, shortened};
pub use load::{LoadError, LoadReport, LoadSettings};
pub use matcher::{Progress, ReplayMatcher};
pub use miss::{Difference, Miss};
pub use pages::{PageFault, PageMiss};
pub(crate) use path::SessionPath;
pub use player::{Outgoing, Player, Said};
pub use record_or_replay::{RecordOrReplay, RecordOrReplayError, RecordOrReplaySocket};
pub use report::{Report, UnusedCalls};
pub use server::ReplayServer;
pub use session::LiveSession;
pub use settings::{OnMiss, Repeat, ReplaySettings};
pub use stage::{ReplayHandle, ReplaySummary};
pub use tape::Tapes;
pub use testing::ReplayTest;
pub use text::Text;
pub use upstream::{Ask, Upstream};
pub use volatile::{Ignore, IgnoreError};
pub(crate) use volatile::{Pairs, general, is_uuid};
