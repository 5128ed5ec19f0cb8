//! Calls that people make by hand: `qix-proxy call`, and the explorer in the browser.

mod asker;
mod params;
mod pipeline;

pub(crate) use asker::{Ask, Asked, Asker, Refusal, Target};
pub(crate) use params::{check, method, params};
pub(crate) use pipeline::{On, Step};

/// Methods and types of the engine's interface, as JSON: what a form needs. Written by `cargo xtask schema generate`.
pub(crate) const FORMS: &str = include_str!("gen/forms.json");
