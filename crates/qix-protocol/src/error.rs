//! What can go wrong on the wire, sorted by blame.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, NotFound, RequestId};

/// Why text from the network is not what the protocol allows.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The text is not JSON, or a member of the envelope has the wrong type.
    #[error("malformed frame near byte {offset}")]
    MalformedFrame {
        /// Bytes read before the fault.
        offset: usize,
    },
    /// The text nests deeper than any engine does.
    #[error("frame nested deeper than {limit} levels near byte {offset}")]
    TooDeep {
        /// Bytes read before the fault.
        offset: usize,
        /// The most levels read.
        limit: usize,
    },
    /// A delta answer whose patches do not fit what they should change.
    #[error("delta patch {index} of {member} cannot be applied: {fault}")]
    Delta {
        /// The out member.
        member: String,
        /// The position of the patch in its list.
        index: usize,
        /// What is wrong with it.
        fault: &'static str,
    },
}

/// Why a request was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
    /// The id was used before and its answer is still expected.
    #[error("request id {0} is in use")]
    IdInUse(RequestId),
    /// The parameters cannot be written as JSON.
    #[error("the parameters cannot be written: {0}")]
    Params(Box<str>),
    /// As many calls are in flight as the configuration allows.
    #[error("{limit} calls are in flight, which is the limit")]
    TooManyPending {
        /// The limit, [`ConnectionConfig::max_pending`](crate::ConnectionConfig::max_pending).
        limit: usize,
    },
}

/// Why a call got no answer to decode.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The engine refused.
    #[error(transparent)]
    Engine(EngineError),
    /// The deadline passed; the call was cancelled.
    #[error("no answer before the deadline")]
    TimedOut,
    /// The engine has no such object.
    #[error(transparent)]
    NotFound(NotFound),
    /// The connection ended first; whether the engine did the work is not known.
    #[error("the connection ended before the answer")]
    Closed(#[source] Cause),
    /// The patches of a delta answer do not fit. The next delta answer to the same method of the same object starts anew, or
    /// is an error too; a plain one always works.
    #[error(transparent)]
    Delta(ProtocolError),
}

/// Why a connection ended, shared by all calls that it took along. One cause equals itself only.
#[derive(Clone, Debug)]
pub struct Cause(pub(crate) Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    /// Returns what [`Connection::handle_close`](crate::Connection::handle_close) was given.
    pub fn get(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        &*self.0
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// The engine's answer to a call it refused.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[serde(default)]
#[error("engine error {code}: {message}")]
pub struct EngineError {
    /// What kind of error.
    pub code: ErrorCode,
    /// Free text detail; often empty. It may quote data of the app, so it is not part of the `Display` text.
    pub parameter: String,
    /// The short fixed text of the code.
    pub message: String,
}
