//! The plain HTTP of a recording, and its upgrades that were refused, said again on the port of the replay.
//!
//! `index.rs` finds the recorded exchange, and is pure; `target.rs` and `sent.rs` say when two requests are the same. `store.rs` has the
//! bodies, `answer.rs` makes a recorded answer one of this port, and `front.rs` says who may read it.

mod answer;
mod front;
mod index;
mod miss;
mod sent;
mod store;
mod target;

#[cfg(test)]
mod tests;

pub(super) use front::PageFront;
pub(super) use index::Pages;
pub use miss::{PageFault, PageMiss};
