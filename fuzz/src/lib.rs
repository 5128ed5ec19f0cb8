//! What the fuzz targets do with their bytes.
//!
//! `crates/qix-protocol/tests/fuzz_seeds.rs` includes this file, so that the seeds run in every `cargo test`; it can use nothing
//! but the public parts of `qix_protocol`, `bytes`, `serde`, `serde_json` and `arbitrary`.

mod connection;
mod delta;
mod frame;

pub use connection::connection;
pub use delta::delta;
pub use frame::frame;
