//! A JSON value as a tree whose leaves stay text, for values that are patched, shared and decoded.
//!
//! Digits, escapes and the order of members survive, which `serde_json::Value` does not promise. Subtrees are shared between
//! clones and copied when one of them is changed, so that a snapshot costs nothing. No tree nests deeper than
//! [`MAX_DEPTH`](crate::MAX_DEPTH); whatever walks one may recurse.

mod build;
mod de;
mod node;
mod parse;
mod ser;
#[cfg(test)]
mod tests;
mod text;
mod write;

pub(crate) use de::RAW_VALUE;
pub use node::Tree;
pub(crate) use node::{Measure, Members, Node};
pub(crate) use parse::Parser;
pub(crate) use text::{escaped, unescaped};
