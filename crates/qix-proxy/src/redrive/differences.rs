//! What can be different, and where.

use std::fmt;

use qix_protocol::Lineage;

use crate::replay::shortened;

/// A recorded call, as people know it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Call {
    /// The number of its entry in the recording.
    pub seq: u64,
    /// Its recorded connection.
    pub conn: u64,
    /// The object, by the way it was opened.
    pub object: Lineage,
    /// The method.
    pub method: String,
    /// The parameters, shortened, without the brackets of the list.
    pub params: String,
}

/// Writes method, parameters and object.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}) on {}", self.method, self.params, shortened(&self.object.to_string()))
    }
}

/// How a live value differs from the recorded one.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DifferenceKind {
    /// Another text, or true instead of false.
    Value,
    /// Another number, further away than the tolerance.
    Number,
    /// Another type of value.
    Type,
    /// A member, element or row that only the recorded answer has.
    OnlyRecorded,
    /// One that only the live answer has.
    OnlyLive,
    /// The same rows in another order.
    Order,
    /// Another object under a handle.
    Object,
    /// An id that stands for another one than before.
    Id,
    /// A result instead of an error, or the other way round.
    Outcome,
    /// Another error.
    Code,
}

impl DifferenceKind {
    /// Returns its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Number => "number",
            Self::Type => "type",
            Self::OnlyRecorded => "only recorded",
            Self::OnlyLive => "only live",
            Self::Order => "order",
            Self::Object => "object",
            Self::Id => "id",
            Self::Outcome => "outcome",
            Self::Code => "code",
        }
    }
}

/// A place in which a live answer differs from the recorded one.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// Where, as a JSON pointer into the result; rows and elements of lists without order are `[NAME]`. Empty for the answer as a
    /// whole.
    pub place: String,
    /// How.
    pub kind: DifferenceKind,
    /// What was recorded, shortened.
    pub recorded: String,
    /// What the engine says now, shortened.
    pub live: String,
}

/// An answer that differs.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DifferentAnswer {
    /// What was asked.
    pub call: Call,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// How many there are.
    pub total: usize,
    /// A write before it that was not sent and may be the reason.
    pub after: Option<String>,
}
