//! Finds in a recording what makes apps slow, fragile or unsafe.
//!
//! A [`Linter`] looks at the [`Event`](crate::model::Event)s of a recording, and [`Finding`]s say what its rules have found: which rule,
//! how often, in which calls and objects, and what it has cost. [`rules()`] has all rules with their reasons and remedies, which
//! `docs/lint.md` explains at length. The memory of a linter is that of what is open and unanswered and of its findings, up to limits.
//!
//! ```
//! use qix_proxy::{lint::{Linter, rule}, record::RecordingReader};
//!
//! # let file: &[u8] = include_bytes!("../../assets/demo.qixrec");
//! let recording = RecordingReader::new(file, "demo.qixrec")?;
//! let mut linter = Linter::new().without(["get-progress-hammering"])?;
//! linter.read(recording)?;
//! for finding in linter.finish() {
//!     let remedy = rule(finding.rule).map_or("", |rule| rule.remedy);
//!     println!("{}: {} (calls {:?}): {remedy}", finding.rule, finding.words, finding.calls);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whoever goes through events for another reason has a linter look on:
//!
//! ```
//! use qix_proxy::{lint::Linter, model::{Events, RecordingModel}, record::RecordingReader};
//!
//! # let file: &[u8] = include_bytes!("../../assets/demo.qixrec");
//! # let entries = RecordingReader::new(file, "demo.qixrec")?;
//! let (mut model, mut linter) = (RecordingModel::default(), Linter::new());
//! for event in Events::new(entries) {
//!     let event = event?;
//!     linter.take(&event);
//!     model.add(&event);
//! }
//! for finding in linter.finish() {
//!     let names = finding.objects.iter().filter_map(|number| model.object(*number)).map(|object| object.name());
//!     println!("{}: {:?}", finding.words, names.collect::<Vec<_>>());
//! }
//! # Ok::<(), qix_proxy::record::ReadError>(())
//! ```

mod answers;
mod check;
mod finding;
mod groups;
mod linter;
mod open;
mod rule;
mod rules;
#[cfg(test)]
mod script;
#[cfg(test)]
mod tests;

pub use finding::Finding;
pub use linter::{Linter, UnknownRule};
pub use rule::{Amount, Limit, Rule, rule, rules};
