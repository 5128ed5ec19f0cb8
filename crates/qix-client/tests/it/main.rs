//! Scenarios with an engine on loopback, or with one that is played by hand over an in-memory pair.

mod conformance;
mod faults_of_others;
mod support;
