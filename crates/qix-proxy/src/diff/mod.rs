//! Compares two recordings of the same app, such as before and after an upgrade: *1 measure differs*, rather than which bytes.
//!
//! ```text
//! first pass   Side ─▶ Row (what a call is called, a number that stands for its answer)   two numbers for each call
//!                        └─▶ Alignment: which call is which, and which answers may differ
//! second pass  Side ─▶ Seen, with results of those only ─▶ compare ─▶ Subject ─▶ DiffReport
//! ```
//!
//! Calls belong together if object, method and parameters are the same, whatever handles, ids and sessions are called. What counts as
//! a difference of results is what counts in a [re-drive](crate::redrive). Memory holds three numbers for each call, and of results
//! only those that wait for their counterparts, up to a limit; more wait in a temporary file.
//!
//! Plain HTTP, notifications and the calls that ask how far something is are not compared.

mod align;
mod differences;
mod held;
mod html;
mod json;
mod keys;
mod labels;
mod latency;
mod report;
mod run;
mod settings;
mod side;
mod subject;
#[cfg(test)]
mod tests;
mod text;

pub use differences::{Difference, ErrorDifference, Example, ObjectDifferences, OnlyThere};
pub use latency::LatencyChange;
pub use report::DiffReport;
pub use run::{DiffError, diff};
pub use settings::DiffSettings;
pub use subject::Subject;
