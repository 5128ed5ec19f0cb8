//! The recording proxy, over loopback and as a process.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod behind;
mod connect;
mod endings;
mod faults;
mod files;
mod forward;
mod frames;
mod http;
mod http_bodies;
mod http_pages;
mod http_strict;
mod listen;
mod load;
mod maps;
mod observer;
mod on_purpose;
mod process;
mod seams;
mod secrets;
mod secrets_by_kind;
mod shutdown;
mod support;
mod tls;
mod upgrade;
