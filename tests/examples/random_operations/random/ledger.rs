//! Which writes the engine has carried out, and how often.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use super::Fault;

/// The mark of a write: a number that no other write has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(i64);

// Above all element numbers, and below what is not a 32-bit number.
const FIRST: i64 = 1_000_000_000;

impl Tag {
    /// Returns the tag as a text to be written.
    pub(super) fn text(self) -> String {
        format!("tag:{}", self.0)
    }

    /// Returns the tag as an element number that does not exist.
    pub(super) fn element(self) -> i64 {
        self.0
    }
}

/// Counts the writes that the engine has read.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    next: AtomicI64,
    /// By tag, counted from the first: how often it came. A byte each, so that half an hour fits.
    counts: Mutex<Vec<u8>>,
}

impl Ledger {
    pub(super) fn tag(&self) -> Tag {
        Tag(FIRST + self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn counts(&self) -> MutexGuard<'_, Vec<u8>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of a request.
    pub(super) fn see(&self, text: &str) {
        // A session that resumes makes its objects again, as it should.
        let is_made = text.contains("\"CreateSession");
        // Generated ids have digits, too: a tag stands alone, or in a list.
        let pieces = ["tag:", ",", "["].iter().flat_map(|before| text.split(before).skip(1));
        for piece in pieces {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let number = piece[..digits].parse::<i64>().ok().filter(|number| *number >= FIRST);
            let Some(at) = number else { continue };
            // A request id never gets there within the time of a run.
            let at = (at - FIRST) as usize;
            if at < self.next.load(Ordering::Relaxed) as usize {
                let mut counts = self.counts();
                if counts.len() <= at {
                    counts.resize(at + 1, 0);
                }
                if !is_made || counts[at] == 0 {
                    counts[at] = counts[at].saturating_add(1);
                }
            }
        }
    }

    /// Returns how often a write came.
    pub(super) fn count(&self, tag: Tag) -> u8 {
        self.counts().get((tag.0 - FIRST) as usize).copied().unwrap_or(0)
    }

    /// Tells of a write that came twice.
    pub(super) fn check(&self) -> Result<(), Fault> {
        match self.counts().iter().position(|count| *count > 1) {
            Some(at) => Err(format!("the write tag:{} was made twice", at as i64 + FIRST)),
            None => Ok(()),
        }
    }

    /// Returns how many writes came.
    pub(super) fn writes(&self) -> usize {
        self.counts().iter().filter(|count| **count > 0).count()
    }
}
