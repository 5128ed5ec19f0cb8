//! Compressed blocks in temporary files that nobody else can see.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

/// How hard to compress: what is written here is read once or never.
const LEVEL: i32 = 1;
/// How many files there are when the limit is reached; the oldest is given back as a whole.
const SEGMENTS: u64 = 8;

/// Blocks by number. Those beyond the limit are forgotten, the oldest first.
///
/// In memory are 16 bytes for each block.
#[derive(Debug)]
pub(super) struct Spool {
    limit: u64,
    segments: VecDeque<Segment>,
    places: VecDeque<Place>,
    /// The number of the first block that is kept.
    first: u64,
    bytes: u64,
}

#[derive(Debug)]
struct Segment {
    file: File,
    /// The number of its first block.
    first: u64,
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    offset: u64,
    length: u32,
    /// Before it was compressed.
    whole: u32,
}

impl Spool {
    /// Starts without a file; keeps about `limit` bytes.
    pub(super) fn new(limit: u64) -> Self {
        Self { limit, segments: VecDeque::new(), places: VecDeque::new(), first: 0, bytes: 0 }
    }

    /// Writes a block and returns its number.
    ///
    /// # Errors
    ///
    /// What the system says if a temporary file cannot be made or written.
    pub(super) fn add(&mut self, block: &[u8]) -> io::Result<u64> {
        let number = self.next();
        let packed = zstd::bulk::compress(block, LEVEL)?;
        let too_large = |_| io::Error::other("a block is larger than 4 GB");
        let (length, whole) =
            (u32::try_from(packed.len()).map_err(too_large)?, u32::try_from(block.len()).map_err(too_large)?);
        let share = (self.limit / SEGMENTS).max(1);
        if self.segments.back().is_none_or(|segment| segment.bytes >= share) {
            self.segments.push_back(Segment { file: tempfile::tempfile()?, first: number, bytes: 0 });
        }
        let Some(segment) = self.segments.back_mut() else { return Err(io::Error::other("no file")) };
        segment.file.seek(SeekFrom::Start(segment.bytes))?;
        segment.file.write_all(&packed)?;
        self.places.push_back(Place { offset: segment.bytes, length, whole });
        segment.bytes += u64::from(length);
        self.bytes += u64::from(length);
        while self.bytes > self.limit && self.segments.len() > 1 {
            self.forget();
        }
        Ok(number)
    }

    /// Returns a block; `None` if it was forgotten, or is not there yet.
    ///
    /// # Errors
    ///
    /// What the system says if the temporary file cannot be read.
    pub(super) fn read(&mut self, number: u64) -> io::Result<Option<Vec<u8>>> {
        let place = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        let Some(place) = place.and_then(|at| self.places.get(at)).copied() else { return Ok(None) };
        let segment = self.segments.iter_mut().rev().find(|segment| segment.first <= number);
        let Some(segment) = segment else { return Ok(None) };
        let mut packed = vec![0; place.length as usize];
        segment.file.seek(SeekFrom::Start(place.offset))?;
        segment.file.read_exact(&mut packed)?;
        zstd::bulk::decompress(&packed, place.whole as usize).map(Some)
    }

    /// Returns the number of the next block.
    pub(super) fn next(&self) -> u64 {
        self.first + self.places.len() as u64
    }

    /// Returns the number of the first block that is kept.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Returns whether the limit is reached, so that something is forgotten soon.
    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.limit
    }

    fn forget(&mut self) {
        let Some(oldest) = self.segments.pop_front() else { return };
        let until = self.segments.front().map_or(self.next(), |segment| segment.first);
        self.bytes -= oldest.bytes;
        // Never more than there are.
        let gone = usize::try_from(until - self.first).unwrap_or(usize::MAX).min(self.places.len());
        self.places.drain(..gone);
        self.first = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_as_they_were_written_and_in_any_order() {
        let mut spool = Spool::new(1 << 20);
        let blocks: Vec<Vec<u8>> = (0..50).map(|n| format!("block {n} ").repeat(n).into_bytes()).collect();
        let numbers: Vec<_> = blocks.iter().map(|block| spool.add(block).unwrap()).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        for (number, block) in numbers.iter().zip(&blocks).rev() {
            assert_eq!(spool.read(*number).unwrap().as_ref(), Some(block));
        }
        assert_eq!(spool.read(50).unwrap(), None);
    }

    #[test]
    fn oldest_blocks_go_when_the_limit_is_reached() {
        let mut spool = Spool::new(8_000);
        // Nothing that could be compressed.
        let mut random = fastrand::Rng::with_seed(7);
        for number in 0..200 {
            let block: Vec<u8> = (0..100).map(|_| random.u8(..)).collect();
            spool.add(&block).unwrap();
            assert!(spool.bytes <= 8_000 + 200, "{}", spool.bytes);
            assert_eq!(spool.read(number).unwrap(), Some(block));
        }
        assert!(spool.first() > 100 && spool.segments.len() <= 9);
        assert_eq!(spool.read(spool.first() - 1).unwrap(), None);
        assert!(spool.read(spool.first()).unwrap().is_some());
    }
}
