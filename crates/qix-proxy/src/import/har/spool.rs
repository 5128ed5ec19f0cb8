//! Keeps what was read of a HAR in a temporary file, and gives it back in the order of time.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write},
};

/// The bytes before what is kept of an item: its time, its length, its kind.
const HEAD: usize = 8 + 8 + 1;

/// Stands for a time that is not known.
pub(super) const UNTIMED: u64 = u64::MAX;

/// A temporary file without a name.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    at: u64,
}

/// Items that lie one behind the other, in the order of time.
#[derive(Debug)]
pub(super) struct Run {
    /// Which entry of the HAR they are of.
    pub(super) entry: u32,
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) times: Times,
}

/// When the items of a run happened, in microseconds since 1970.
#[derive(Debug)]
pub(super) enum Times {
    /// As each of them says, and not before this.
    Kept(u64),
    /// Nobody knows: they are spread over a span, of which `done` items have had their share.
    Made { from: u64, span: u64, count: u64, done: u64 },
}

/// One thing that was kept.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Item {
    pub(super) entry: u32,
    pub(super) time: u64,
    pub(super) kind: u8,
    pub(super) bytes: Vec<u8>,
}

impl Spool {
    /// Creates the file.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { file: BufWriter::with_capacity(256 << 10, tempfile::tempfile()?), at: 0 })
    }

    /// Returns where the next item will lie.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Adds an item.
    pub(super) fn put(&mut self, time: u64, kind: u8, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(&time.to_le_bytes())?;
        self.file.write_all(&(bytes.len() as u64).to_le_bytes())?;
        self.file.write_all(&[kind])?;
        self.file.write_all(bytes)?;
        self.at += (HEAD + bytes.len()) as u64;
        Ok(())
    }

    /// Drops all that lies behind a place.
    pub(super) fn truncate(&mut self, at: u64) -> io::Result<()> {
        if at == self.at {
            return Ok(());
        }
        self.file.seek(SeekFrom::Start(at))?;
        self.file.get_ref().set_len(at)?;
        self.at = at;
        Ok(())
    }

    /// Gives the items of `runs` back in the order of time; of those with one time, in the order of the runs.
    pub(super) fn merge(self, runs: Vec<Run>) -> io::Result<Merge> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        // Runs that are as long in time lie far apart, so that nearly each item throws away what the buffer has.
        let file = BufReader::with_capacity(16 << 10, file);
        let mut merge = Merge { file, at: 0, runs, next: BinaryHeap::new() };
        for run in 0..merge.runs.len() {
            merge.queue(run)?;
        }
        Ok(merge)
    }
}

/// Goes over runs.
#[derive(Debug)]
pub(super) struct Merge {
    file: BufReader<File>,
    at: u64,
    runs: Vec<Run>,
    /// The time of the next item of each run that has one.
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Merge {
    /// Returns the next item.
    pub(super) fn next(&mut self) -> io::Result<Option<Item>> {
        let Some(Reverse((time, run))) = self.next.pop() else { return Ok(None) };
        let Run { entry, start, .. } = self.runs[run];
        let (_, len, kind) = self.head(start)?;
        let mut bytes = vec![0; len as usize];
        self.file.read_exact(&mut bytes)?;
        self.at += len;
        self.runs[run].start = self.at;
        self.queue(run)?;
        Ok(Some(Item { entry, time, kind, bytes }))
    }

    /// Puts the next item of a run, if there is one, among those to come.
    fn queue(&mut self, run: usize) -> io::Result<()> {
        let Run { start, end, .. } = self.runs[run];
        if start >= end {
            return Ok(());
        }
        let time = match &mut self.runs[run].times {
            Times::Made { from, span, count, done } => {
                *done += 1;
                // Shares of the span, without an overflow however long it is.
                *from + (u128::from(*span) * u128::from(*done) / (u128::from(*count) + 1)) as u64
            }
            &mut Times::Kept(floor) => match self.head(start)?.0 {
                UNTIMED => floor,
                time => time.max(floor),
            },
        };
        self.next.push(Reverse((time, run)));
        Ok(())
    }

    /// Reads what stands before an item; what it is stands there.
    fn head(&mut self, at: u64) -> io::Result<(u64, u64, u8)> {
        // What is near is in memory: no file holds 2^63 bytes.
        self.file.seek_relative(at as i64 - self.at as i64)?;
        self.at = at;
        let mut head = [0; HEAD];
        self.file.read_exact(&mut head)?;
        self.at += HEAD as u64;
        let number = |from: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[from + byte]));
        Ok((number(0), number(8), head[HEAD - 1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(spool: Spool, runs: Vec<Run>) -> Vec<(u64, u8)> {
        let mut merge = spool.merge(runs).unwrap();
        let mut found = Vec::new();
        while let Some(item) = merge.next().unwrap() {
            assert_eq!(item.bytes, vec![item.kind; usize::from(item.kind)]);
            found.push((item.time, item.kind));
        }
        found
    }

    fn run(spool: &mut Spool, times: Times, items: &[(u64, u8)]) -> Run {
        let start = spool.at();
        for (time, kind) in items {
            spool.put(*time, *kind, &vec![*kind; usize::from(*kind)]).unwrap();
        }
        Run { entry: 0, start, end: spool.at(), times }
    }

    #[test]
    fn runs_become_one_in_the_order_of_time_and_ties_are_in_the_order_of_runs() {
        let mut spool = Spool::new().unwrap();
        let one = run(&mut spool, Times::Kept(0), &[(1, 1), (5, 2), (5, 3), (9, 4)]);
        let two = run(&mut spool, Times::Kept(2), &[(1, 5), (5, 6), (7, 7)]);
        assert_eq!(kinds(spool, vec![one, two]), [(1, 1), (2, 5), (5, 2), (5, 3), (5, 6), (7, 7), (9, 4)]);
    }

    #[test]
    fn made_up_times_are_spread_in_order_over_the_span() {
        let mut spool = Spool::new().unwrap();
        let times = Times::Made { from: 100, span: 40, count: 3, done: 0 };
        let one = run(&mut spool, times, &[(UNTIMED, 1), (UNTIMED, 2), (UNTIMED, 3)]);
        assert_eq!(kinds(spool, vec![one]), [(110, 1), (120, 2), (130, 3)]);
    }

    #[test]
    fn what_was_dropped_makes_room_for_other_items() {
        let mut spool = Spool::new().unwrap();
        let one = run(&mut spool, Times::Kept(0), &[(1, 1)]);
        let at = spool.at();
        run(&mut spool, Times::Kept(0), &[(2, 100), (3, 101)]);
        spool.truncate(at).unwrap();
        let two = run(&mut spool, Times::Kept(0), &[(4, 2)]);
        assert_eq!(kinds(spool, vec![one, two]), [(1, 1), (4, 2)]);
    }
}
