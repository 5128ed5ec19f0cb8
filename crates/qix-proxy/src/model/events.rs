//! Events of a recording that is there.

use std::collections::VecDeque;

use super::{Event, ModelBuilder};
use crate::record::{Entry, ReadError};

/// Tells the events of entries, such as those of [`RecordingParts`](crate::record::RecordingParts).
#[derive(Debug)]
pub struct Events<E> {
    entries: E,
    builder: ModelBuilder,
    waiting: VecDeque<Event>,
    failed: Option<ReadError>,
    ended: bool,
}

impl<E: Iterator<Item = Result<Entry, ReadError>>> Events<E> {
    /// Reads entries.
    pub fn new(entries: impl IntoIterator<IntoIter = E>) -> Self {
        Self::with(entries, ModelBuilder::new())
    }

    /// Reads entries with a builder that is set up as it should be.
    pub fn with(entries: impl IntoIterator<IntoIter = E>, builder: ModelBuilder) -> Self {
        let entries = entries.into_iter();
        Self { entries, builder, waiting: VecDeque::new(), failed: None, ended: false }
    }

    /// Returns what it reads from.
    pub fn entries(&self) -> &E {
        &self.entries
    }

    fn read(&mut self) {
        let waiting = &mut self.waiting;
        match self.entries.next() {
            Some(Ok(entry)) => self.builder.take(entry, &mut |event| waiting.push_back(event)),
            end => {
                // What was found so far is told all the same, before the error.
                self.failed = end.and_then(Result::err);
                self.ended = true;
                self.builder.finish(&mut |event| waiting.push_back(event));
            }
        }
    }
}

impl<E: Iterator<Item = Result<Entry, ReadError>>> Iterator for Events<E> {
    type Item = Result<Event, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(Ok(event));
            }
            if self.ended {
                return self.failed.take().map(Err);
            }
            self.read();
        }
    }
}
