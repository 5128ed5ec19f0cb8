//! Numbers for Prometheus: what was counted, how it is written, and who may ask for it.

mod counts;
mod server;
mod text;

pub(crate) use counts::Counts;
pub(crate) use server::{MetricsServer, Sources};
