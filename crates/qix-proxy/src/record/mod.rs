//! Recordings: what is in them, how they are written, and how they are read.
//!
//! A [`Recorder`] writes: [`Tape`]s take what crosses each connection, and a queue of bounded size leads to one thread. There bytes
//! become messages, secrets are taken out, and messages become lines of files, as [`FileSettings`] lay them out. A [`RecordingReader`]
//! or an [`AsyncRecordingReader`] reads a file, [`RecordingParts`] reads several, a [`Tail`] follows one that is being written, [`repair()`] mends what a crash has left, an [`Appender`] adds
//! connections to what was sealed, and a [`RecordingWriter`] writes what happened elsewhere.

mod append;
mod assembler;
mod async_reader;
mod connect;
mod decode;
mod event;
mod exchange;
mod follow;
mod format;
mod gathered;
mod http_line;
mod names;
mod observe;
mod output;
mod parse;
mod parts;
mod queue;
mod read_error;
mod reader;
mod recorder;
mod recording_writer;
mod redact;
mod repair;
mod retention;
mod scribe;
mod settings;
mod shelf;
mod tail;
mod volume;
pub(crate) mod walk;
mod writer;
mod zip;

pub use append::{AppendError, Appender};
pub use async_reader::AsyncRecordingReader;
pub use connect::{RecordConnect, RecordSocket};
pub(crate) use exchange::{Exchanged, Kept};
pub use follow::TornTail;
pub use format::{
    Closing, Entry, EntryKind, Exchange, FrameText, Gap, Header, HttpBody, Opening, Side, VERSION,
};
pub use observe::{Observer, Seen, Standing};
pub(crate) use parse::entry_of;
pub use parts::RecordingParts;
pub use read_error::ReadError;
pub use reader::RecordingReader;
pub use recorder::{Injected, Recorder, RecorderConfig, RecorderError, Sealed, Tape, Upgrade};
pub use recording_writer::{RecordingWriter, WriteError, Written};
pub(crate) use redact::{MASK, Redactor};
pub use redact::{Redaction, RuleError};
pub use repair::{Repair, RepairError, check, repair, repair_in_place};
pub use settings::{FileSettings, OnFull};
pub use tail::Tail;
pub(crate) use zip::Zip;
