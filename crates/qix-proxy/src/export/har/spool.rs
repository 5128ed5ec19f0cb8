//! Keeps pieces of text in a temporary file until they can be written.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom, Write},
};

/// How many bytes of all strands together wait in memory.
const WAITING: usize = 16 << 20;

/// A temporary file without a name, into which strands are written that grow side by side.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    at: u64,
    strands: Vec<Strand>,
    waiting: usize,
}

/// A text, piece by piece.
#[derive(Debug, Default)]
struct Strand {
    /// Where pieces lie, and how long they are.
    pieces: Vec<(u64, u64)>,
    waiting: Vec<u8>,
}

impl Spool {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile()?, at: 0, strands: Vec::new(), waiting: 0 })
    }

    /// Begins a strand.
    pub(super) fn strand(&mut self) -> usize {
        self.strands.push(Strand::default());
        self.strands.len() - 1
    }

    /// Adds to a strand.
    pub(super) fn push(&mut self, strand: usize, text: &[u8]) -> io::Result<()> {
        self.strands[strand].waiting.extend_from_slice(text);
        self.waiting += text.len();
        if self.waiting > WAITING {
            for strand in 0..self.strands.len() {
                self.settle(strand)?;
            }
        }
        Ok(())
    }

    /// Writes what waits of a strand.
    pub(super) fn settle(&mut self, strand: usize) -> io::Result<()> {
        let Strand { pieces, waiting } = &mut self.strands[strand];
        if waiting.is_empty() {
            return Ok(());
        }
        self.file.write_all(waiting)?;
        let length = waiting.len() as u64;
        match pieces.last_mut() {
            Some((start, long)) if *start + *long == self.at => *long += length,
            _ => pieces.push((self.at, length)),
        }
        self.at += length;
        self.waiting -= waiting.len();
        *waiting = Vec::new();
        Ok(())
    }

    /// Copies a strand. Nothing can be added to any afterwards.
    pub(super) fn copy(&mut self, strand: usize, out: &mut impl Write) -> io::Result<()> {
        for &(start, length) in &self.strands[strand].pieces {
            self.file.seek(SeekFrom::Start(start))?;
            io::copy(&mut (&mut self.file).take(length), out)?;
        }
        out.write_all(&self.strands[strand].waiting)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strands_that_grow_side_by_side_come_back_whole() {
        let mut spool = Spool::new().unwrap();
        let (one, two) = (spool.strand(), spool.strand());
        let (text, other) = (vec![b'a'; 5 << 20], vec![b'b'; 7 << 20]);
        for _ in 0..3 {
            spool.push(one, &text).unwrap();
            spool.push(two, &other).unwrap();
        }
        assert!(spool.waiting <= WAITING);
        spool.settle(one).unwrap();
        for (strand, byte, length) in [(one, b'a', 15 << 20), (two, b'b', 21 << 20)] {
            let mut found = Vec::new();
            spool.copy(strand, &mut found).unwrap();
            assert!(found.len() == length && found.iter().all(|found| *found == byte));
        }
    }
}
