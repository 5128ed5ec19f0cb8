//! Tests of the client as its users see it.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod calls;
mod data;
mod layers;
mod layouts;
mod lists;
mod paging;
mod scripted_engine;
mod selections;
mod support;
