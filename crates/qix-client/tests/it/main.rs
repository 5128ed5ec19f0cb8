//! Tests of the client as its users see it.

mod calls;
mod layers;
mod layouts;
mod scripted_engine;
mod support;
