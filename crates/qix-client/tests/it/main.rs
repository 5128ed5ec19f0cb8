//! Tests of the client as its users see it.

mod app;
mod calls;
mod layers;
mod layouts;
mod reload;
mod scripted_engine;
mod support;
mod which_layer;
