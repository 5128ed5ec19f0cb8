//! What was said in calls, in blocks in a temporary file until it is known how much of it there is room for.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Seek, SeekFrom, Write},
    mem,
    panic::resume_unwind,
    path::Path,
    sync::mpsc::{SyncSender, sync_channel},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::{model::Body, view::detail::Detail};

/// The longest text that is kept whole.
const LONGEST: usize = 1 << 20;
/// How much is kept of a text where there is little room.
const SHORT: usize = 2 << 10;
/// A block ends when it has so many bytes before compression, or so many calls: small ones are quickly opened, and share the room fairly.
const BLOCK_BYTES: usize = 256 << 10;
const BLOCK_CALLS: u64 = 250;

/// Takes details into a spool in a thread of its own: to write and to compress them is half of the work of a report.
#[derive(Debug)]
pub(super) struct Spooling {
    /// What is handed on next, and how many bytes it has: about a block, so that neither thread waits for each call of the other.
    waiting: (Vec<Body>, usize),
    bodies: SyncSender<Vec<Body>>,
    thread: JoinHandle<io::Result<Spool>>,
}

impl Spooling {
    /// Starts with nothing, for a report at a path.
    pub(super) fn new(report: &Path) -> io::Result<Self> {
        Self::with(Spool::create(report)?)
    }

    fn with(mut spool: Spool) -> io::Result<Self> {
        let (bodies, said) = sync_channel::<Vec<Body>>(1);
        let take_all = move || {
            said.into_iter().flatten().try_for_each(|body| spool.add(&body))?;
            Ok(spool)
        };
        let thread = thread::Builder::new().name("spool".to_owned()).spawn(take_all)?;
        Ok(Self { waiting: (Vec::new(), 0), bodies, thread })
    }

    /// Hands on what was said in the next call. Returns whether more is taken; [`finish`](Self::finish) says why it is not.
    pub(super) fn add(&mut self, body: Body) -> bool {
        let Body { request, answer, result, .. } = &body;
        let texts = [Some(request), answer.as_ref(), result.as_ref()];
        let (waiting, bytes) = &mut self.waiting;
        *bytes += texts.into_iter().flatten().map(Bytes::len).sum::<usize>();
        waiting.push(body);
        if *bytes < BLOCK_BYTES && (waiting.len() as u64) < BLOCK_CALLS {
            return true;
        }
        self.bodies.send(mem::take(&mut self.waiting).0).is_ok()
    }

    /// Waits until all is taken in.
    pub(super) fn finish(self) -> io::Result<Spool> {
        // If that takes no more, its thread says why.
        let _ = self.bodies.send(self.waiting.0);
        drop(self.bodies);
        self.thread.join().unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Blocks of details, each in two versions.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    /// Where the next version begins.
    end: u64,
    blocks: Vec<Block>,
    /// The details of the block that is being made, as JSON without the closing bracket.
    whole: Vec<u8>,
    short: Vec<u8>,
    next: Block,
}

/// A run of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Block {
    /// The first call, counted from 0 in the order in which calls ended.
    pub(super) first: u64,
    calls: u64,
    whole: Version,
    short: Version,
    chosen: Choice,
}

#[derive(Clone, Copy, Debug, Default)]
struct Version {
    from: u64,
    bytes: u64,
    /// How many calls have a text that was cut.
    cut: u64,
}

impl Version {
    /// Returns its size in the page.
    fn cost(self) -> u64 {
        self.bytes.div_ceil(3) * 4
    }
}

/// What of a block gets into the page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Choice {
    #[default]
    Nothing,
    Short,
    Whole,
}

/// How many calls are told of incompletely.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Incomplete {
    pub(super) cut: u64,
    pub(super) left_out: u64,
}

impl Spool {
    /// Makes a temporary file without a name in the folder of the report, which has room for large ones and is the user's own choice.
    fn create(report: &Path) -> io::Result<Self> {
        let folder = report.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?;
        Ok(Self {
            file: BufWriter::new(file),
            end: 0,
            blocks: Vec::new(),
            whole: Vec::new(),
            short: Vec::new(),
            next: Block::default(),
        })
    }

    /// Takes in what was said in the next call.
    fn add(&mut self, body: &Body) -> io::Result<()> {
        let (whole, short) = (Detail::new(body, LONGEST), Detail::new(body, SHORT));
        self.next.calls += 1;
        self.next.whole.cut += u64::from(whole.is_cut());
        self.next.short.cut += u64::from(short.is_cut());
        for (text, detail) in [(&mut self.whole, whole), (&mut self.short, short)] {
            text.push(if text.is_empty() { b'[' } else { b',' });
            serde_json::to_writer(text, &detail)?;
        }
        if self.whole.len() >= BLOCK_BYTES || self.next.calls >= BLOCK_CALLS {
            self.end_block()?;
        }
        Ok(())
    }

    fn end_block(&mut self) -> io::Result<()> {
        let mut block = self.next;
        if block.calls == 0 {
            return Ok(());
        }
        block.whole = pack(&mut self.file, &mut self.end, &self.whole, block.whole.cut)?;
        block.short = if self.short == self.whole {
            block.whole
        } else {
            pack(&mut self.file, &mut self.end, &self.short, block.short.cut)?
        };
        self.whole.clear();
        self.short.clear();
        self.next = Block { first: block.first + block.calls, ..Block::default() };
        self.blocks.push(block);
        Ok(())
    }

