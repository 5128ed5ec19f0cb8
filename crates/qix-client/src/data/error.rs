//! What is wrong with data.

use std::fmt;

use qix_protocol::{
    ErrorCode,
    schema::{NxHypercubeMode, NxValidationError},
};

/// Why data cannot be read; [`Error::data`](crate::Error::data) returns it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The engine cannot compute a part of the definition.
    #[error("{part} is invalid: {code}{}{message}", if message.is_empty() { "" } else { ": " })]
    Invalid {
        /// Which part.
        part: Part,
        /// The engine's code.
        code: ErrorCode,
        /// What the engine says about it; mostly nothing.
        message: String,
    },
    /// The calculation condition does not hold (7005).
    #[error("the calculation condition does not hold{}{message}", if message.is_empty() { "" } else { ": " })]
    Condition {
        /// What the author has to say about it.
        message: String,
    },
    /// The data changed while they were paged. Start again for those of the new state.
    #[error("the data changed while they were read; read them again")]
    Changed,
    /// The layout has no data at this path.
    #[error("the object has no data at {path}; give the path of its definition, such as /qHyperCubeDef")]
    Missing {
        /// The path as given.
        path: String,
    },
    /// The cube has another mode than this way of reading needs.
    #[error("the cube is of the mode {mode:?}, which {read_by} reads")]
    Mode {
        /// The mode on the wire: `S`, `P`, `K` or `T`.
        mode: String,
        /// The method that reads such cubes.
        read_by: &'static str,
    },
    /// A row does not fit the type asked for.
    #[error("row {row} does not fit: {reason}")]
    Row {
        /// The row, counted from 0.
        row: usize,
        /// What is wrong with it, and with which column.
        reason: String,
    },
}

/// A part of a definition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Part {
    /// The hypercube.
    Cube,
    /// The list object.
    List,
    /// A dimension, counted from 0.
    Dimension(usize),
    /// A measure, counted from 0.
    Measure(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cube => f.write_str("the hypercube"),
            Self::List => f.write_str("the list object"),
            Self::Dimension(at) => write!(f, "dimension {at}"),
            Self::Measure(at) => write!(f, "measure {at}"),
        }
    }
}

impl DataError {
    /// Returns what an error inside a layout says; `message` is that of the calculation condition.
    pub(super) fn embedded(part: Part, error: &NxValidationError, message: &str) -> Self {
        if error.error_code == ErrorCode::CALC_EVAL_CONDITION_FAILED {
            return Self::Condition { message: message.to_owned() };
        }
        let texts = [&*error.extended_message, &*error.context];
        let message = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned();
        Self::Invalid { part, code: error.error_code, message }
    }

    /// Returns what is wrong if a cube has another mode than `wanted`.
    pub(super) fn mode(found: &NxHypercubeMode, wanted: &str) -> Option<Self> {
        let (found, read_by) = match found.as_str() {
            "P" => ("P", "HyperCube::pivot"),
            "K" => ("K", "HyperCube::stacked"),
            "T" => ("T", "HyperCube::tree"),
            _ => ("S", "HyperCube::rows"),
        };
        (found != wanted).then(|| Self::Mode { mode: found.to_owned(), read_by })
    }
}
