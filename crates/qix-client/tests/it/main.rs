//! Tests of the client as its users see it.

mod calls;
mod data;
mod layers;
mod layouts;
mod lists;
mod paging;
mod scripted_engine;
mod selections;
mod support;