    /// Decides which blocks get into a page that has room for so many bytes of them: short ones before anything else, and then whole
    /// ones for as many calls as can be, which leaves out the largest.
    pub(super) fn choose(&mut self, room: u64) -> io::Result<Incomplete> {
        self.end_block()?;
        let blocks = &mut self.blocks;
        let mut left = room;
        let mut order: Vec<usize> = (0..blocks.len()).collect();
        order.sort_by_key(|at| blocks[*at].short.cost());
        for at in &order {
            let cost = blocks[*at].short.cost();
            if cost > left {
                break;
            }
            left -= cost;
            blocks[*at].chosen = Choice::Short;
        }
        let growth = |block: &Block| block.whole.cost().saturating_sub(block.short.cost());
        order.sort_by_key(|at| growth(&blocks[*at]));
        for at in order {
            let block = &mut blocks[at];
            if block.chosen == Choice::Short && growth(block) <= left {
                left -= growth(block);
                block.chosen = Choice::Whole;
            }
        }
        let mut incomplete = Incomplete::default();
        for block in blocks {
            match block.chosen {
                Choice::Nothing => incomplete.left_out += block.calls,
                Choice::Short => incomplete.cut += block.short.cut,
                Choice::Whole => incomplete.cut += block.whole.cut,
            }
        }
        Ok(incomplete)
    }

    /// Returns the blocks, in the order of their calls.
    pub(super) fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Reads what was chosen of a block, compressed; `None` if that is nothing.
    pub(super) fn read(&mut self, number: usize) -> io::Result<Option<Vec<u8>>> {
        let block = self.blocks[number];
        let version = match block.chosen {
            Choice::Nothing => return Ok(None),
            Choice::Short => block.short,
            Choice::Whole => block.whole,
        };
        // Also writes what is still in its buffer.
        self.file.seek(SeekFrom::Start(version.from))?;
        let mut packed = Vec::new();
        self.file.get_ref().take(version.bytes).read_to_end(&mut packed)?;
        Ok(Some(packed))
    }
}

/// Writes a version of a block, which lacks its closing bracket.
fn pack(file: &mut BufWriter<File>, end: &mut u64, text: &[u8], cut: u64) -> io::Result<Version> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text)?;
    packer.write_all(b"]")?;
    let packed = packer.finish()?;
    file.write_all(&packed)?;
    let version = Version { from: *end, bytes: packed.len() as u64, cut };
    *end += version.bytes;
    Ok(version)
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;
    use serde_json::Value;

    use super::*;

    fn body(length: usize) -> Body {
        // No two are alike, so that compression does not decide.
        let noise: String = std::iter::repeat_with(fastrand::alphanumeric).take(length).collect();
        Body {
            request: Bytes::from_static(b"{}"),
            params: None,
            answer: Some(Bytes::from(noise)),
            result: None,
            error: None,
        }
    }

    fn spool(lengths: impl IntoIterator<Item = usize>) -> Spool {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::create(&dir.path().join("report.html")).unwrap();
        lengths.into_iter().for_each(|length| spool.add(&body(length)).unwrap());
        spool
    }

    #[test]
    fn spool_that_cannot_be_written_takes_no_more_and_says_why() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut spool = spool([]);
        spool.file = BufWriter::new(File::open(file.path()).unwrap());
        let mut spooling = Spooling::with(spool).unwrap();
        while spooling.add(body(BLOCK_BYTES)) {}
        assert!(spooling.finish().is_err());
    }

    #[test]
    fn spool_takes_all_that_was_handed_on() {
        let mut spooling = Spooling::with(spool([])).unwrap();
        assert!((1..600).all(|length| spooling.add(body(length))));
        let mut spool = spooling.finish().unwrap();
        assert_eq!(spool.choose(u64::MAX).unwrap(), Incomplete::default());
        assert_eq!(details(&mut spool).len(), 599);
    }

    fn details(spool: &mut Spool) -> Vec<Option<Value>> {
        let mut all = Vec::new();
        for number in 0..spool.blocks().len() {
            let calls = spool.blocks()[number].calls as usize;
            match spool.read(number).unwrap() {
                None => all.extend(std::iter::repeat_n(None, calls)),
                Some(packed) => {
                    let block: Vec<Value> = serde_json::from_reader(GzDecoder::new(&packed[..])).unwrap();
                    assert_eq!(block.len(), calls);
                    all.extend(block.into_iter().map(Some));
                }
            }
        }
        all
    }

    #[test]
    fn all_is_embedded_where_there_is_room() {
        let mut spool = spool((0..600).map(|number| number * 10));
        assert_eq!(spool.choose(u64::MAX).unwrap(), Incomplete::default());
        let details = details(&mut spool);
        assert_eq!(details.len(), 600);
        for (number, detail) in details.iter().enumerate() {
            assert_eq!(detail.as_ref().unwrap()["answer"].as_str().unwrap().len(), number * 10);
        }
    }

    #[test]
    fn largest_texts_are_cut_first() {
        // Larger than a block each.
        let mut spool = spool([100, 900_000, 100, 300_000, 100]);
        let Incomplete { cut, left_out } = spool.choose(500_000).unwrap();
        assert_eq!((cut, left_out), (1, 0));
        let details = details(&mut spool);
        assert_eq!(details[1].as_ref().unwrap()["cut"]["answer"], 900_000);
        assert_eq!(details[3].as_ref().unwrap()["answer"].as_str().unwrap().len(), 300_000);
    }

    #[test]
    fn nothing_is_embedded_without_room() {
        let mut spool = spool([100; 300]);
        assert_eq!(spool.choose(0).unwrap(), Incomplete { cut: 0, left_out: 300 });
        assert!(details(&mut spool).iter().all(Option::is_none));
    }
}
