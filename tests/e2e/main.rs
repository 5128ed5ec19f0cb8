//! End-to-end tests: the crates of this workspace against the fake engine, over loopback.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod auth;
mod bad_input;
mod client;
mod diff;
mod front;
mod golden;
mod random_operations;
mod record_replay;
mod redrive;
mod support;
mod turned_away;
mod upstream;
