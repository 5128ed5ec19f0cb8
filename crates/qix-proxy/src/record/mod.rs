//! Recordings: what is in them, and how they are read.

mod format;
mod reader;

pub use format::{Closing, Entry, EntryKind, FrameText, Header, Opening, Side, VERSION};
pub use reader::{ReadError, RecordingReader, TornTail};
