//! The real binary: `replay`, `demo`, and `record` when it is killed.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod authority;
mod demo;
mod doctor;
#[cfg(unix)]
mod exchanges;
mod faults;
#[cfg(unix)]
mod killed;
#[cfg(unix)]
mod log;
mod logs;
#[cfg(unix)]
mod metrics;
mod redrive;
mod repair;
mod replay;
mod scrub;
#[cfg(unix)]
mod service;
mod show;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
mod usage;
#[cfg(unix)]
mod watch;
