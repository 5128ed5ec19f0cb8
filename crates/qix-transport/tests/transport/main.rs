//! Real sockets on loopback, and WebSockets over in-memory streams.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking too")]

mod after_switch;
mod auth;
mod auth_secrets;
mod auth_sessions;
mod auth_tls;
mod close;
mod connect;
mod deadlines;
mod deployments;
mod identity;
mod messages;
mod methods;
mod own_connect;
mod progress;
mod proxies;
mod qps;
mod segments;
mod site;
mod support;
mod tls;
mod trust;
mod tunnel;
mod web;
