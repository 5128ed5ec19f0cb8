//! The fake engine and what end-to-end tests share.

pub mod certs;
pub mod fake_engine;

pub use fake_engine::{FakeEngine, FakeEngineConfig};
