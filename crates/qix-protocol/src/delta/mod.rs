//! QIX's own patch dialect, with which an engine answers `delta` requests.
//!
//! It is not RFC 6902: `/` is the whole document, `replace` creates, parents come into being, nothing is unescaped. The rules
//! are those that enigma.js, phoenix and RxQ share.

mod apply;
mod baselines;
mod patch;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod tests;

pub use baselines::Baselines;
