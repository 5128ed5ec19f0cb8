//! The recording proxy, over loopback and as a process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod files;
mod frames;
mod process;
mod secrets;
mod shutdown;
mod support;
mod tls;
mod upgrade;
