//! What a recording tells, in the words of the app: calls of methods on objects with titles, rather than frames with handles.
//!
//! A [`ModelBuilder`] takes the entries of a recording, as they are read or as they are written, and tells [`Event`]s. It keeps what is
//! open and unanswered, up to limits, so that its memory does not grow with the recording. [`Events`] does so for a file. A
//! [`RecordingModel`] keeps all of it but the messages: what views need that show a recording as a whole.
//!
//! ```no_run
//! use qix_proxy::{model::{Event, Events}, record::RecordingParts};
//!
//! for event in Events::new(RecordingParts::open(["session.qixrec"])?) {
//!     if let Event::Called(called) = event? {
//!         println!("{} {} {:?}", called.call.object.name(), called.call.method, called.call.latency());
//!     }
//! }
//! # Ok::<(), qix_proxy::record::ReadError>(())
//! ```

mod builder;
mod call;
mod connection;
mod event;
mod events;
pub(crate) mod names;
pub(crate) mod notices;
mod object;
mod recording;
pub(crate) mod reload;
mod selection;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod words;

pub use builder::ModelBuilder;
pub(crate) use builder::{has_failed, layout, whole};
pub use call::{Answer, Body, Call, Failure, Fetch};
pub use event::{
    Called, Change, Connection, Disconnected, Event, Exchange, Notice, Progress, Selection, Weight,
};
pub use events::Events;
pub use object::Object;
pub use recording::RecordingModel;
