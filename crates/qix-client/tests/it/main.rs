//! Tests of the client as its users see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod calls;
mod comparison;
mod conformance;
mod faults_of_others;
mod layers;
mod layouts;
mod objects;
mod played;
mod scripted_engine;
mod sessions;
mod support;
