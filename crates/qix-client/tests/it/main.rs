//! Tests of the client as its users see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod app;
mod calls;
mod layers;
mod layouts;
mod reload;
mod scripted_engine;
mod support;
mod which_layer;
