//! Frames: one complete JSON-RPC text message each.

pub mod client;
#[cfg(test)]
mod dialects;
pub mod engine;
mod envelope;
mod raw;

pub use envelope::Envelope;
pub use raw::{Raw, elements, members};
