//! What the pages in a browser are made of: data by the batch, what was said in a call, and the files of the page.
//!
//! `ui/` has the page itself: plain scripts that share their top-level names, without a framework and without a build step. The report
//! and the inspector show the same page and differ in their *source*, the object that gives it batches and details.

pub(crate) mod batch;
pub(crate) mod detail;
pub(crate) mod page;
