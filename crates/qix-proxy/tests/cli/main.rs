//! The real binary: `replay`, `demo`, and `record` when it is killed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod authority;
mod demo;
mod doctor;
#[cfg(unix)]
mod killed;
mod repair;
mod replay;
mod scrub;
mod support;
mod usage;
