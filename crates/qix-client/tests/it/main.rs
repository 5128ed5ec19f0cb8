//! Tests of the client as its users see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod app;
mod calls;
mod comparison;
mod conformance;
mod data;
mod faults_of_others;
mod layers;
mod layouts;
mod lists;
mod objects;
mod paging;
mod played;
mod public_api;
mod reload;
mod scripted_engine;
mod selections;
mod sessions;
mod support;
mod which_layer;
