//! The QIX wire protocol as pure data and state.
//!
//! QIX is what Qlik engines speak: JSON-RPC 2.0 in WebSocket text messages, with handles for objects of the server, lists of
//! changed handles on any frame, and answers that may be patches. This crate reads and writes [frames](frame), keeps the state
//! of one socket in a [`Connection`], names objects by their [`Lineage`] and applies [`delta`] answers. The [`schema`] has the
//! types and methods of the engine, [`columns`] reads the data of hypercubes without an allocation per cell.
//!
//! It knows no socket, task, clock or file: bytes and time are passed in. For a connected socket take `qix-transport`, for an
//! asynchronous client `qix-client`. There are no cargo features: all of it is there.
//!
//! ```text
//! request, cancel ──▶ ┌────────────┐ ──▶ poll_transmit   texts for the socket
//! handle_text     ──▶ │ Connection │ ──▶ poll_event      outcomes, changes, notifications
//! handle_timeout  ──▶ └────────────┘ ──▶ poll_timeout    when to call handle_timeout
//! ```
//!
//! # Examples
//!
//! ```
//! use bytes::Bytes;
//! use qix_protocol::{Connection, ConnectionConfig, Event, Handle, NewRequest, frame::Raw};
//!
//! let mut connection = Connection::new(ConnectionConfig::default());
//! let id = connection.ids().reserve();
//! let params = Raw::new(br#"["Sales"]"#)?;
//! let open = NewRequest { id, to: Handle::GLOBAL, method: "OpenDoc", params, delta: false, deadline: None };
//! connection.request(open, "mine").map_err(|(error, _)| error)?;
//! assert_eq!(
//!     connection.poll_transmit().unwrap(),
//!     r#"{"jsonrpc":"2.0","id":1,"handle":-1,"method":"OpenDoc","params":["Sales"]}"#,
//! );
//!
//! let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"qReturn":{"qType":"Doc","qHandle":1}},"change":[1]}"#;
//! connection.handle_text(Bytes::from_static(answer.as_bytes()))?;
//! assert!(matches!(connection.poll_event(), Some(Event::Changes(_))));
//! assert!(matches!(connection.poll_event(), Some(Event::Completed { data: "mine", .. })));
//! assert_eq!(connection.lineage(Handle::new(1)).unwrap().to_string(), r#"OpenDoc("Sales")"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod canonical;
mod changes;
mod code;
pub mod columns;
mod config;
mod connection;
pub mod delta;
mod effect;
mod error;
mod escapes;
mod event;
mod fatal;
pub mod frame;
mod greeting;
mod handle;
mod id;
mod lineage;
mod number;
mod pending;
mod reference;
mod scan;
pub mod schema;
mod session_state;
mod siblings;
mod skip;
mod tree;
mod unanswered;

#[cfg(test)]
mod tests;

pub use canonical::canonical_params;
pub use changes::ChangeSet;
pub use code::{
    Advice, CloseCode, CloseReason, ErrorCode, ErrorFamily, Judgement, MessageCode, Source, WarningCode,
};
pub use config::ConnectionConfig;
pub use connection::{Connection, NewRequest, Params, Typed};
pub use effect::{Effect, effect_of, effect_of_call};
pub use error::{CallError, Cause, EngineError, ProtocolError, RequestError};
pub use event::{Answer, Event, Notification};
pub use fatal::is_fatal;
pub use greeting::AuthenticationInformation;
pub use handle::Handle;
pub use id::{RequestId, RequestIds};
pub use lineage::{Lineage, Lineages, creates};
pub use reference::{NotFound, ObjectReference, references};
pub use scan::{MAX_DEPTH, is_json_line};
pub use session_state::SessionState;
pub use tree::Tree;
pub use unanswered::Unanswered;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
