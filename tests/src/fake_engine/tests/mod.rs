//! Scenarios over a real socket on loopback.

mod calls;
mod client;
mod connections;
mod data;
mod faults;
mod garbage;
mod sharing;
