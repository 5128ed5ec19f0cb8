//! Makes the calls of a recording again at a live engine, and compares what it answers with what was recorded.
//!
//! ```text
//! RecordingParts ─▶ Calls ─▶ Survey (which connections are one session, what will not be sent)
//!                        └─▶ Drive (one step after the other) ─▶ Lane (one live socket: ids, handles, answers)
//!                                │                                     │ a live answer beside the recorded one
//!                                └── refusal: what is not sent, why    └─▶ compare (pure) ─▶ RedriveReport
//! ```
//!
//! A request is sent when all answers have come that had come before it in the recording. It has the live handle of the object that
//! the recorded one had, and the live ids of what the engine made.

mod answering;
mod differences;
mod drive;
mod handles;
mod lane;
mod latency;
mod params;
mod path;
mod pump;
mod refusal;
mod report;
mod report_json;
mod runner;
mod session;
mod settings;
mod survey;
mod text;

#[cfg(test)]
mod tests;

pub use differences::{Call, Difference, DifferenceKind, DifferentAnswer};
pub(crate) use handles::Handles;
pub use latency::{Latencies, MethodLatency};
pub(crate) use refusal::Why;
pub use report::{Counts, RedriveReport, Verdict};
pub use runner::{Redrive, RedriveError};
pub use settings::{Concurrency, Only, OnlyError, RedriveSettings};
