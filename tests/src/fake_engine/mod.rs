//! A stateful QIX engine for tests.
//!
//! It is written from the protocol alone and shares no code with the rest of the workspace, so that a misreading there
//! cannot hide behind the same misreading here. It keeps sessions by URL and user, opens apps, evaluates list objects
//! and hypercubes over a small table, follows selections through it, tells changes, speaks delta, and breaks on demand.
//! Nothing in it depends on chance or on the wall clock: the same frames lead to the same frames.
//!
//! With a [`Front`] it serves plain HTTP on the same port: pages, a login, bodies of any size.
//!
//! What a client can trigger over the wire is listed in `methods/trigger.rs` and in the README of this package.

mod app;
mod builtin;
mod config;
mod delta;
mod doc;
mod engine;
mod errors;
mod eval;
mod expression;
mod front;
mod handles;
mod http;
mod hypercube;
mod layout;
mod listobject;
mod lists;
mod log;
mod methods;
mod names;
mod otherwise;
mod params;
mod patch;
mod peer;
mod pivot;
mod reload;
mod selection;
mod session;
mod sessions;
mod socket;
mod store;
mod table;
#[cfg(test)]
mod tests;

pub use config::{AnswerOrder, FakeEngineConfig, Greeting, NoDoc, Observer, Otherwise, Refusal, Reopen};
pub use delta::patches;
pub use engine::FakeEngine;
pub use front::{Front, Login};
pub use log::{Direction, Exchange, LogEntry, Request, Upgrade};
pub use peer::Cut;
