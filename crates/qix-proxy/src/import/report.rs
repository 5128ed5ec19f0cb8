//! What came of an import.

use super::Foreign;
use crate::record::Written;

/// What was taken over, and what was not.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ImportReport {
    /// What the file was.
    pub kind: Foreign,
    /// What the recording has.
    pub written: Written,
    /// What was left out or taken over in part, each with why.
    pub left_out: Vec<LeftOut>,
    /// What else the reader should know, such as that times are made up.
    pub notes: Vec<String>,
}

/// Something that could not be taken over.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LeftOut {
    /// Where in the file it is, such as `entry 7` or `line 12`.
    pub place: String,
    /// What it is, and why.
    pub why: String,
}
