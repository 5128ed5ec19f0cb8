//! Recordings: what is in them, how they are written, and how they are read.
//!
//! A [`Recorder`] writes: [`Tape`]s take what crosses each connection, and a queue of bounded size leads to one thread. There bytes
//! become messages, secrets are taken out, and messages become lines. A [`RecordingReader`] reads.

mod assembler;
mod connect;
mod event;
mod format;
mod output;
mod queue;
mod reader;
mod recorder;
mod redact;
mod scribe;
pub(crate) mod walk;
mod writer;

pub use connect::{RecordConnect, RecordSocket};
pub use format::{Closing, Entry, EntryKind, FrameText, Header, Opening, Side, VERSION};
pub use reader::{ReadError, RecordingReader, TornTail};
pub use recorder::{Injected, Recorder, RecorderConfig, RecorderError, Sealed, Tape, Upgrade};
pub(crate) use redact::{MASK, Redactor};
pub use redact::{Redaction, RuleError};
