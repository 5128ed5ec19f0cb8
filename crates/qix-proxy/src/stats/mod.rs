//! A recording in numbers: by method and by object, the slowest calls, sockets, and what changes lead to.
//!
//! Percentiles are exact: each call keeps its latency, in four bytes for its method and four for its object.

mod collect;
mod json;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use collect::Stats;
pub(crate) use json::{write_csv, write_json};
pub(crate) use table::Sort;
pub(crate) use text::write_text;
