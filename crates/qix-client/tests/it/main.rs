//! The client against the fake engine.

mod data;
mod lists;
mod selections;
mod support;
