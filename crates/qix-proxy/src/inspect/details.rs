//! What was said in calls, for whoever opens one.

use std::{
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::spool::Spool;

/// How much is compressed together.
const BLOCK: usize = 256 << 10;

/// Texts by the number of their call: in memory is where each lies, 16 bytes, and the latest few.
#[derive(Debug)]
pub(crate) struct Details(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    spool: Spool,
    /// The block that is not written yet.
    pending: Vec<u8>,
    /// The block of each call, by the number of the call.
    index: Vec<(u64, u64)>,
}

/// What became of a call's text.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Found {
    /// It is there.
    Text(Vec<u8>),
    /// There was none, or it had to make room.
    Gone,
}

impl Details {
    /// Keeps about `limit` bytes, compressed, in temporary files; the oldest go first.
    pub(crate) fn new(limit: u64) -> Self {
        Self(Mutex::new(Inner { spool: Spool::new(limit), pending: Vec::new(), index: Vec::new() }))
    }

    /// Takes in the text of a call.
    ///
    /// # Errors
    ///
    /// What the system says if the temporary file cannot be written; the text is lost then.
    pub(crate) fn put(&self, seq: u64, text: &[u8]) -> io::Result<()> {
        let mut inner = self.lock();
        let Ok(length) = u32::try_from(text.len()) else { return Ok(()) };
        inner.pending.extend(seq.to_le_bytes());
        inner.pending.extend(length.to_le_bytes());
        inner.pending.extend(text);
        let block = inner.spool.next();
        // Calls end nearly in the order in which they began.
        let at = inner.index.partition_point(|(other, _)| *other < seq);
        inner.index.insert(at, (seq, block));
        if inner.pending.len() < BLOCK {
            return Ok(());
        }
        let pending = std::mem::take(&mut inner.pending);
        let first = inner.spool.first();
        let added = inner.spool.add(&pending);
        if let Err(error) = added {
            inner.index.retain(|(_, other)| *other != block);
            return Err(error);
        }
        let kept = inner.spool.first();
        if kept > first {
            inner.index.retain(|(_, block)| *block >= kept);
        }
        Ok(())
    }

    /// Returns the text of a call.
    ///
    /// # Errors
    ///
    /// What the system says if the temporary file cannot be read.
    pub(crate) fn get(&self, seq: u64) -> io::Result<Found> {
        let mut inner = self.lock();
        let Ok(at) = inner.index.binary_search_by_key(&seq, |(seq, _)| *seq) else { return Ok(Found::Gone) };
        let block = inner.index[at].1;
        if block == inner.spool.next() {
            return Ok(find(&inner.pending, seq));
        }
        let block = inner.spool.read(block)?;
        drop(inner);
        Ok(block.map_or(Found::Gone, |block| find(&block, seq)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn find(block: &[u8], seq: u64) -> Found {
    let mut rest = block;
    while let Some((number, after)) = rest.split_first_chunk::<8>() {
        let Some((length, after)) = after.split_first_chunk::<4>() else { break };
        let Some((text, after)) = after.split_at_checked(u32::from_le_bytes(*length) as usize) else { break };
        if u64::from_le_bytes(*number) == seq {
            return Found::Text(text.to_vec());
        }
        rest = after;
    }
    Found::Gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seq: u64, length: usize) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seq);
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn text_of_a_call_is_found_whatever_block_it_is_in() {
        let details = Details::new(64 << 20);
        let order = (1..=600).map(|n| if n % 10 == 0 { n - 9 } else { n + 1 });
        for seq in order.clone() {
            details.put(seq, &text(seq, 2_000)).unwrap();
        }
        for seq in order.rev() {
            assert_eq!(details.get(seq).unwrap(), Found::Text(text(seq, 2_000)));
        }
        assert_eq!(details.get(9_999).unwrap(), Found::Gone);
        assert!(details.lock().pending.len() < BLOCK);
    }

    #[test]
    fn memory_and_files_stay_limited_and_the_latest_are_kept() {
        let details = Details::new(4 << 20);
        for seq in 0..3_000 {
            details.put(seq, &text(seq, 10_000)).unwrap();
        }
        assert_eq!(details.get(0).unwrap(), Found::Gone);
        assert_eq!(details.get(2_999).unwrap(), Found::Text(text(2_999, 10_000)));
        let inner = details.lock();
        assert!(inner.index.len() < 700, "{}", inner.index.len());
        assert!(inner.pending.len() < BLOCK);
    }
}
