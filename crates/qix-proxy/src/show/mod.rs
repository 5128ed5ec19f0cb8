//! A recording as lines: one for each call, with what else happened between them, and the state of the world at a moment.
//!
//! A [`Show`] takes the entries of a recording and writes lines, as text or as JSON. A [`World`] is what was open, known and selected at
//! a time.

mod json;
mod lines;
mod pretty;
#[cfg(test)]
mod tests;
mod told;
mod world;
mod world_text;

pub(crate) use lines::Look;
pub(crate) use pretty::{escaped, write as write_pretty};
pub(crate) use told::{Format, Show, facts, facts_of_exchange, since};
pub(crate) use world::{What, World};
