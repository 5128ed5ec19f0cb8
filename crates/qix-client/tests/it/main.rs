//! Tests of the client as its users see it.

mod calls;
mod conformance;
mod data;
mod faults_of_others;
mod layers;
mod layouts;
mod lists;
mod paging;
mod played;
mod scripted_engine;
mod selections;
mod sessions;
mod support;
