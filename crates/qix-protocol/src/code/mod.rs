//! The numbers in which an engine and the proxies in front of it say what happened.

mod close_code;
mod close_reason;
mod error_code;
mod error_judgement;
mod error_names;
mod judgement;
mod message_code;
mod table;
mod warning_code;

pub use close_code::CloseCode;
pub use close_reason::CloseReason;
pub use error_code::{ErrorCode, ErrorFamily};
pub use judgement::{Advice, Judgement, Source};
pub use message_code::MessageCode;
pub use warning_code::WarningCode;
