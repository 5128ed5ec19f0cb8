//! Tests of the client as its users see it.

mod calls;
mod conformance;
mod faults_of_others;
mod layers;
mod layouts;
mod played;
mod scripted_engine;
mod sessions;
mod support;
