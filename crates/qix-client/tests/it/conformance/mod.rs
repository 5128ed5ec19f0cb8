//! The scenarios of the protocol that concern a client, one test a rule. `docs/comparison.md` says which scenario is shown where.

mod cancelling;
mod closing;
mod deltas;
mod frames;
mod numbers;
mod reloads;
