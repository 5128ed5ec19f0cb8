//! The QIX wire protocol as pure data and state: frames, ids, handles, lineage, delta.

mod close_code;

pub use close_code::CloseCode;
