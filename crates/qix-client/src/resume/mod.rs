//! Sessions that outlive their sockets.

mod loss;
mod offline;
mod plan;
mod policy;
mod report;
mod restore;
mod selections;
mod waiting;

pub(crate) use loss::Loss;
pub use policy::ResumePolicy;
pub use report::{Fate, ResumeReport, Selections};
pub(crate) use restore::Restoring;
pub(crate) use selections::Keeper;
pub(crate) use waiting::only_reads;
