//! Scenarios over a real socket on loopback.

mod calls;
mod client;
mod connections;
mod garbage;
mod sharing;
