//! Faults on purpose: what an engine, or the network before it, does to a client on a bad day, done by rule.
//!
//! A [`FaultRule`] says when and what, [`FaultRules`] are several of them with a seed. The same seed gives the same faults: what
//! becomes of a call depends on the seed, the rule and how many calls have matched it, and on nothing else. `docs/faults.md` has the
//! words that rules are written in.
//!
//! ```
//! use qix_proxy::faults::{FaultRule, FaultRules};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let aborted: FaultRule = "GetHyperCubeData nth=3 error=LOCERR_GENERIC_ABORTED".parse()?;
//! let slow: FaultRule = "DoReload* delay=1s..3s".parse()?;
//! let rules = FaultRules::new(vec![aborted, slow], 42)?;
//! assert!(rules.warnings().is_empty());
//! # Ok(())
//! # }
//! ```
//!
//! `file` and `text` read rules, `check` turns what was written into what is meant, `machine` decides about the messages of
//! one connection, and is pure; `relay` applies it between a client and a live engine.

mod action;
mod check;
mod counts;
mod draw;
mod error;
mod fields;
mod file;
mod known;
mod machine;
mod objects;
mod pattern;
pub(crate) mod relay;
mod reset;
mod rule;
mod rules;
mod text;

pub use counts::{FaultCount, Strike};
pub use error::FaultError;
pub use file::FaultFile;
pub(crate) use machine::{Act, Due, FaultMachine};
pub(crate) use reset::Reset;
pub use rule::FaultRule;
pub use rules::FaultRules;
pub(crate) use rules::Refused;
